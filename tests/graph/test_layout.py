"""Boxes keep apart, lines run from left to right and under nothing, and the same input gives the same."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxstream.graph.layers import Block, Link, Point, arrange
from rxstream.graph.layout import Box, Layout, lay_out
from tests.graph.plans import calmly

GROUPS = [(), (), (), ("a",), ("a", "b"), ("c",)]

Drawn = tuple[dict[str, tuple[float, float]], list[tuple[str, str]], dict[str, tuple[str, ...]]]


@st.composite
def graphs(draw: st.DrawFn, groups: bool = True, most: int = 24) -> Drawn:
    """Sizes, edges and paths of a random graph without cycles; a node may read another twice."""
    names = [f"n{index}" for index in range(draw(st.integers(1, most)))]
    sizes = {name: (100.0, draw(st.sampled_from([0.0, 30.0, 50.0, 72.5]))) for name in names}
    edges = []
    for index, name in enumerate(names[1:], start=1):
        for back in draw(st.lists(st.integers(1, min(index, 9)), max_size=3)):
            edges.append((names[index - back], name))
    inside = st.sampled_from(GROUPS) if groups else st.just(())
    return sizes, edges, {name: draw(inside) for name in names}


def apart(a: Box, b: Box) -> bool:
    return (
        a.x + a.width <= b.x
        or b.x + b.width <= a.x
        or a.y + a.height <= b.y + 1e-6
        or b.y + b.height <= a.y + 1e-6
    )


def contains(outer: Box, inner: Box) -> bool:
    return (
        outer.x < inner.x
        and inner.x + inner.width < outer.x + outer.width
        and outer.y < inner.y
        and inner.y + inner.height < outer.y + outer.height
    )


def crosses(box: Box, a: Point, b: Point) -> bool:
    """Whether a straight piece of a line runs through the inside of a box."""
    left, right = sorted((a[0], b[0]))
    low, high = sorted((a[1], b[1]))
    return (
        left < box.x + box.width - 0.01
        and right > box.x + 0.01
        and low < box.y + box.height - 0.01
        and high > box.y + 0.01
    )


@calmly
@given(graphs())
def test_no_two_boxes_overlap_and_all_are_inside_the_drawing(graph: Drawn) -> None:
    layout = lay_out(*graph)
    assert list(layout.boxes) == list(graph[0])
    for a, b in itertools.combinations(layout.boxes.values(), 2):
        assert apart(a, b)
    for box in [*layout.boxes.values(), *layout.groups.values()]:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= layout.width + 1e-6
        assert box.y + box.height <= layout.height + 1e-6


@calmly
@given(graphs())
def test_a_group_holds_its_boxes_and_no_other(graph: Drawn) -> None:
    layout = lay_out(*graph)
    for path, group in layout.groups.items():
        for name, box in layout.boxes.items():
            if graph[2][name][: len(path)] == path:
                assert contains(group, box)
            else:
                assert apart(group, box)


@calmly
@given(graphs())
def test_lines_join_their_boxes_and_never_turn_back(graph: Drawn) -> None:
    layout = lay_out(*graph)
    for (source, target), route in zip(graph[1], layout.routes, strict=True):
        start, end = layout.boxes[source], layout.boxes[target]
        assert all(a[0] <= b[0] + 1e-6 for a, b in itertools.pairwise(route))
        if route[0][0] == route[-1][0]:
            assert (route[0][1], route[-1][1]) == (start.y + start.height, end.y)
            continue
        assert route[0][0] == pytest.approx(start.x + start.width)
        assert start.y <= route[0][1] <= start.y + start.height
        assert route[-1][0] == pytest.approx(end.x)
        assert end.y <= route[-1][1] <= end.y + end.height


@calmly
@given(graphs())
def test_no_line_runs_under_a_box(graph: Drawn) -> None:
    layout = lay_out(*graph)
    for route, box in itertools.product(layout.routes, layout.boxes.values()):
        for a, b in itertools.pairwise(route):
            assert not crosses(box, a, b)


@calmly
@given(graphs())
def test_the_same_graph_is_laid_out_the_same(graph: Drawn) -> None:
    assert lay_out(*graph) == lay_out(*graph)


def rows(layout: Layout) -> set[float]:
    return {box.y + box.height / 2 for box in layout.boxes.values()}


def chain(length: int) -> tuple[dict[str, tuple[float, float]], list[tuple[str, str]]]:
    names = [f"n{index}" for index in range(length)]
    return dict.fromkeys(names, (100.0, 50.0)), list(itertools.pairwise(names))


def test_a_short_chain_is_one_straight_row() -> None:
    layout = lay_out(*chain(7))
    assert rows(layout) == {25.0}
    assert all(len(route) == 2 for route in layout.routes)


def test_a_long_chain_is_folded_into_columns_that_start_at_the_top() -> None:
    layout = lay_out(*chain(12))
    columns = sorted({box.x for box in layout.boxes.values()})
    assert len(columns) == 3
    assert [layout.boxes[f"n{index}"].y for index in (0, 4, 8)] == [0, 0, 0]
    assert layout.width < 1000


def test_a_very_long_chain_still_fits_a_page_across() -> None:
    assert lay_out(*chain(500)).width < 1500


def test_a_fan_is_centred_on_what_feeds_it() -> None:
    sizes = dict.fromkeys("sabct", (100.0, 50.0))
    edges = [("s", "a"), ("s", "b"), ("s", "c"), ("a", "t"), ("b", "t"), ("c", "t")]
    layout = lay_out(sizes, edges)
    assert layout.boxes["s"].y == layout.boxes["b"].y == layout.boxes["t"].y == pytest.approx(78)


def test_crossings_that_need_not_be_are_undone() -> None:
    sizes = dict.fromkeys(["a", "b", "x", "y"], (100.0, 50.0))
    layout = lay_out(sizes, [("a", "y"), ("b", "x")])
    assert layout.boxes["a"].y == layout.boxes["y"].y
    assert layout.boxes["b"].y == layout.boxes["x"].y


def test_reading_a_node_twice_draws_two_lines() -> None:
    layout = lay_out(dict.fromkeys("ab", (100.0, 50.0)), [("a", "b"), ("a", "b")])
    assert layout.routes[0][-1] != layout.routes[1][-1]


def test_a_source_stands_beside_its_only_late_readers() -> None:
    sizes = dict.fromkeys(["a", "b", "c", "late", "x", "y"], (100.0, 50.0))
    edges = [("a", "b"), ("b", "c"), ("c", "x"), ("c", "y"), ("late", "x"), ("late", "y")]
    layout = lay_out(sizes, edges)
    assert layout.boxes["late"].x == layout.boxes["c"].x


def test_groups_that_would_need_a_line_back_are_not_drawn() -> None:
    sizes = dict.fromkeys(["in", "between", "out"], (100.0, 50.0))
    paths = {"in": ("g",), "between": (), "out": ("g",)}
    layout = lay_out(sizes, [("in", "between"), ("between", "out")], paths)
    assert not layout.groups
    assert layout.boxes["in"].x < layout.boxes["between"].x < layout.boxes["out"].x


def test_a_cycle_is_refused() -> None:
    with pytest.raises(ValueError, match="cycle"):
        lay_out(dict.fromkeys("ab", (1.0, 1.0)), [("a", "b"), ("b", "a")])


def test_nothing_takes_no_room() -> None:
    assert lay_out({}, []) == Layout({}, {}, [], 0, 0)
    assert arrange([], []).corners == []


def test_links_at_their_own_heights_are_brought_level() -> None:
    tall = Block(100, 200, 100, 100)
    placed = arrange([tall, tall], [Link(0, 1, leave=150, enter=20)])
    assert placed.corners[1][1] - placed.corners[0][1] == pytest.approx(130)
    assert placed.routes == [[(100.0, 150.0), (placed.corners[1][0], 150.0)]]
