"""What was typed before, kept in a file: one JSON text a line, the newest last.

Bounded: of a long file the end is read, and it is written anew when it has grown to twice that. A file that
cannot be read or written costs the memory of it and nothing else.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson

KEPT: Final = 500
_LONGEST: Final = 10_000
"""Characters of an entry that is worth keeping."""


class History:
    """Entries, and a place among them that `older` and `newer` move."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.entries: list[str] = []
        self._at = 0
        self._draft = ""
        """What was being typed when somebody began to look back."""
        self._lines = 0
        if path is not None:
            self._read(path)
        self._at = len(self.entries)

    def _read(self, path: Path) -> None:
        with suppress(OSError):
            lines = path.read_bytes().splitlines()
            self._lines = len(lines)
            for line in lines[-KEPT:]:
                with suppress(orjson.JSONDecodeError):  # half a line of a process that was killed
                    entry = orjson.loads(line)
                    if isinstance(entry, str):
                        self.entries.append(entry)

    def add(self, text: str) -> None:
        """It was sent."""
        if text and len(text) <= _LONGEST and self.entries[-1:] != [text]:
            self.entries = [*self.entries, text][-KEPT:]
            self._write(text)
        self._at = len(self.entries)

    def _write(self, text: str) -> None:
        if self._path is None:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._lines >= 2 * KEPT:
                fresh = self._path.with_suffix(f".{os.getpid()}")
                fresh.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in self.entries))
                fresh.chmod(0o600)
                fresh.replace(self._path)
                self._lines = len(self.entries)
                return
            with open(
                os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab"
            ) as file:
                file.write(orjson.dumps(text) + b"\n")
            self._lines += 1

    def older(self, typed: str) -> str | None:
        """The entry before; None at the first one."""
        if self._at == 0:
            return None
        if self._at == len(self.entries):
            self._draft = typed
        self._at -= 1
        return self.entries[self._at]

    def newer(self) -> str | None:
        """The entry after, at last what was being typed; None there."""
        if self._at == len(self.entries):
            return None
        self._at += 1
        return self._draft if self._at == len(self.entries) else self.entries[self._at]
