"""The engine's queue: turns, dependencies, resources, what is told of them, and what a restart finds."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import numpy
import pytest

import rxstream as rxs
from rxstream.errors import ExecutionCancelled, InvalidParameters, LogError, Overloaded
from rxstream.testing import JournalLog, virtual_time
from tests.engine.parts import FullLog, events_of, now, told


@rxs.graph
def waits(seconds: float = 10.0, fails: bool = False) -> Any:
    """Says when it began and when it ended."""

    async def work() -> tuple[float, float]:
        began = now()
        await asyncio.sleep(seconds)
        if fails:
            raise ValueError("no luck")
        return began, now()

    return rxs.source(work).named("work")


@rxs.graph
def hidden(key: rxs.Secret) -> Any:
    """Has a parameter the log never sees."""
    return rxs.source([len(key.get_secret_value())])


@rxs.graph
def anything(key: Any) -> Any:
    """Has a parameter of any type."""
    return rxs.source([1])


async def begun(execution: rxs.Execution) -> float:
    return float((await execution.result())[0])


def died_now(journal: JournalLog) -> JournalLog:
    """What another process finds when this one dies at this moment."""
    return JournalLog(list(journal.commits), journal.epoch)


def queue_of(engine: rxs.Engine, execution: rxs.Execution) -> Any:
    return engine.queue().get(execution.id)


class TestTurns:
    @virtual_time
    async def test_users_take_turns_and_a_priority_counts_among_ones_own(self) -> None:
        async with rxs.Engine(max_running=1) as engine:
            await engine.start(waits)
            anna = [await engine.start(waits, user="anna", priority=n) for n in range(3)]
            bert = await engine.start(waits, user="bert")
            order = [await begun(e) for e in (anna[2], bert, anna[1], anna[0])]
        assert order == [10, 20, 30, 40]

    @virtual_time
    async def test_a_full_queue_says_when_to_come_back(self) -> None:
        async with rxs.Engine(max_running=1, max_queued=9, max_queued_per_user=1) as engine:
            await engine.start(waits)
            first = await engine.start(waits, user="anna")
            with pytest.raises(Overloaded, match="the user 'anna' wait"):
                await engine.start(waits, user="anna")
            await first.wait()
            for _ in range(10):
                await engine.start(waits, user=str(_))
            with pytest.raises(Overloaded, match="1 executions run and 9 wait") as refused:
                await engine.start(waits)
        assert refused.value.retry_after == 10

    @virtual_time
    async def test_what_cannot_be_recorded_leaves_the_queue(self) -> None:
        log = FullLog()
        async with rxs.Engine(log, max_running=1) as engine:
            running = await engine.start(waits, {"seconds": 1_000})
            log.full = True
            with pytest.raises(LogError):
                await engine.start(waits, {"seconds": 1})
            log.full = False
            assert engine.queue() == {}
            await running.wait()


class TestDependencies:
    @virtual_time
    async def test_an_execution_waits_for_the_success_of_others(self) -> None:
        async with rxs.Engine() as engine:
            a, b = await engine.start(waits), await engine.start(waits, {"seconds": 3})
            both = await engine.start(waits, after_success=[a.id, b.id])
            assert both.status == "queued"
            assert queue_of(engine, both) == {
                "position": None,
                "waiting_for": [
                    {"kind": "execution", "name": name} for name in sorted((a.id, b.id))
                ],
            }
            assert await begun(both) == 10

    @virtual_time
    async def test_a_failure_reaches_those_that_wait_and_those_that_wait_for_them(self) -> None:
        async with rxs.Engine() as engine:
            fails = await engine.start(waits, {"fails": True})
            second = await engine.start(waits, after_success=[fails.id])
            third = await engine.start(waits, after_success=[second.id])
            last = await engine.start(waits, after_end=[third.id])
            assert await begun(last) == 10
            with pytest.raises(ExecutionCancelled) as cancelled:
                await third.result()
            assert await told(second) == ["step_progress", "pipeline_cancelled"]
        assert cancelled.value.message == (
            f"execution {second.id}, whose success this one waits for, is cancelled"
        )
        assert second.record.error == {
            "kind": "cancelled",
            "code": "dependency_failed",
            "message": f"execution {fails.id}, whose success this one waits for, is failed",
        }

    @virtual_time
    async def test_what_has_ended_is_not_waited_for(self) -> None:
        async with rxs.Engine() as engine:
            good = await engine.start(waits)
            bad = await engine.start(waits, {"fails": True})
            await asyncio.gather(good.wait(), bad.wait())
            at_once = await engine.start(waits, after_success=[good.id], after_end=[bad.id])
            never = await engine.start(waits, after_success=[bad.id])
            assert await begun(at_once) == 10
            assert await told(never) == ["pipeline_cancelled"]
            assert never.status == "cancelled"

    @virtual_time
    async def test_one_that_waits_can_be_cancelled_before_what_it_waits_for_fails(self) -> None:
        async with rxs.Engine() as engine:
            fails = await engine.start(waits, {"fails": True})
            second = await engine.start(waits, after_success=[fails.id])
            second.cancel("changed my mind")
            await second.wait()
            await fails.wait()
            assert (second.record.error or {})["message"] == "changed my mind"

    @virtual_time
    async def test_an_execution_nobody_knows_cannot_be_waited_for(self) -> None:
        async with rxs.Engine() as engine:
            with pytest.raises(InvalidParameters, match="no execution has the id 'nobody'") as e:
                await engine.start(waits, after_end=["nobody"])
            assert [entry["name"] for entry in e.value.detail] == ["after_end"]


class TestResources:
    @virtual_time
    async def test_an_execution_has_all_it_asked_for_from_its_start_to_its_end(self) -> None:
        async with rxs.Engine(resources={"gpu": 2, "cpu": 2}) as engine:
            first = await engine.start(waits, resources={"gpu": 1, "cpu": 1})
            big = await engine.start(waits, resources={"gpu": 2})
            small = await engine.start(waits, resources={"gpu": 1})
            other = await engine.start(waits, resources={"cpu": 1})
            assert queue_of(engine, big) == {
                "position": 1,
                "waiting_for": [{"kind": "resource", "name": "gpu"}],
            }
            assert [await begun(e) for e in (first, big, small, other)] == [0, 10, 20, 0]
            assert (engine.resources.free("gpu"), engine.resources.free("cpu")) == (2, 2)

    @virtual_time
    @pytest.mark.parametrize("how", ["cancel", "stop", "fails"])
    async def test_resources_are_free_again_whichever_way_it_ends(self, how: str) -> None:
        async with rxs.Engine(resources={"gpu": 1}) as engine:
            execution = await engine.start(waits, {"fails": how == "fails"}, resources={"gpu": 1})
            if how != "fails":
                getattr(execution, how)()
            await execution.wait()
            await asyncio.sleep(0)
            assert engine.resources.free("gpu") == 1

    @virtual_time
    @pytest.mark.parametrize(
        ("resources", "problem"),
        [
            ({"gpu": 3}, "3 gpu can never be had: there is 4 cpu, 2 gpu"),
            ({"tpu": 1}, "no resource is named 'tpu': there is 4 cpu, 2 gpu"),
            ({"gpu": 0}, "gpu is 0: it must be a whole number from 1"),
            ({"gpu": True}, "gpu is True: it must be a whole number from 1"),
            (["gpu"], "it must be an object of whole numbers by name"),
        ],
    )
    async def test_what_can_never_be_had_is_refused_at_once(
        self, resources: Any, problem: str
    ) -> None:
        async with rxs.Engine(resources={"gpu": 2, "cpu": 4}) as engine:
            with pytest.raises(InvalidParameters) as refused:
                await engine.start(waits, resources=resources)
        assert refused.value.message == f"resources: {problem}"

    @virtual_time
    async def test_each_field_that_is_wrong_is_named(self) -> None:
        wrong: Any = {"user": "x" * 201, "after_success": "id", "after_end": [1]}
        async with rxs.Engine() as engine:
            with pytest.raises(InvalidParameters) as refused:
                await engine.start(waits, **wrong)
        names = [entry["name"] for entry in refused.value.detail]
        assert names == ["user", "after_success", "after_end"]

    @virtual_time
    async def test_a_graph_may_say_what_it_needs(self) -> None:
        needs = rxs.graph(resources={"gpu": 1})(waits.function)
        async with rxs.Engine(graphs=[needs], resources={"gpu": 1}) as engine:
            first, second = await engine.start(needs), await engine.start("waits", {"seconds": 1})
            other = await engine.start(needs.named("prefix").bind(seconds=1), resources={})
            assert [await begun(e) for e in (first, second, other)] == [0, 10, 0]
        async with rxs.Engine() as engine:
            with pytest.raises(
                InvalidParameters, match="no resource is named 'gpu': there is none"
            ):
                await engine.start(needs)


class TestTelling:
    @virtual_time
    async def test_who_waits_is_told_where_it_stands_and_for_what(self) -> None:
        async with rxs.Engine(max_running=1, resources={"gpu": 1}) as engine:
            await engine.start(waits, resources={"gpu": 1})
            others = [await engine.start(waits) for _ in range(3)]
            last = await engine.start(waits, resources={"gpu": 1})
            events = await events_of(last)
            assert [e.event_type for e in await events_of(others[0])][:2] == [
                "step_progress",
                "pipeline_start",
            ]
        queued = [event for event in events if event.event_type == "step_progress"]
        assert {event.step_id for event in queued} == {None}
        assert [event.data["message"] for event in queued] == [
            "number 4 in the queue; waits for gpu and a place to run in",
            "number 3 in the queue; waits for a place to run in",
            "number 1 in the queue; waits for a place to run in",
        ]
        assert queued[0].data["status"] == "queued"
        assert [e.sequence for e in events] == list(range(1, len(events) + 1))

    @virtual_time
    async def test_who_waits_only_a_moment_is_told_nothing(self) -> None:
        async with rxs.Engine(max_running=1) as engine:
            await engine.start(waits, {"seconds": 0.9})
            assert (await told(await engine.start(waits)))[0] == "pipeline_start"

    @virtual_time
    async def test_who_waits_for_executions_is_told_so(self) -> None:
        async with rxs.Engine() as engine:
            first = await engine.start(waits)
            events = await events_of(await engine.start(waits, after_end=[first.id]))
        assert events[0].data["message"] == f"waits for execution {first.id}"


class TestAfterARestart:
    @virtual_time
    async def test_what_waited_waits_again_in_the_same_order(self) -> None:
        died, ids = await self._die_with_a_queue()
        order: list[str] = []
        async with rxs.Engine(died, graphs=[waits], max_running=1, resources={"gpu": 1}) as engine:
            assert list(engine.queue()) == [ids["low"], ids["gpu"], ids["then"]]
            high = engine.execution(ids["high"])
            for name, execution_id in ids.items():
                engine.execution(execution_id).on_settled(partial(order.append, name))
            await engine.execution(ids["then"]).wait()
            assert high.record.priority == 3
            kinds = await told(high)
            record = await engine.record(ids["gpu"])
        assert order == ["high", "low", "gpu", "then"]
        assert kinds[0] == "pipeline_start"
        assert record.detail["asks"] == {"user": "anna", "resources": {"gpu": 1}}

    async def _die_with_a_queue(self) -> tuple[JournalLog, dict[str, str]]:
        journal = JournalLog()
        async with rxs.Engine(
            journal, graphs=[waits], max_running=1, resources={"gpu": 1}
        ) as engine:
            running = await engine.start("waits", {"seconds": 1e6})
            low = await engine.start("waits", user="anna")
            high = await engine.start("waits", priority=3, user="anna")
            gpu = await engine.start("waits", resources={"gpu": 1}, user="anna")
            then = await engine.start("waits", after_success=[low.id, gpu.id])
            assert running.status == "running"
            died = died_now(journal)
        return died, {"high": high.id, "low": low.id, "gpu": gpu.id, "then": then.id}

    @virtual_time
    @pytest.mark.parametrize("key", ["abc", numpy.zeros(3)])
    async def test_a_parameter_the_log_never_saw_cannot_be_given_again(self, key: Any) -> None:
        journal = JournalLog()
        graph = hidden if isinstance(key, str) else anything
        async with rxs.Engine(journal, graphs=[waits, graph], max_running=1) as engine:
            await engine.start("waits")
            queued = await engine.start(graph, {"key": key})
            died = died_now(journal)
        async with rxs.Engine(died, graphs=[waits, graph]) as again:
            record = await again.record(queued.id)
        assert record.status == "interrupted"
        assert "its parameters cannot be read from the log" in (record.error or {})["message"]

    @virtual_time
    async def test_what_one_waited_for_may_have_gone_meanwhile(self) -> None:
        journal = JournalLog()
        async with rxs.Engine(journal, graphs=[waits]) as engine:
            fails = await engine.start("waits", {"seconds": 1e6, "fails": True})
            gone = await engine.start("waits", {"seconds": 1e6})
            after = {"success": [gone.id], "end": [gone.id], "died": [fails.id]}
            never = await engine.start("waits", after_success=after["success"])
            runs = await engine.start("waits", after_end=after["end"])
            died = await engine.start("waits", after_success=after["died"])
            commits = [c for c in journal.commits if c.execution_id != gone.id]
        async with rxs.Engine(JournalLog(commits, journal.epoch), graphs=[waits]) as again:
            assert await begun(again.execution(runs.id)) >= 0
            for doomed, status in ((never, "no longer in the log"), (died, "interrupted")):
                assert (await again.record(doomed.id)).status == "cancelled"
                record = await again.record(doomed.id)
                assert str((record.error or {})["message"]).endswith(f"is {status}")
                assert (record.error or {})["code"] == "dependency_failed"

    @virtual_time
    async def test_a_graph_that_can_no_longer_be_built_ends_it_honestly(self) -> None:
        journal = JournalLog()
        async with rxs.Engine(journal, graphs=[waits], max_running=1) as engine:
            await engine.start("waits", {"seconds": 1e6})
            queued = await engine.start("waits", {"seconds": 5})
            died = died_now(journal)
        other = rxs.graph(lambda minutes: rxs.source([minutes]))
        other.name = "waits"
        async with rxs.Engine(died, graphs=[other]) as again:
            record = await again.record(queued.id)
        assert record.status == "interrupted"
        assert (record.error or {})["code"] == "graph_changed"

    @virtual_time
    async def test_one_whose_graph_is_not_served_waits_for_somebody_who_knows_it(self) -> None:
        journal = JournalLog()
        async with rxs.Engine(journal, graphs=[waits], max_running=1) as engine:
            await engine.start("waits", {"seconds": 1e6})
            queued = await engine.start("waits", {"seconds": 5})
            died = died_now(journal)
        async with rxs.Engine(died) as again:
            assert (await again.record(queued.id)).status == "queued"
            execution = await again.resume(queued.id, waits.bind(seconds=3))
            assert await execution.result() == (0.0, 3.0)
