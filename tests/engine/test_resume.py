"""An engine takes over what died with an earlier one: under the same id, with the numbers going on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import rxstream as rxs
from rxstream.engine.keeping import SELF
from rxstream.engine.resuming import CannotResume
from rxstream.engine.sources import TaskUnit
from rxstream.errors import AlreadyEnded, LogError, UnknownGraph, WorldError
from rxstream.sink import Sink
from rxstream.testing import JournalLog, run, virtual_time
from tests.engine.crashing import Ticks, died, lived, ticks, totals
from tests.engine.parts import FullLog, events_of, logged, one_second, within


def shown(events: list[rxs.StreamEvent]) -> list[Any]:
    return [event.data for event in events if event.event_type == "step_output"]


class TestTakingOver:
    def test_a_file_is_gone_on_with_by_the_next_engine(self, tmp_path: Path) -> None:
        path = tmp_path / "events.db"

        async def first() -> str:
            engine = rxs.Engine(path, graphs=[totals])
            await engine.open()
            execution = await engine.start("totals")
            async for event in execution.events():
                if event.data == 45:
                    break
            assert await execution.suspend()
            await engine.close()
            return execution.id

        async def second(execution_id: str) -> list[rxs.StreamEvent]:
            async with rxs.Engine(path, graphs=[totals]) as engine:
                return await within(60, events_of(engine.execution(execution_id)))

        events = asyncio.run(second(asyncio.run(first())))
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert shown(events) == [n * (n + 1) // 2 for n in range(30)]
        assert [e.event_type for e in events].count("pipeline_start") == 1
        assert events[-1].data["result"] == 435

    @virtual_time
    async def test_a_graph_that_is_not_served_waits_for_somebody_who_knows_it(self) -> None:
        journal, whole = await lived(totals)
        with logged() as entries:
            async with rxs.Engine(died(journal, 9)) as engine:
                assert (await engine.record(whole.id)).status == "running"
                with pytest.raises(UnknownGraph):
                    await engine.resume(whole.id)
                execution = await engine.resume(whole.id, totals)
                assert await engine.resume(whole.id) is execution
                assert await execution.result() == 435
                with pytest.raises(AlreadyEnded):
                    await engine.resume(whole.id)
        assert "execution waits for its graph to be served" in [e["event"] for e in entries]

    async def test_two_who_go_on_with_the_same_one_get_the_same(self, tmp_path: Path) -> None:
        path = tmp_path / "events.db"
        async with rxs.Engine(path) as engine:
            execution = await engine.start(totals)
            assert await execution.suspend()
        async with rxs.Engine(path) as engine:
            one, other = await asyncio.gather(
                engine.resume(execution.id, totals), engine.resume(execution.id, totals)
            )
            assert one is other
            assert await within(60, one.result()) == 435

    @virtual_time
    async def test_a_graph_that_changed_is_ended_and_told_what_differs(self) -> None:
        journal, whole = await lived(totals)

        def other(count: int = 30) -> Any:
            return ticks(count).map(str).scan(lambda a, b: a + b, "").named("total")

        async with rxs.Engine(died(journal, 9), graphs=[rxs.Graph(other, "totals")]) as engine:
            record = await engine.record(whole.id)
            assert record.status == "interrupted"
            assert record.error is not None
            assert record.error["code"] == "graph_changed"
            assert "new: map_1; changed: total" in record.error["message"]

    @virtual_time
    async def test_a_state_that_the_code_does_not_know_any_more_is_told(self) -> None:
        journal, whole = await lived(totals)

        def older(self: TaskUnit, state: Any) -> None:
            _, _ = state

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(TaskUnit, "restore", older)
            async with rxs.Engine(died(journal, 9), graphs=[totals]) as engine:
                with pytest.raises(
                    WorldError, match=r"cannot be read back .*start it anew"
                ) as caught:
                    await engine.execution(whole.id).result()
        assert caught.value.code == "bad_state"

    @virtual_time
    async def test_a_graph_that_takes_other_parameters_is_ended(self) -> None:
        journal, whole = await lived(totals, count=12)

        def other(amount: str) -> Any:
            return ticks(3).named("total")

        async with rxs.Engine(died(journal, 5), graphs=[rxs.Graph(other, "totals")]) as engine:
            record = await engine.record(whole.id)
            assert record.error is not None
            assert record.error["code"] == "graph_changed"

    @virtual_time
    async def test_a_graph_that_cannot_seek_is_ended_and_says_so_when_it_is_built(self) -> None:
        @rxs.graph
        def random() -> Any:
            async def numbers() -> AsyncIterator[int]:
                for n in range(20):
                    await asyncio.sleep(0.01)
                    yield n

            return rxs.source(numbers)

        assert "cannot go on from an offset" in random.build().obstacles[0]
        journal, whole = await lived(random)
        async with rxs.Engine(died(journal, 5), graphs=[random]) as engine:
            record = await engine.record(whole.id)
            assert (record.status, record.detail["resumable"]) == ("interrupted", False)

    @virtual_time
    async def test_a_secret_is_not_in_the_log_so_somebody_has_to_give_it_again(self) -> None:
        given: list[str] = []

        @rxs.graph
        def private(key: rxs.Secret) -> Any:
            given.append(key.get_secret_value())
            return ticks(12)

        journal, whole = await lived(private.bind(key=rxs.Secret("open sesame")))
        async with rxs.Engine(died(journal, 5)) as engine:
            with pytest.raises(CannotResume, match="cannot be read"):
                await engine.resume(whole.id, private)
            again = private.bind(key=rxs.Secret("open sesame"))
            assert await (await engine.resume(whole.id, again)).result() == 11
        assert set(given) == {"open sesame"}

    @virtual_time
    async def test_one_that_has_not_shown_anything_begins_anew(self) -> None:
        journal, whole = await lived(totals)
        async with rxs.Engine(died(journal, 1), graphs=[totals]) as engine:
            events = await events_of(engine.execution(whole.id))
        assert len(shown(events)) == 30


def first_that_says(journal: JournalLog, *keys: str) -> int:
    """After how many commits the execution itself had something stored under one of these keys."""
    for after, commit in enumerate(journal.commits, 1):
        mine = commit.states.get(SELF)
        if mine is not None and set(keys) & set(mine.set):
            return after
    raise AssertionError(f"no commit says {keys}")


class SlowToClose(Ticks):
    """Takes two seconds to let go."""

    async def open(self, port: Any) -> AsyncIterator[Any]:
        try:
            async for batch in super().open(port):
                yield batch
        finally:
            await asyncio.sleep(2)


class TestAnEndThatWasDecided:
    @pytest.mark.parametrize("how", ["cancel", "stop"])
    def test_is_not_undone(self, how: str) -> None:
        @rxs.graph
        def slow() -> Any:
            return rxs.source(SlowToClose(30, 0.003)).named("numbers")

        async def main() -> None:
            journal = JournalLog()
            async with rxs.Engine(journal, graphs=[slow]) as engine:
                execution = await engine.start("slow")
                async for event in execution.events():
                    if event.data == 10:
                        getattr(execution, how)()
            said = first_that_says(journal, "ending", "stopped")
            assert said < len(journal.commits)
            for after in range(said, len(journal.commits)):
                async with rxs.Engine(died(journal, after), graphs=[slow]) as engine:
                    await engine.execution(execution.id).wait()
                    assert (await engine.record(execution.id)).status == "cancelled"

        run(main())

    @virtual_time
    async def test_an_error_is_told_once(self) -> None:
        def six(n: int) -> int:
            if n == 6:
                raise ValueError("six")
            return n

        broken = rxs.graph(lambda: ticks(10).map(six).named("picky"))
        journal, whole = await lived(broken)
        for after in range(2, len(journal.commits)):
            log = died(journal, after)
            async with rxs.Engine(log) as engine:
                events = await events_of(await engine.resume(whole.id, broken))
            assert [e.event_type for e in events].count("step_error") == 1
            assert events[-1].event_type == "pipeline_error"
            assert shown(events) == [0, 1, 2, 3, 4, 5]


@dataclass(frozen=True)
class Odd:
    """A type nobody has registered."""

    n: int


class TestWhatCannotBeStored:
    @virtual_time
    async def test_ends_a_graph_that_must_be_resumable(self) -> None:
        @rxs.graph(resumable=True)
        def odd() -> Any:
            return (
                ticks(9, batch=3)
                .map(Odd)
                .named("odd")
                .map_async(one_second, concurrency=1)
                .named("o")
            )

        _, execution = await lived(odd)
        assert execution.record.error is not None
        assert execution.record.error["code"] == "not_storable"
        assert "'o'" in execution.record.error["message"]
        assert "Odd" in execution.record.error["message"]

    @virtual_time
    async def test_only_keeps_another_from_being_resumed(self) -> None:
        @rxs.graph
        def odd() -> Any:
            return (
                ticks(9, batch=3).map(Odd).map_async(one_second, concurrency=1).map(lambda o: o.n)
            )

        with logged() as entries:
            journal, execution = await lived(odd)
            assert await execution.result() == 8
            lost = first_that_says(journal, "lost")
            async with rxs.Engine(died(journal, lost), graphs=[odd]) as engine:
                record = await engine.record(execution.id)
        assert record.status == "interrupted"
        assert record.error is not None
        assert "could not be stored" in record.error["message"]
        told = [e for e in entries if e["event"] == "execution cannot be resumed any more"]
        assert len(told) == 1


class Notes(Sink[int]):
    """Keeps what it is given; with `exact`, goes back to the last place that was stored."""

    def __init__(self, kept: list[int], exact: bool) -> None:
        self.kept = kept
        self.exact = exact

    def open(self, port: Any) -> Any:
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def opened() -> AsyncIterator[Any]:
            if self.exact:
                del self.kept[port.start or 0 :]

            async def write(items: Any) -> None:
                await asyncio.sleep(0.004)
                self.kept.extend(items)
                port.seek_point(len(self.kept))

            yield write

        return opened()


class TestSinks:
    @pytest.mark.parametrize("exact", [True, False])
    def test_get_each_element_once_at_least_or_exactly(self, exact: bool) -> None:
        kept: list[int] = []

        @rxs.graph
        def writing() -> Any:
            ticks(20).to(Notes(kept, exact))

        async def main() -> None:
            journal, _ = await lived(writing)
            for after in range(1, len(journal.commits)):
                del kept[:]
                log = JournalLog()
                engine = rxs.Engine(log, graphs=[writing])
                await engine.open()
                execution = await engine.start("writing")
                while len(log.commits) < after + 1 and not execution.ended:  # noqa: ASYNC110  # a log tells nobody
                    await asyncio.sleep(0.001)
                crashed = died(log, after)  # what was written after that commit stays written
                if not execution.ended:
                    execution.cancel()
                await engine.close()
                async with rxs.Engine(crashed, graphs=[writing]) as engine:
                    if (await engine.record(execution.id)).status == "running":
                        await engine.execution(execution.id).wait()
                assert sorted(set(kept)) == list(range(20))
                if exact:
                    assert kept == list(range(20))

        run(main())


class TestSuspending:
    @virtual_time
    async def test_readers_are_told_that_it_was_not_the_end(self) -> None:
        async with rxs.Engine(JournalLog(), graphs=[totals]) as engine:
            execution = await engine.start("totals")
            reading = asyncio.create_task(events_of(execution))
            await asyncio.sleep(0.03)
            assert await execution.suspend()
            with pytest.raises(LogError, match="goes on with the next"):
                await reading
            assert execution.record.status == "running"
            assert not await execution.suspend()

    @virtual_time
    async def test_only_what_can_go_on_can_be(self) -> None:
        async with rxs.Engine() as engine:
            execution = await engine.start(totals)
            assert not await execution.suspend()

    @virtual_time
    async def test_a_write_under_way_is_done_first(self) -> None:
        kept: list[int] = []
        writing = rxs.graph(lambda: ticks(20).to(Notes(kept, exact=False)) and None)
        log = JournalLog()
        engine = rxs.Engine(log)
        await engine.open()
        execution = await engine.start(writing)
        await asyncio.sleep(0.0305)
        assert await execution.suspend()
        await engine.close()
        async with rxs.Engine(log) as engine:
            await (await engine.resume(execution.id, writing)).wait()
        assert kept == list(range(20))


class TestALogThatRefuses:
    @virtual_time
    async def test_a_cut_is_given_again_as_it_was(self) -> None:
        class Durable(FullLog):
            durable = True

        log = Durable()
        async with rxs.Engine(log, graphs=[totals]) as engine:
            execution = await engine.start("totals")
            await asyncio.sleep(0.02)
            log.full = True
            await asyncio.sleep(1)
            log.full = False
            assert await execution.result() == 435
            assert shown(await events_of(execution)) == [n * (n + 1) // 2 for n in range(30)]


def test_why_an_execution_cannot_go_on_is_an_exception() -> None:
    assert str(CannotResume("graph_changed", "it changed")) == "it changed"
