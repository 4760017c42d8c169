"""A sink that reads an execution's log is isolated: it may raise, hang or lag, and nobody else notices."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

import rxstream as rxs
from rxstream.adapters import sinks
from rxstream.engine import Execution
from rxstream.errors import AuthorError, BufferOverflow, ExecutionTimeout
from rxstream.events import StreamEvent
from rxstream.testing import virtual_time


@rxs.graph
def ticks(n: int = 20) -> rxs.Stream[int]:
    """One a second."""
    return rxs.interval(1.0).take(n)


class Writes(rxs.Sink[StreamEvent]):
    """Keeps what it is given; does what `trouble` does before that."""

    name = "writes"

    def __init__(self, trouble: Any = None) -> None:
        self.items: list[StreamEvent] = []
        self.opened = self.left = 0
        self.trouble = trouble

    @asynccontextmanager
    async def open(self, port: Any) -> AsyncIterator[Any]:
        self.opened += 1

        async def write(batch: Sequence[StreamEvent]) -> None:
            if self.trouble is not None:
                await self.trouble(batch)
            self.items.extend(batch)

        try:
            yield write
        finally:
            self.left += 1

    @property
    def numbers(self) -> list[Any]:
        return [event.data for event in self.items if event.event_type == "step_output"]


class Fails:
    """Raises for the first so many writes, or for elements."""

    def __init__(self, first: int = 0, elements: Sequence[int] = ()) -> None:
        self.first, self.elements = first, elements

    async def __call__(self, batch: Sequence[StreamEvent]) -> None:
        self.first -= 1
        if self.first >= 0 or any(
            event.event_type == "step_output" and event.data in self.elements for event in batch
        ):
            raise ConnectionError("gone")


async def hang(batch: Sequence[StreamEvent]) -> None:
    await asyncio.Event().wait()


async def slow(batch: Sequence[StreamEvent]) -> None:
    await asyncio.sleep(3)


async def watched(
    engine: rxs.Engine, sink: rxs.Sink[Any], **delivery: Any
) -> tuple[Execution, Any]:
    """An execution, and a troubled sink beside a good one that must see all."""
    execution = await engine.start(ticks)
    good = Writes()
    beside = execution.subscribe(good)
    subscription = execution.subscribe(sink, delivery=rxs.Delivery(**delivery))
    await execution.wait()
    assert await execution.result() == 19
    await beside.wait()
    assert good.numbers == list(range(20))
    return execution, subscription


@virtual_time
async def test_a_write_that_fails_is_tried_again_with_the_sink_opened_anew() -> None:
    sink = Writes(Fails(first=3))
    async with rxs.Engine() as engine:
        _, subscription = await watched(engine, sink, retries=3)
        await subscription.wait()
        assert sink.numbers == list(range(20))
        assert (sink.opened, sink.left) == (4, 4)
        seen = subscription.statistics()
        assert (seen.state, seen.retries, seen.written) == ("ended", 3, len(sink.items))
        assert seen.error is None


@virtual_time
async def test_what_a_sink_refuses_goes_to_its_dead_letters_and_it_goes_on(tmp_path: Path) -> None:
    sink = Writes(Fails(elements=[3, 7]))
    async with rxs.Engine() as engine:
        letters = tmp_path / "dead.jsonl"
        dead = sinks.jsonl(letters)
        _, subscription = await watched(engine, sink, retries=1, dead_letters=dead)
        await subscription.wait()
        assert sink.numbers == [n for n in range(20) if n not in (3, 7)]
        found = [orjson.loads(line) for line in letters.read_bytes().splitlines()]
        assert [letter["input"]["data"] for letter in found] == [3, 7]
        assert found[0]["sink"] == "writes"
        assert found[0]["error"]["kind"] == "world"
        assert found[0]["failure"] == "transient"
        assert subscription.statistics().dead == 2


@virtual_time
async def test_of_a_batch_only_what_is_refused_is_a_dead_letter() -> None:
    sink, dead = Writes(Fails(elements=[3])), Writes()
    async with rxs.Engine() as engine:
        execution = await engine.start(ticks)
        await execution.wait()
        late = execution.subscribe(sink, delivery=rxs.Delivery(dead_letters=dead))
        await late.wait()
        assert sink.numbers == [n for n in range(20) if n != 3]
        assert len(dead.items) == 1


@virtual_time
async def test_one_that_hangs_is_given_up_and_says_so() -> None:
    async with rxs.Engine() as engine:
        _, subscription = await watched(engine, Writes(hang), timeout=2.0)
        assert isinstance(subscription.error, ExecutionTimeout)
        assert subscription.statistics().state == "failed"


@pytest.mark.parametrize(
    ("raised", "said"),
    [(SystemExit(3), r"sys.exit\(3\)"), (asyncio.CancelledError(), "was cancelled")],
)
@virtual_time
async def test_one_that_would_end_the_process_or_its_task_only_fails(
    raised: BaseException, said: str
) -> None:
    async def trouble(_: Any) -> None:
        raise raised

    async with rxs.Engine() as engine:
        execution, subscription = await watched(engine, Writes(trouble))
        assert isinstance(subscription.error, RuntimeError)
        assert re.search(said, str(subscription.error))
        assert execution.status == "completed"


@virtual_time
async def test_one_that_does_not_let_go_is_left() -> None:
    class Clings(Writes):
        @asynccontextmanager
        async def open(self, port: Any) -> AsyncIterator[Any]:
            async with super().open(port) as write:
                try:
                    yield write
                finally:
                    await asyncio.sleep(1_000)

    async with rxs.Engine() as engine:
        _, subscription = await watched(engine, Clings(Fails(first=1)))
        assert isinstance(subscription.error, ConnectionError)


@virtual_time
async def test_a_late_one_keeps_all_unless_it_says_otherwise() -> None:
    sink, newest, strict = Writes(slow), Writes(slow), Writes(slow)
    async with rxs.Engine() as engine:
        execution = await engine.start(ticks, {"n": 60})
        all_ = execution.subscribe(sink, delivery=rxs.Delivery(buffer=2))
        some = execution.subscribe(newest, delivery=rxs.Delivery(buffer=2, policy="drop_oldest"))
        none = execution.subscribe(strict, delivery=rxs.Delivery(buffer=2, policy="fail"))
        await asyncio.sleep(30)
        states = {s.sink: s for s in execution.statistics().subscriptions}
        assert states["writes"].behind is not None
        assert "rxstream_sink_behind_events" in sinks.render_engine(engine)
        await execution.wait()
        for subscription in (all_, some, none):
            await subscription.wait()
        assert sink.numbers == list(range(60))
        gaps = [event for event in newest.items if event.event_type == "gap"]
        missed = sum(event.data["missed"] for event in gaps)
        assert missed == some.statistics().dropped > 0
        assert len(newest.items) - len(gaps) + missed == len(sink.items)
        assert newest.items[-1].terminal
        assert isinstance(none.error, BufferOverflow)


@virtual_time
async def test_it_goes_on_where_it_was_removed() -> None:
    first, second = Writes(), Writes()
    async with rxs.Engine() as engine:
        execution = await engine.start(ticks)
        subscription = execution.subscribe(first)
        assert subscription.cursor is None
        await asyncio.sleep(5.5)
        await subscription.close()
        assert subscription.statistics().state == "removed"
        again = execution.subscribe(second, after=subscription.cursor)
        await again.wait()
        assert first.numbers + second.numbers == list(range(20))
        assert first.left == 1


@virtual_time
async def test_a_file_that_failed_in_the_middle_holds_each_event_once(tmp_path: Path) -> None:
    class Breaks(rxs.Sink[Any]):
        """The file, behind a connection that breaks after a write."""

        name = "breaks"

        def __init__(self) -> None:
            self.file, self.left = sinks.jsonl(tmp_path / "events.jsonl"), 3

        @asynccontextmanager
        async def open(self, port: Any) -> AsyncIterator[Any]:
            async with self.file.open(port) as inner:

                async def write(batch: Sequence[Any]) -> None:
                    await inner(batch)
                    self.left -= 1
                    if not self.left:
                        raise ConnectionError("gone")

                yield write

    async with rxs.Engine() as engine:
        execution, subscription = await watched(engine, Breaks(), retries=1)
        await subscription.wait()
        lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
        written = [orjson.loads(line)["sequence"] for line in lines]
        assert written == list(range(1, (await engine.log.head(execution.id)).last + 1))


@pytest.mark.parametrize(
    "given",
    [
        {"policy": "latest"},
        {"buffer": 0},
        {"buffer": "3"},
        {"retries": -1},
        {"timeout": 0},
        {"timeout": "3"},
        {"first": -1},
        {"dead_letters": print},
    ],
)
def test_a_delivery_that_cannot_be_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(AuthorError):
        rxs.Delivery(**given)


@virtual_time
async def test_what_is_no_sink_is_refused_at_once() -> None:
    async with rxs.Engine() as engine:
        execution = await engine.start(ticks, {"n": 1})
        with pytest.raises(AuthorError, match="'print' is no sink: of a function make one with"):
            execution.subscribe(print)  # type: ignore[arg-type]  # that is wrong
