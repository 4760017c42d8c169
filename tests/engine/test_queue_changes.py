"""What a queue says has changed, put together, is what waits in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rxstream.engine.edge import Edge
from rxstream.operator import Buffer
from rxstream.source import Policy
from tests.operators.lives import merge

POLICIES: list[Policy] = ["block", "drop_oldest", "drop_newest", "latest", "coalesce"]


class Reader:
    """Notes nothing."""

    node = SimpleNamespace(id="reader", where="here.py:1")
    runtime = SimpleNamespace(now=lambda: 0.0)

    def ready(self) -> None: ...

    def touch(self) -> None: ...


def edge_of(policy: Policy, capacity: int) -> Edge:
    buffer = Buffer(policy, 1 if policy == "latest" else capacity, reducer=lambda a, b: a + b)
    reader: Any = Reader()
    return Edge("in", buffer, reader)


def waiting(edge: Edge) -> list[Any]:
    items: Any = edge._items
    return list(items)


@given(
    st.sampled_from(POLICIES),
    st.integers(1, 6),
    st.lists(st.one_of(st.just("look"), st.integers(-5, 5)), max_size=40),
)
def test_changes_put_together_are_what_waits(
    policy: Policy, capacity: int, steps: list[Any]
) -> None:
    edge = edge_of(policy, capacity)
    known: dict[str, Any] = {}
    pushed = 0
    for step in [*steps, "look"]:
        if step == "look":
            merge(known, edge.changes())
            again = edge_of(policy, capacity)
            again.restore(edge.snapshot(), known)
            assert waiting(again) == waiting(edge)
            assert again.changes() is None or policy == "coalesce"
        elif step < 0:
            edge.take(-step)
        else:
            count = min(step, edge.room()) if policy == "block" else step
            edge.push(list(range(pushed, pushed + count)))
            pushed += count


def test_what_came_and_went_between_two_looks_is_never_told() -> None:
    edge = edge_of("block", 9)
    edge.push([1, 2, 3])
    edge.take(3)
    assert edge.changes() is None
    edge.push([4, 5])
    assert edge.changes() == (False, {"3": 4, "4": 5}, [])
    edge.push([6])
    edge.take(2)
    assert edge.changes() == (True, {"5": 6}, [])
