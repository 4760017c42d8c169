"""What several readers of one node are given: the same elements, in batches nobody else can change."""

import copy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import rxstream as rxs
from rxstream import operators as ops
from rxstream.engine.op import Op
from rxstream.operator import Operator, OperatorSpec
from rxstream.source import Port, SourcePort
from rxstream.testing import run, virtual_time
from tests.engine.parts import one_second, outputs, started

elements = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


class Spoils(rxs.Sink[Any]):
    """Empties every batch it is given."""

    name = "spoils"

    def __init__(self) -> None:
        self.seen: list[Any] = []

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Any]:
        async def write(items: list[Any]) -> None:
            self.seen += items
            items.clear()

        yield write


class Reuses(rxs.Source[int]):
    """Yields one list again and again."""

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[int]]:
        batch: list[int] = []
        for n in range(10):
            batch[:] = [2 * n, 2 * n + 1]
            yield batch


@virtual_time
async def test_a_sink_that_empties_its_batches_harms_nobody() -> None:
    sinks = [Spoils(), Spoils()]

    @rxs.graph
    def g() -> Any:
        numbers = rxs.source(range(200)).named("n")
        merged = rxs.merge(numbers, rxs.source([])).named("m")
        for sink in sinks:
            merged.to(sink)
            numbers.to(Spoils())
        return {"n": numbers, "later": merged.pipe(ops.map_async(one_second, 50))}

    execution = await started(g)
    assert await outputs(execution, "n") == list(range(200))
    assert await outputs(execution, "later") == list(range(200))
    assert [sink.seen for sink in sinks] == [list(range(200))] * 2


@virtual_time
async def test_a_reader_of_the_log_that_empties_its_batches_harms_nobody() -> None:
    @rxs.graph
    def g() -> Any:
        return rxs.source(range(200))

    execution = await started(g)
    spoilers = [execution.subscribe(Spoils()) for _ in range(3)]
    await execution.wait()
    for subscription in spoilers:
        await subscription.wait()
        assert [e.sequence for e in subscription.sink.seen] == list(range(1, 205))  # type: ignore[attr-defined]
    assert await outputs(execution) == list(range(200))


@virtual_time
async def test_a_source_may_fill_the_same_list_again() -> None:
    @rxs.graph
    def g() -> Any:
        numbers = rxs.source(Reuses()).named("n")
        return {"n": numbers, "slow": numbers.pipe(ops.map_async(one_second))}

    execution = await started(g)
    assert await outputs(execution, "n") == list(range(20))
    assert await outputs(execution, "slow") == list(range(20))


@given(st.lists(elements, max_size=20))
@settings(max_examples=30, deadline=None)
def test_no_element_is_ever_changed(items: list[Any]) -> None:
    before = copy.deepcopy(items)

    @rxs.graph
    def g() -> Any:
        source = rxs.source(items).named("s")
        pairs = rxs.zip(source, source.pipe(ops.map(lambda x: x))).named("pairs")
        lists = source.pipe(ops.buffer_with_count(3)).named("lists")
        slow = source.pipe(
            ops.map_async(one_second, 4), ops.drop_oldest(2), ops.map_async(one_second)
        )
        latest = rxs.combine_latest(source, source).named("latest")
        return {"s": source, "pairs": pairs, "lists": lists, "slow": slow, "latest": latest}

    async def main() -> list[Any]:
        return await outputs(await started(g), "s")

    assert run(main()) == before
    assert items == before


@virtual_time
async def test_operators_of_one_node_are_given_batches_they_could_not_change() -> None:
    seen: list[int] = []

    class Watches(Op):
        """Remembers which list it was given, and gives on another."""

        def push(self, items: Sequence[Any], out: list[Any]) -> None:
            seen.append(id(items))
            assert items is not out
            out.extend(items)

    watching = Operator(OperatorSpec("watch", "op", make=Watches))

    @rxs.graph
    def g() -> Any:
        source = rxs.source(range(100))
        return {"a": watching(source), "b": watching(source), "c": source}

    execution = await started(g)
    for name in ("a", "b", "c"):
        assert await outputs(execution, name) == list(range(100))
    assert seen
