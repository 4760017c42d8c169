"""Where chats are kept: one log a chat, in the user's state folder, so that two terminals never share one.

`$XDG_STATE_HOME/rxstream/chats/ID.db`, for the user only. Ids sort by time. Must not know what a log holds.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from rxstream.errors import BadRequest

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LISTED: Final = 5


def state_folder() -> Path:
    """The user's folder for what programs remember; the XDG specification says where."""
    given = os.environ.get("XDG_STATE_HOME", "")
    # the XDG specification: a relative path is to be ignored
    root = Path(given) if os.path.isabs(given) else Path.home() / ".local" / "state"
    return root / "rxstream"


class Store:
    """The chats in a folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or state_folder() / "chats"

    def fresh(self) -> Path:
        """Where a new chat is to be kept. Raises `OSError`."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        began = datetime.now().strftime("%Y%m%d-%H%M%S")
        return self.folder / f"{began}-{secrets.token_hex(2)}.db"

    def newest(self, limit: int | None = None) -> list[Path]:
        """The chats there are, the one that was written last first."""
        found: list[tuple[float, Path]] = []
        with suppress(OSError):
            for path in self.folder.glob("*.db"):
                with suppress(OSError):  # deleted meanwhile
                    found.append((_written(path), path))
        return [path for _, path in sorted(found, reverse=True)][:limit]

    def find(self, chat_id: str) -> Path:
        """A chat by its id or an unmistakable beginning of it. Raises `BadRequest`, which lists some."""
        if _ID.fullmatch(chat_id):
            there = self.newest()
            exact = [path for path in there if path.stem == chat_id]
            found = exact or [path for path in there if path.stem.startswith(chat_id)]
            if len(found) == 1:
                return found[0]
        newest = ", ".join(path.stem for path in self.newest(_LISTED)) or "none"
        raise BadRequest(f"no chat has the id {chat_id[:80]!r}; the newest are {newest}")


def _written(path: Path) -> float:
    """When it was written last; what was written may still be in the file beside it."""
    times = [path.stat().st_mtime]
    with suppress(OSError):
        beside = path.with_name(f"{path.name}-wal").stat()
        if beside.st_size:  # whoever looks at a log may leave an empty one
            times.append(beside.st_mtime)
    return max(times)
