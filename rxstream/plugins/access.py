"""Which actions may be asked for: patterns over `plugin.action`, and what no pattern allows is denied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rxstream.errors import AuthorError
from rxstream.plugins.errors import ActionDenied


@dataclass(frozen=True)
class Access:
    """Rules: an action needs a pattern in `allow` and none in `deny`, which goes first.

    Patterns are the shell's: `Access(allow=("files.*",), deny=("*.delete",))`. Upper and lower case differ.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("allow", "deny"):
            given: Iterable[str] = getattr(self, name)
            if isinstance(given, str):
                raise AuthorError(f"{name} takes several patterns: give ({given!r},)")
            object.__setattr__(self, name, tuple(given))

    def allows(self, action: str) -> bool:
        """Whether `plugin.action` may be used."""
        if any(fnmatchcase(action, pattern) for pattern in self.deny):
            return False
        return any(fnmatchcase(action, pattern) for pattern in self.allow)

    def check(self, action: str) -> None:
        """Raises `ActionDenied`."""
        if not self.allows(action):
            raise ActionDenied(f"action {action} is not allowed here")


EVERYTHING = Access(allow=("*",))
"""No rules."""
