"""Walking a folder: every file and folder below it once, in the order of their names, with sizes.

Links are told and never followed, so that a walk ends and stays where it began. Each folder is opened anew
from the root, so that what is moved away meanwhile is not walked. Must not know what is done with the names.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from rxstream.adapters.tools.confined import Root, shown
from rxstream.adapters.tools.ignoring import Rules, SlowPattern, read_rules
from rxstream.adapters.tools.working import Limits, Watch, counted
from rxstream.errors import ClientError, WorldError

_IGNORE_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class Found:
    """A file, a folder or a link."""

    path: str
    """Relative to the root."""
    depth: int
    """1 for what lies in the folder that is walked."""
    kind: str
    """`file`, `folder`, `link` or `other`."""
    size: int
    """Of a file, in bytes."""
    target: str = ""
    """Of a link."""

    @property
    def name(self) -> str:
        """Without its folder."""
        return self.path.rpartition("/")[2]


@dataclass
class Walk:
    """One walk; what it left out is known when it is over."""

    root: Root
    limits: Limits
    watch: Watch
    everything: bool = False
    """Also dot-files and what is ignored."""
    shares: bool = True
    """Tell how much of the folders is done; else only how many names were seen."""
    seen: int = 0
    base: str = ""
    """The folder that is walked, relative to the root; empty for the root."""
    unreadable: list[str] = field(default_factory=list)
    stopped: str = ""
    """Why it ended early, if it did."""

    def below(self, path: str) -> Iterator[Found]:
        """What is below a folder."""
        path = self.root.relative(path)
        self.base = "" if os.path.normpath(path) == "." else os.path.normpath(path)
        base = f"{self.base}/" if self.base else ""
        with self.root.open(path) as opened:
            if not opened.is_folder:
                raise ClientError(f"{shown(path)} is a file: `view` shows it")
        rules = self._rules_above(base)
        # each folder has its share of the whole, divided among the folders in it
        waiting: list[tuple[str, int, Rules | None, float, Found | None]] = [
            (base, 0, rules, 1.0, None)
        ]
        done = 0.0
        while waiting:
            folder, depth, rules, share, found = waiting.pop()
            if found is not None:
                yield found
                if found.kind != "folder":
                    continue
            if self.watch.look():
                self.watch.tell(
                    done,
                    1.0 if self.shares else None,
                    f"{counted(self.seen, 'name')}, {shown(folder or '.')}",
                )
            if self.watch.late:
                self.stopped = "time is up"
                return
            entries, rules = self._entries(folder, depth + 1, rules)
            folders = sum(each.kind == "folder" for each in entries)
            if not folders:
                done += share
            waiting += [
                (f"{each.path}/", depth + 1, rules, share / max(1, folders), each)
                for each in reversed(entries)
            ]
            if self.stopped:
                yield from (each[4] for each in reversed(waiting) if each[4] is not None)
                return

    def within(self, found: Found) -> str:
        """Its path relative to the folder that is walked."""
        return found.path[len(self.base) + 1 :] if self.base else found.path

    def _entries(
        self, folder: str, depth: int, rules: Rules | None
    ) -> tuple[list[Found], Rules | None]:
        """What lies in one folder, and the rules that hold below it."""
        found: list[Found] = []
        try:
            with self.root.open(folder or ".") as opened:
                if not opened.is_folder:
                    return [], rules
                if not self.everything:
                    rules = self._rules(folder, rules)
                with os.scandir(opened.fd) as entries:
                    for entry in entries:
                        if self._left_out(folder, entry, rules):
                            continue
                        self.seen += 1
                        if self.seen > self.limits.entries:
                            self.stopped = f"more than {self.limits.entries:,} names"
                            break
                        found.append(_found(folder, depth, entry, opened.fd))
        except SlowPattern:
            raise
        except (OSError, WorldError, ClientError):  # not ours to read, or gone meanwhile
            self.unreadable.append(folder)
        found.sort(key=lambda each: each.path)
        return found, rules

    def _left_out(self, folder: str, entry: os.DirEntry[str], rules: Rules | None) -> bool:
        if self.everything:
            return False
        if entry.name.startswith("."):
            return True
        if rules is None:
            return False
        slash = "/" if entry.is_dir(follow_symlinks=False) else ""
        return rules.ignore(f"{folder}{entry.name}{slash}")

    def _rules_above(self, base: str) -> Rules | None:
        """Rules of the folders between the root and the one that is walked."""
        if self.everything or not base:
            return None
        rules: Rules | None = None
        parts = base.rstrip("/").split("/")
        for count in range(len(parts)):
            rules = self._rules("".join(f"{part}/" for part in parts[:count]), rules)
        return rules

    def _rules(self, folder: str, above: Rules | None) -> Rules | None:
        try:
            with self.root.open(f"{folder}.gitignore") as file:
                text = file.read(0, _IGNORE_BYTES).decode(errors="surrogateescape")
        except (WorldError, ClientError):
            return above
        return read_rules(text, folder, above)


def _found(folder: str, depth: int, entry: os.DirEntry[str], fd: int) -> Found:
    path = f"{folder}{entry.name}"
    if entry.is_symlink():
        try:
            target = os.readlink(entry.name, dir_fd=fd)
        except OSError:
            target = "?"
        return Found(path, depth, "link", 0, target)
    if entry.is_dir(follow_symlinks=False):
        return Found(path, depth, "folder", 0)
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return Found(path, depth, "other", 0)
    if not stat.S_ISREG(status.st_mode):
        return Found(path, depth, "other", 0)
    return Found(path, depth, "file", status.st_size)
