"""A queue that is stored at any moment and made anew has what waited, what was counted and how it ended."""

from __future__ import annotations

from typing import Any

import pytest

from rxstream import statecodec
from rxstream.engine.edge import Edge
from rxstream.engine.island import Port
from rxstream.engine.runtime import Runtime
from rxstream.errors import BufferOverflow, WorldError, classify
from rxstream.operator import Buffer
from tests.operators.bench import Unwatched
from tests.operators.lives import (
    Reader,
    merge,
)
from tests.operators.parts import Bad, ops
from tests.operators.test_unit_state import one


def queue(buffer: Buffer, stored: Edge | None = None) -> Edge:
    """A queue before a unit of its own."""
    plan = one(ops.block(1)).plan()
    (node,) = (node for node in plan.nodes if node.spec.kind == "unit")
    assert node.spec.make is not None
    runtime = Runtime(plan, Unwatched())
    unit = node.spec.make()
    edge = Edge("in", buffer, unit)
    unit.attach(runtime, node, [edge], Port([Reader(0)], runtime.counters(node)))
    if stored is not None:
        waiting: dict[str, Any] = {}
        merge(waiting, stored.changes())
        edge.restore(*statecodec.decode(statecodec.encode((stored.snapshot(), waiting))))
    return edge


async def test_a_queue_goes_on_with_what_waited_and_what_was_counted() -> None:
    first = queue(Buffer("drop_oldest", 3))
    first.push([1, (2, b"x"), {3}, [4], 5])
    second = queue(first.buffer, first)
    assert second.statistics() == first.statistics()
    assert second.take(9) == [{3}, [4], 5]
    assert not second.exhausted
    assert not second.closed


@pytest.mark.parametrize(
    "error",
    [WorldError("gone", code="x", node="a", where="b.py:1"), Bad("no"), TimeoutError("slow")],
)
async def test_a_queue_that_ended_has_its_error_again(error: Exception) -> None:
    first = queue(Buffer())
    first.push([1])
    first.fail(error)
    second = queue(first.buffer, first)
    assert second.error is not None
    assert classify(second.error) == classify(error)
    assert getattr(second.error, "node", None) == getattr(error, "node", None)
    assert second.closed
    assert second.ended
    assert not second.exhausted
    assert second.take(1) == [1]
    assert second.exhausted


async def test_a_queue_that_nobody_reads_yet_is_not_read_afterwards() -> None:
    first = queue(Buffer())
    first.is_open = False
    second = queue(first.buffer, first)
    assert second.room() == 0
    second.open()
    assert queue(first.buffer, second).room() == 64


async def test_a_queue_that_overflowed_says_so_again() -> None:
    first = queue(Buffer("fail", 2))
    first.push([1, 2, 3])
    assert isinstance(first.error, BufferOverflow)
    second = queue(first.buffer, first)
    assert second.error is not None
    assert (len(second), classify(second.error)) == (2, classify(first.error))


async def test_a_queue_in_a_file_says_that_it_cannot_be_stored() -> None:
    edge = queue(Buffer("spill", 2, max_bytes=1_000))
    with pytest.raises(statecodec.NotStorable, match="spill"):
        edge.changes()
