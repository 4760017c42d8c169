"""Which names a walk leaves out: dot-files and what `.gitignore` files say, or nothing; and globs of names.

A pattern is git's, nearer files win over those further up, and what is below an ignored folder is never
looked at. Patterns come from files and from models, so each look has a limit of time. Must not know files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from re import DOTALL
from re import Pattern as Plain
from re import compile as plain
from typing import Final

import regex

from rxstream.adapters.tools.patterns import as_bytes, pattern
from rxstream.errors import ClientError

MAX_RULES: Final = 5_000
"""Lines of one `.gitignore` that count."""
_SECONDS: Final = 0.5
"""One pattern may look at one name so long."""
_BRACES: Final = 64
_BRACED: Final = plain(r"\{([^{}]*)\}")
_HARMLESS: Final = 3
"""Asterisks that cannot make a pattern slow, which Python's own and faster matcher may have."""


class SlowPattern(ClientError):
    """A pattern of names takes too long."""

    code = "slow_pattern"


@dataclass(frozen=True)
class Rule:
    """One line of a `.gitignore`."""

    pattern: Plain[str] | regex.Pattern[str]
    ignores: bool

    def names(self, path: str) -> bool:
        """Whether it is about this path as bytes, relative to the file's folder; a folder's ends with `/`."""
        if isinstance(self.pattern, Plain):
            return self.pattern.fullmatch(path) is not None
        try:
            return self.pattern.fullmatch(path, timeout=_SECONDS, concurrent=True) is not None
        except TimeoutError:
            raise SlowPattern(
                f"the pattern of names {self.pattern.pattern[:80]!r} takes too long: "
                "use fewer asterisks, or look at everything, ignored or not"
            ) from None


@dataclass(frozen=True)
class Rules:
    """The lines that hold in one folder: those of its own file, then those from further up."""

    above: Rules | None
    folder: str
    """Where the file lies, relative to the root: empty, or ending with `/`."""
    lines: tuple[Rule, ...]

    def ignore(self, path: str) -> bool:
        """Whether a path relative to the root is left out; that of a folder ends with `/`."""
        rules: Rules | None = self
        while rules is not None:
            below = as_bytes(path[len(rules.folder) :])
            for rule in reversed(rules.lines):  # the last line that names it decides
                if rule.names(below):
                    return rule.ignores
            rules = rules.above
        return False


def read_rules(text: str, folder: str, above: Rules | None) -> Rules:
    """What a `.gitignore` in a folder says. A line that cannot be read says nothing, as in git."""
    lines = text.removeprefix("\ufeff").split("\n", MAX_RULES)[:MAX_RULES]
    found = (_rule(line.removesuffix("\r"), False) for line in lines)
    return Rules(above, folder, tuple(rule for rule in found if rule is not None))


class Globs:
    """What names are wanted: a pattern as in `.gitignore`, with `{a,b}`. Raises `ClientError`."""

    def __init__(self, glob: str) -> None:
        rules = [_rule(each, True) for each in _expanded(glob)]
        if None in rules or any(rule and not rule.ignores for rule in rules):
            raise ClientError(
                f"{glob[:80]!r} is no pattern of names: give one such as *.py, src/**/*.ts or *.{{c,h}}"
            )
        self._rules = [rule for rule in rules if rule is not None]

    def want(self, path: str) -> bool:
        """Whether a file, relative to the folder that is searched, is wanted, or a folder it is in."""
        name = as_bytes(path)
        return any(rule.names(name) for rule in self._rules)


@lru_cache(maxsize=2_048)
def _rule(line: str, below: bool) -> Rule | None:
    """`below` when it is also about what is in a folder that it names."""
    said = pattern(line)
    if said is None:
        return None
    within = ".*" if below else ""
    source = said.source + (f"/{within}" if said.folders else f"(?:/{within})?")
    if line.count("*") <= _HARMLESS:
        return Rule(plain(source, DOTALL), not said.negated)
    return Rule(regex.compile(source, regex.DOTALL), not said.negated)


def _expanded(glob: str) -> Iterator[str]:
    """`*.{c,h}` is `*.c` and `*.h`."""
    waiting, count = [glob], 0
    while waiting:
        each = waiting.pop()
        count += 1
        if count > _BRACES:
            raise ClientError(f"{glob[:80]!r} stands for more than {_BRACES} patterns of names")
        if found := _BRACED.search(each):
            before, after = each[: found.start()], each[found.end() :]
            waiting.extend(f"{before}{part}{after}" for part in found[1].split(","))
        else:
            yield each
