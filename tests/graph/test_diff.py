"""What differs between two plans, as data."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from rxstream.graph.plan import Node, Plan
from tests.graph.plans import calmly, plans

SOURCE = Node("s", "range", "source", arguments={"stop": 3})
MAP = Node("m", "map", "operator", ("s",), {"mapper": "double"}, where="app.py:3")
PLAN = Plan("g", (SOURCE, MAP), {"out": "m"})


def test_nothing_differs_from_itself() -> None:
    assert not PLAN.diff(PLAN)
    assert PLAN.diff(PLAN).describe() == {"added": [], "removed": [], "changed": {}, "outputs": {}}


def test_where_it_was_written_makes_no_difference() -> None:
    assert not PLAN.diff(replace(PLAN, nodes=(SOURCE, replace(MAP, where="app.py:9"))))


def test_nodes_and_outputs_come_and_go() -> None:
    other = Plan("g", (SOURCE, Node("f", "filter", "operator", ("s",))), {"kept": "f"})
    assert PLAN.diff(other).describe() == {
        "added": ["f"],
        "removed": ["m"],
        "changed": {},
        "outputs": {"out": ["m", None], "kept": [None, "f"]},
    }


def test_changes_say_before_and_after() -> None:
    changed = Node("m", "scan", "operator", ("s", "s"), {"mapper": "triple"}, published=True)
    found = PLAN.diff(Plan("g", (SOURCE, changed), {"out": "s"}))
    assert found
    assert found.changed == {
        "m": {
            "operator": ("map", "scan"),
            "inputs": (["s"], ["s", "s"]),
            "arguments": ({"mapper": "double"}, {"mapper": "triple"}),
            "published": (False, True),
        }
    }
    assert found.outputs == {"out": ("m", "s")}


@calmly
@given(plans(), plans())
def test_the_way_back_is_the_mirror_image(a: Plan, b: Plan) -> None:
    there, back = a.diff(b), b.diff(a)
    assert (there.added, there.removed) == (back.removed, back.added)
    assert there.outputs == {name: pair[::-1] for name, pair in back.outputs.items()}
    assert set(there.changed) == set(back.changed)
