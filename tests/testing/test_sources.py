"""`TestingSource`: it breaks off once where the test says, and goes on from an offset."""

from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import WorldError
from rxstream.testing import ABORT, Aborted, TestingSource, virtual_time


class At:
    """What a source is given when it is resumed."""

    execution_id = node_id = ""
    wanted = 1

    def __init__(self, start: Any = None) -> None:
        self.start = start
        self.offset: Any = None

    def seek_point(self, offset: Any) -> None:
        self.offset = offset

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = None
    ) -> None: ...


async def taken(source: TestingSource, port: At) -> list[Any]:
    found: list[Any] = []
    try:
        async for items in source.open(port):
            found += items
    except Aborted:
        found.append("aborted")
    return found


@virtual_time
async def test_it_fails_once_at_its_mark_and_then_goes_on() -> None:
    @rxs.graph
    def g() -> Any:
        return rxs.source(source).pipe(ops.to_list())

    source = TestingSource([0, 1, ABORT, 2])

    with pytest.raises(WorldError, match="aborted before element 2"):
        await g.run()
    assert await g.run() == [0, 1, 2]
    assert (source.opened, source.closed) == (2, 2)


@virtual_time
async def test_what_came_before_the_mark_has_gone_on() -> None:
    seen: list[Any] = []
    stream = rxs.source(TestingSource([0, 1, ABORT, 2], batch=64)).pipe(ops.do_action(seen.append))

    with pytest.raises(Aborted):
        await stream
    assert seen == [0, 1]


@virtual_time
async def test_each_mark_counts_once() -> None:
    stream = rxs.source(TestingSource([ABORT, 1, ABORT, ABORT, 2])).pipe(ops.retry(4))
    assert [item async for item in stream] == [1, 1, 1, 2]


@pytest.mark.parametrize("batch", [1, 2, 10])
@virtual_time
async def test_resumed_at_its_offset_nothing_is_missing_or_doubled(batch: int) -> None:
    source = TestingSource([0, 1, 2, ABORT, 3, 4, ABORT, 5], batch=batch)
    found: list[Any] = []
    offset = None
    for _ in range(3):
        port = At(offset)
        found += await taken(source, port)
        offset = port.offset
    assert found == [0, 1, 2, "aborted", 3, 4, "aborted", 5]
    assert source.pulled == 6


@virtual_time
async def test_it_says_how_far_it_was_pulled() -> None:
    source = TestingSource(range(100))
    assert [n async for n in rxs.source(source).pipe(ops.take(3))] == [0, 1, 2]
    assert source.pulled == 3
    assert source.closed == 1


def test_its_batches_have_elements() -> None:
    with pytest.raises(ValueError, match="at least one"):
        TestingSource([], batch=0)


def test_the_graph_shows_what_it_is() -> None:
    node = rxs.graph(lambda: rxs.source(TestingSource([1]))).build().nodes[0]
    assert node.operator == "testing"
    assert "items" in node.arguments
