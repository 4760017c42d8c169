"""Where everything of a drawing goes: boxes, the groups around them, and the lines between them.

A group (the nodes of a nested graph) is laid out by itself and then placed as one block; a line into it
passes a port in its border, one for each box outside that is read. Long chains are folded: a run of boxes
that only read each other is stacked in one column, read from top to bottom, so that a graph of many steps
fits a page. Pure geometry: it knows names and sizes, not plans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal

from rxstream.graph.layers import Block, Link, Point, arrange, depths, topological

LONG: Final = 7
"""Columns a drawing may have before its chains are folded."""
GROUP_SIDE: Final = 18.0
GROUP_TOP: Final = 34.0
GROUP_BOTTOM: Final = 18.0
STACK_GAP: Final = 22.0

_SHORTEST_STACK: Final = 4
_CORNERS: Final = 20.0
"""What lines keep clear of, of the side of a box."""

Path = tuple[str, ...]
Key = tuple[Literal["box", "group", "in", "out"], Path]
"""An item of a level: a box or a port by its name, a group by its path."""


@dataclass(frozen=True, slots=True)
class Box:
    """A placed rectangle, in pixels from the top left corner of the drawing."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes by name, group boxes by path (outer ones first), and the points of each edge as given.

    Two following points of equal x or y are joined by a straight line, others by an S with level ends.
    """

    boxes: Mapping[str, Box]
    groups: Mapping[Path, Box]
    routes: Sequence[Sequence[Point]]
    width: float
    height: float


@dataclass(slots=True)
class _Level:
    """What is placed together: the boxes of one group, its sub-groups, and the ports in its border."""

    path: Path
    items: dict[Key, int] = field(default_factory=dict)
    links: dict[tuple[Key, Key, str, int], int] = field(default_factory=dict)
    corners: list[Point] = field(default_factory=list)
    routes: list[list[Point]] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0

    def add(self, key: Key) -> None:
        """Have the item placed here."""
        self.items.setdefault(key, len(self.items))

    def link(self, source: Key, target: Key, origin: str, edge: int) -> int:
        """The index of a line between two items; edges of one `origin` share it up to the last box."""
        self.add(source)
        self.add(target)
        key = (source, target, origin, edge if target[0] == "box" else -1)
        return self.links.setdefault(key, len(self.links))

    def port(self, kind: Literal["in", "out"], name: str) -> float:
        """How far below the group's top its port is."""
        return GROUP_TOP + self.corners[self.items[kind, (name,)]][1]


def lay_out(
    sizes: Mapping[str, tuple[float, float]],
    edges: Sequence[tuple[str, str]],
    paths: Mapping[str, Path] | None = None,
) -> Layout:
    """Place boxes of (width, height) and route the edges; `paths` says in which groups a box is.

    Groups that could not be drawn from left to right as blocks are left out. `ValueError` when the edges
    themselves form a cycle.
    """
    inside = dict.fromkeys(sizes, ()) if paths is None else paths
    levels, trails = _levels(sizes, edges, inside)
    if any(_cyclic(level) for level in levels.values()):
        levels, trails = _levels(sizes, edges, dict.fromkeys(sizes, ()))
    for path in sorted(levels, key=len, reverse=True):
        _place(levels[path], levels, sizes)
    origins: dict[Path, Point] = {(): (0.0, 0.0)}
    groups: dict[Path, Box] = {}
    boxes: dict[str, Box] = {}
    for path in sorted(levels, key=len):
        level = levels[path]
        for (kind, what), index in level.items.items():
            x, y = _sum(origins[path], level.corners[index])
            if kind == "box":
                boxes[what[0]] = Box(x, y, *sizes[what[0]])
            elif kind == "group":
                groups[what] = Box(x, y, levels[what].width, levels[what].height)
                origins[what] = (x + GROUP_SIDE, y + GROUP_TOP)
    routes = [
        [_sum(origins[path], point) for path, link in trail for point in levels[path].routes[link]]
        for trail in trails
    ]
    root = levels[()]
    return Layout({name: boxes[name] for name in sizes}, groups, routes, root.width, root.height)


def _sum(a: Point, b: Point) -> Point:
    return (a[0] + b[0], a[1] + b[1])


def _levels(
    sizes: Mapping[str, tuple[float, float]],
    edges: Sequence[tuple[str, str]],
    paths: Mapping[str, Path],
) -> tuple[dict[Path, _Level], list[list[tuple[Path, int]]]]:
    """The levels, and for each edge the links (level and index) that it is made of."""
    levels: dict[Path, _Level] = {(): _Level(())}
    for name in sizes:
        path = paths[name]
        for depth in range(len(path)):
            levels[path[:depth]].add(("group", path[: depth + 1]))
            levels.setdefault(path[: depth + 1], _Level(path[: depth + 1]))
        levels[path].add(("box", (name,)))
    trails = []
    for edge, (source, target) in enumerate(edges):
        up, down = paths[source], paths[target]
        shared = 0
        while shared < min(len(up), len(down)) and up[shared] == down[shared]:
            shared += 1
        port = (source,)
        trail = []
        for depth in range(len(up), shared, -1):
            here = _item(source, up, depth)
            link = levels[up[:depth]].link(here, ("out", port), source, edge)
            trail.append((up[:depth], link))
        ends = _item(source, up, shared), _item(target, down, shared)
        trail.append((up[:shared], levels[up[:shared]].link(*ends, source, edge)))
        for depth in range(shared + 1, len(down) + 1):
            here = _item(target, down, depth)
            link = levels[down[:depth]].link(("in", port), here, source, edge)
            trail.append((down[:depth], link))
        trails.append(trail)
    return levels, trails


def _item(name: str, path: Path, depth: int) -> Key:
    """What stands for a box in the level that is `depth` groups deep."""
    return ("box", (name,)) if depth == len(path) else ("group", path[: depth + 1])


def _pairs(level: _Level) -> list[tuple[int, int]]:
    return [(level.items[source], level.items[target]) for source, target, _, _ in level.links]


def _cyclic(level: _Level) -> bool:
    return topological(len(level.items), _pairs(level)) is None


def _place(
    level: _Level, levels: Mapping[Path, _Level], sizes: Mapping[str, tuple[float, float]]
) -> None:
    """Set the corners of the level's items, the routes of its links and its size."""
    keys = list(level.items)
    own = [_size(key, levels, sizes) for key in keys]
    stacks = _stacks(keys, _pairs(level))
    stack_of = {item: at for at, stack in enumerate(stacks) for item in stack}
    blocks = [_block([own[item] for item in stack], keys[stack[0]][0]) for stack in stacks]
    links, across = [], []
    for (source, target, origin, _), index in level.links.items():
        ends = stack_of[level.items[source]], stack_of[level.items[target]]
        if ends[0] == ends[1]:
            continue
        leave = levels[source[1]].port("out", origin) if source[0] == "group" else None
        enter = levels[target[1]].port("in", origin) if target[0] == "group" else None
        links.append(Link(*ends, leave, enter))
        across.append(index)
    arrangement = arrange(blocks, links)
    level.corners = [(0.0, 0.0)] * len(keys)
    for stack, block, (x, y) in zip(stacks, blocks, arrangement.corners, strict=True):
        for item in stack:
            level.corners[item] = (x + (block.width - own[item][0]) / 2, y)
            y += own[item][1] + STACK_GAP
    level.routes = [_down(level, own, source, target) for source, target, _, _ in level.links]
    for index, route in zip(across, arrangement.routes, strict=True):
        level.routes[index] = route
    level.width, level.height = arrangement.width, arrangement.height
    if level.path:
        level.width += 2 * GROUP_SIDE
        level.height += GROUP_TOP + GROUP_BOTTOM


def _size(
    key: Key, levels: Mapping[Path, _Level], sizes: Mapping[str, tuple[float, float]]
) -> tuple[float, float]:
    kind, what = key
    if kind == "box":
        return sizes[what[0]]
    if kind == "group":
        return levels[what].width, levels[what].height
    return (0.0, 0.0)


def _block(sizes: Sequence[tuple[float, float]], kind: str) -> Block:
    """A stack as one block: entered at its first box, left at its last."""
    first, last = sizes[0][1], sizes[-1][1]
    height = sum(height for _, height in sizes) + STACK_GAP * (len(sizes) - 1)
    return Block(
        width=max(width for width, _ in sizes),
        height=height,
        enter=first / 2,
        leave=height - last / 2,
        spread=max(0.0, first - _CORNERS),
        pin="first" if kind == "in" else "last" if kind == "out" else None,
    )


def _down(
    level: _Level, sizes: Sequence[tuple[float, float]], source: Key, target: Key
) -> list[Point]:
    """The line from a box to the one below it in its stack."""
    above, below = level.items[source], level.items[target]
    x = level.corners[above][0] + sizes[above][0] / 2
    return [(x, level.corners[above][1] + sizes[above][1]), (x, level.corners[below][1])]


def _stacks(keys: Sequence[Key], pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Every item in exactly one stack; stacks of several only where the drawing would be too wide."""
    columns = 1 + max(depths(len(keys), pairs), default=0)
    if columns <= LONG:
        return [[item] for item in range(len(keys))]
    tallest = max(_SHORTEST_STACK, -(-columns // LONG))
    readers: list[list[int]] = [[] for _ in keys]
    inputs = [0] * len(keys)
    for source, target in pairs:
        readers[source].append(target)
        inputs[target] += 1
    following: dict[int, int] = {}
    for item, found in enumerate(readers):
        alone = len(found) == 1 and inputs[found[0]] == 1
        if alone and keys[item][0] == "box" == keys[found[0]][0]:
            following[item] = found[0]
    stacks: list[list[int]] = []
    for start in sorted(set(range(len(keys))) - set(following.values())):
        run = [start]
        while run[-1] in following:
            run.append(following[run[-1]])
        pieces = -(-len(run) // tallest)
        cuts = [len(run) * piece // pieces for piece in range(pieces + 1)]
        stacks.extend(run[a:b] for a, b in pairwise(cuts))
    return stacks
