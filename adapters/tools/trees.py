"""`tree`: what is in a folder, indented, with sizes, down to some depth.

All of it is walked, so that each folder says how many files and bytes are below it; what is shown has a limit
of depth, of entries in all and in one folder. Must not know who asks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rxstream.adapters.tools.confined import Root, shown
from rxstream.adapters.tools.walking import Found, Walk
from rxstream.adapters.tools.working import Limits, Page, Watch, Work, counted, sized
from rxstream.tools import ToolResult

FOLDER_ENTRIES: Final = 100
"""So many entries of one folder are shown."""


@dataclass(frozen=True)
class Shape:
    """What is to be shown."""

    path: str = "."
    depth: int = 3
    limit: int = 400
    everything: bool = False


def tree(root: Root, shape: Shape, limits: Limits, watch: Watch) -> Work:
    """Lines live, then facts; the model is told the lines and what is missing."""
    walk = Walk(root, limits, watch, shape.everything)
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    entries: list[Found] = []
    for found in walk.below(shape.path):
        if found.depth <= shape.depth:
            entries.append(found)
        if found.kind == "file":
            folder = found.path
            while folder:
                folder = folder.rpartition("/")[0]
                files[folder] += 1
                sizes[folder] += found.size
    page = Page(limits.output)
    children: dict[str, list[Found]] = defaultdict(list)
    for found in entries:
        children[found.path.rpartition("/")[0]].append(found)
    count, stopped = 0, walk.stopped
    top = walk.base
    page.add(f"{shown(top or '.')}/  {_below(files[top], sizes[top])}")
    for line in _lines(children, top, files, sizes):
        if count == shape.limit or not page.add(line):
            stopped = stopped or f"there are {len(entries):,} entries down to depth {shape.depth}"
            break
        count += 1
        if page.ripe:
            yield from page.output()
    yield from page.output()
    watch.tell(1, 1)
    facts: dict[str, Any] = {
        "shown": count,
        "entries": walk.seen,
        "files": files[top],
        "bytes": sizes[top],
        "complete": not stopped,
    }
    notes = [f"not all: {stopped}; give a path below, or less depth"] if stopped else []
    if walk.unreadable:
        notes.append(f"{counted(len(walk.unreadable), 'folder')} could not be read")
    yield ToolResult(facts, page.text(*notes))


def _lines(
    children: dict[str, list[Found]],
    folder: str,
    files: Counter[str],
    sizes: Counter[str],
) -> Iterator[str]:
    """What lies in a folder, each folder followed by what lies in it."""
    within = children.get(folder, [])
    for each in within[:FOLDER_ENTRIES]:
        indent, name = "  " * each.depth, shown(each.name)
        if each.kind == "folder":
            yield f"{indent}{name}/  {_below(files[each.path], sizes[each.path])}"
            yield from _lines(children, each.path, files, sizes)
        elif each.kind == "link":
            yield f"{indent}{name} -> {shown(each.target)}"
        elif each.kind == "file":
            yield f"{indent}{name}  {sized(each.size)}"
        else:
            yield f"{indent}{name}  no file"
    if len(within) > FOLDER_ENTRIES:
        yield f"{'  ' * within[0].depth}… and {len(within) - FOLDER_ENTRIES:,} more"


def _below(files: int, size: int) -> str:
    return f"({counted(files, 'file')}, {sized(size)})"
