"""Blocks in columns, so that links run left to right, cross seldom and hardly bend.

The layered method of Sugiyama, Tagawa and Toda (1981): give each block a column, put stand-ins where a
link passes a column, order the columns by barycentres, then place each column by least squares (the
pool-adjacent-violators algorithm) beside its neighbours. The same input always gives the same picture.
No block overlaps another and no link runs under a block. It knows nothing of plans, text or colours.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Point = tuple[float, float]

ROW_GAP: Final = 28.0
LANE_GAP: Final = 14.0
"""Between a passing link and what is above or below it."""
COLUMN_GAP: Final = 34.0
COLUMN_GAP_MAX: Final = 120.0
PORT_STEP: Final = 11.0

_ORDER_SWEEPS: Final = 8
_PLACE_SWEEPS: Final = 10
_STRAIGHTEN: Final = 1 / 64
"""Weight of a neighbour on the side that a sweep does not look at: it only decides ties."""


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle to place; `enter` and `leave` are where links meet it, from its top, in pixels.

    Links that come in without an own height share `spread` pixels around `enter`, which is also what is
    brought level with the neighbours. A pinned block stands with its like in the first or the last column.
    """

    width: float
    height: float
    enter: float
    leave: float
    spread: float = 0.0
    pin: Literal["first", "last"] | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """From a block to a block by index, at its own heights where given."""

    source: int
    target: int
    leave: float | None = None
    enter: float | None = None


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Corners (left, top) of the blocks and the points of the links, in the order they were given.

    Between two points of equal height runs a straight line, between others an S with level ends.
    """

    corners: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Segment:
    """A piece of links between neighbouring columns: the heights at its ends that want to be level.

    The line itself may begin elsewhere: `start` is where.
    """

    left: int
    right: int
    leave: float
    enter: float
    start: float


@dataclass(slots=True)
class _Grid:
    """Slots (the blocks, then the stand-ins) in columns, each from top to bottom."""

    heights: list[float]
    blocks: int
    columns: list[list[int]]
    paths: list[list[int]] = field(default_factory=list)
    before: list[list[_Segment]] = field(default_factory=list)
    after: list[list[_Segment]] = field(default_factory=list)

    def gap(self, above: int, below: int) -> float:
        """The least room between two slots of a column."""
        solid = above < self.blocks and below < self.blocks
        return ROW_GAP if solid and self.heights[above] and self.heights[below] else LANE_GAP


def topological(count: int, links: Iterable[tuple[int, int]]) -> list[int] | None:
    """Indices, each after all it is reached from, or None where there is a cycle."""
    targets: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for source, target in links:
        targets[source].append(target)
        waiting[target] += 1
    found = [index for index in range(count) if not waiting[index]]
    for index in found:
        for target in targets[index]:
            waiting[target] -= 1
            if not waiting[target]:
                found.append(target)
    return found if len(found) == count else None


def arrange(blocks: Sequence[Block], links: Sequence[Link]) -> Arrangement:
    """Place the blocks and route the links. `ValueError` when the links form a cycle."""
    grid = _grid(blocks, links, _columns(blocks, links))
    _order(grid)
    tops = _tops(grid)
    return _route(blocks, links, grid, tops)


def depths(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """For each index the links on the longest way to it. `ValueError` when there is a cycle."""
    order = topological(count, links)
    if order is None:
        raise ValueError("a cycle cannot be drawn from left to right")
    targets: list[list[int]] = [[] for _ in range(count)]
    for source, target in links:
        targets[source].append(target)
    found = [0] * count
    for index in order:
        for target in targets[index]:
            found[target] = max(found[target], found[index] + 1)
    return found


def _columns(blocks: Sequence[Block], links: Sequence[Link]) -> list[int]:
    """The column of each block: as far left as its inputs let it, or beside its readers.

    Beside its readers is where more lines leave it than reach it: they get shorter.
    """
    ports = [index for index, block in enumerate(blocks) if block.pin == "first"]
    inner = [(link.source, link.target) for link in links if blocks[link.source].pin != "first"]
    found = [depth + bool(ports) for depth in depths(len(blocks), inner)]
    for index in ports:
        found[index] = 0
    inputs = [0] * len(blocks)
    readers: list[list[int]] = [[] for _ in blocks]
    for link in links:
        inputs[link.target] += 1
        readers[link.source].append(link.target)
    for index in sorted(range(len(blocks)), key=lambda index: -found[index]):
        if len(readers[index]) > inputs[index] and blocks[index].pin is None:
            found[index] = min(found[reader] for reader in readers[index]) - 1
    end = max(found, default=0)
    for index, block in enumerate(blocks):
        if block.pin == "last":
            found[index] = end
    return found


def _grid(blocks: Sequence[Block], links: Sequence[Link], columns: list[int]) -> _Grid:
    """Put a stand-in wherever links from one point pass a column; they share it while they go together."""
    first = min(columns, default=0)
    grid = _Grid(
        [block.height for block in blocks],
        len(blocks),
        [[] for _ in range(max(columns, default=-1) + 1 - first)],
    )
    for index in _visits(blocks, links):
        grid.columns[columns[index] - first].append(index)
    stand_ins: dict[tuple[int, float, int], int] = {}
    segments: dict[_Segment, None] = {}
    for link in links:
        source, target = blocks[link.source], blocks[link.target]
        start = source.leave if link.leave is None else link.leave
        leave = source.enter if link.leave is None else link.leave
        point = (link.source, start)
        slot, path = link.source, [link.source]
        for column in range(columns[link.source] + 1, columns[link.target]):
            key = (*point, column)
            if key not in stand_ins:
                stand_ins[key] = len(grid.heights)
                grid.columns[column - first].append(stand_ins[key])
                grid.heights.append(0.0)
            lane = stand_ins[key]
            segments[_Segment(slot, lane, leave, 0.0, start)] = None
            path.append(slot := lane)
            leave = start = 0.0
        enter = target.enter if link.enter is None else link.enter
        segments[_Segment(slot, link.target, leave, enter, start)] = None
        grid.paths.append([*path, link.target])
    grid.before = [[] for _ in grid.heights]
    grid.after = [[] for _ in grid.heights]
    for segment in segments:
        grid.after[segment.left].append(segment)
        grid.before[segment.right].append(segment)
    return grid


def _visits(blocks: Sequence[Block], links: Sequence[Link]) -> list[int]:
    """Blocks by depth-first search, so that what belongs together starts together."""
    targets: list[list[int]] = [[] for _ in blocks]
    starts = [True] * len(blocks)
    for link in links:
        targets[link.source].append(link.target)
        starts[link.target] = False
    seen: dict[int, None] = {}
    stack = [index for index in reversed(range(len(blocks))) if starts[index]]
    while stack:
        index = stack.pop()
        if index not in seen:
            seen[index] = None
            stack.extend(reversed(targets[index]))
    return list(seen)


def _order(grid: _Grid) -> None:
    """Sort each column by the mean place of its neighbours, there and back; keep the best seen."""
    place = [0.0] * len(grid.heights)
    for column in grid.columns:
        _number(column, place)
    best, fewest = [list(column) for column in grid.columns], _crossings(grid, place)
    for sweep in range(_ORDER_SWEEPS):
        if not fewest:
            break
        forth = sweep % 2 == 0
        for column in grid.columns if forth else reversed(grid.columns):
            _sort(column, grid, place, forth=forth)
        crossings = _crossings(grid, place)
        if crossings < fewest:
            best, fewest = [list(column) for column in grid.columns], crossings
    grid.columns = best


def _number(column: list[int], place: list[float]) -> None:
    for position, slot in enumerate(column):
        place[slot] = position


def _meets(grid: _Grid, place: list[float], slot: int, offset: float) -> float:
    """Where a segment meets a slot, in places: what meets a block higher up counts as higher."""
    height = grid.heights[slot]
    return place[slot] + (0.8 * offset / height if height else 0.4)


def _sort(column: list[int], grid: _Grid, place: list[float], *, forth: bool) -> None:
    """Sort a column by the neighbours on one side; what has none there stays where it is."""
    wanted: list[tuple[float, float, int]] = []
    free: list[int] = []
    for position, slot in enumerate(column):
        if forth:
            ends = [_meets(grid, place, s.left, s.leave) for s in grid.before[slot]]
        else:
            ends = [_meets(grid, place, s.right, s.enter) for s in grid.after[slot]]
        if ends:
            wanted.append((sum(ends) / len(ends), place[slot], slot))
            free.append(position)
    for position, (_, _, slot) in zip(free, sorted(wanted), strict=True):
        column[position] = slot
    _number(column, place)


def _crossings(grid: _Grid, place: list[float]) -> int:
    total = 0
    for column in grid.columns:
        ends = sorted(
            (_meets(grid, place, s.left, s.leave), _meets(grid, place, s.right, s.enter))
            for slot in column
            for s in grid.after[slot]
        )
        seen: list[float] = []
        for _, end in ends:
            total += len(seen) - bisect_right(seen, end)
            insort(seen, end)
    return total


def _tops(grid: _Grid) -> list[float]:
    """The top of each slot, after sweeps that pull every column towards its neighbours."""
    tops = [0.0] * len(grid.heights)
    for column in grid.columns:
        _settle(column, grid, tops, [(0.0, 1.0)] * len(column))
    for sweep in range(_PLACE_SWEEPS):
        forth = sweep % 2 == 0
        both = sweep >= _PLACE_SWEEPS - 4
        for column in grid.columns if forth else reversed(grid.columns):
            pulls = [_pull(slot, grid, tops, forth=forth, both=both) for slot in column]
            _settle(column, grid, tops, pulls)
    highest = min(tops, default=0.0)
    return [top - highest for top in tops]


def _pull(
    slot: int, grid: _Grid, tops: list[float], *, forth: bool, both: bool
) -> tuple[float, float]:
    """Where a slot wants its top to be, and how much it wants it."""
    far = 1.0 if both else _STRAIGHTEN
    left, right = (1.0, far) if forth else (far, 1.0)
    total = weight = 0.0
    for segment in grid.before[slot]:
        strength = left * _strength(segment, grid)
        total += strength * (tops[segment.left] + segment.leave - segment.enter)
        weight += strength
    for segment in grid.after[slot]:
        strength = right * _strength(segment, grid)
        total += strength * (tops[segment.right] + segment.enter - segment.leave)
        weight += strength
    return (total / weight, weight) if weight else (tops[slot], _STRAIGHTEN)


def _strength(segment: _Segment, grid: _Grid) -> float:
    """Long links are kept straightest: 1, 2 or 8 as none, one or both ends are stand-ins."""
    return (1.0, 2.0, 8.0)[(segment.left >= grid.blocks) + (segment.right >= grid.blocks)]


def _settle(
    column: list[int], grid: _Grid, tops: list[float], pulls: list[tuple[float, float]]
) -> None:
    """Set the tops of a column: the least sum of squared, weighted distances that leaves the gaps."""
    offsets: list[float] = []
    pools: list[tuple[float, float, int]] = []  # mean, weight, slots that move as one
    offset = 0.0
    for position, (slot, (wanted, weight)) in enumerate(zip(column, pulls, strict=True)):
        if position:
            above = column[position - 1]
            offset += grid.heights[above] + grid.gap(above, slot)
        offsets.append(offset)
        mean, count = wanted - offset, 1
        while pools and pools[-1][0] >= mean:
            other, other_weight, other_count = pools.pop()
            mean = (other * other_weight + mean * weight) / (other_weight + weight)
            weight += other_weight
            count += other_count
        pools.append((mean, weight, count))
    position = 0
    for mean, _, count in pools:
        for _ in range(count):
            tops[column[position]] = mean + offsets[position]
            position += 1


def _route(
    blocks: Sequence[Block], links: Sequence[Link], grid: _Grid, tops: list[float]
) -> Arrangement:
    lefts, rights, width = _edges(blocks, grid, tops)
    column_of = {slot: at for at, column in enumerate(grid.columns) for slot in column}
    corners = [(lefts[column_of[index]], tops[index]) for index in range(len(blocks))]
    enters = _enters(blocks, links, grid, tops)
    routes = []
    for link, path, enter in zip(links, grid.paths, enters, strict=True):
        source = blocks[link.source]
        y = tops[link.source] + (source.leave if link.leave is None else link.leave)
        points = [(corners[link.source][0] + source.width, y)]
        for slot in path[1:]:
            points.append((rights[column_of[slot] - 1], y))
            y = tops[slot] + (enter if slot == link.target else 0.0)
            points.append((lefts[column_of[slot]], y))
        points.append((corners[link.target][0], y))
        routes.append(_thin(points))
    height = max((tops[i] + grid.heights[i] for i in range(len(tops))), default=0.0)
    return Arrangement(corners, routes, width, height)


def _edges(
    blocks: Sequence[Block], grid: _Grid, tops: list[float]
) -> tuple[list[float], list[float], float]:
    """Left and right of each column, and where the last ends; steep links get wider gaps."""
    lefts: list[float] = []
    rights: list[float] = []
    x = 0.0
    for column in grid.columns:
        lefts.append(x)
        x += max((blocks[slot].width for slot in column if slot < grid.blocks), default=0.0)
        rights.append(x)
        climb = max(
            (
                abs(tops[s.left] + s.start - tops[s.right] - s.enter)
                for slot in column
                for s in grid.after[slot]
            ),
            default=0.0,
        )
        x += min(COLUMN_GAP_MAX, COLUMN_GAP + climb * 0.2)
    return lefts, rights, rights[-1] if rights else 0.0


def _enters(
    blocks: Sequence[Block], links: Sequence[Link], grid: _Grid, tops: list[float]
) -> list[float]:
    """Where each link meets its target: side by side in the order they come in, so none cross there."""
    found = [0.0] * len(links)
    arriving: dict[int, list[int]] = {}
    for index, link in enumerate(links):
        if link.enter is None:
            arriving.setdefault(link.target, []).append(index)
        else:
            found[index] = link.enter

    def height(index: int) -> float:
        slot, link = grid.paths[index][-2], links[index]
        if slot != link.source:
            return tops[slot]
        return tops[slot] + (blocks[slot].leave if link.leave is None else link.leave)

    for target, indices in arriving.items():
        block = blocks[target]
        step = min(PORT_STEP, block.spread / max(1, len(indices) - 1))
        start = block.enter - step * (len(indices) - 1) / 2
        for position, index in enumerate(sorted(indices, key=height)):
            found[index] = start + position * step
    return found


def _thin(points: list[Point]) -> list[Point]:
    """Without points that stand on a straight line between their neighbours."""
    kept = points[:1]
    for here, following in zip(points[1:], [*points[2:], None], strict=True):
        if here == kept[-1]:
            continue
        if following and kept[-1][1] == here[1] == following[1]:
            continue
        kept.append(here)
    return kept
