"""How nodes end: what is told of it, what is closed, and what user code may raise on the way."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import rxstream as rxs
from rxstream import operators as ops
from rxstream.testing import virtual_time
from tests.engine.parts import (
    closing,
    events_of,
    logged,
    now,
    started,
    told,
    within,
)


class TestLifecycle:
    @virtual_time
    async def test_a_source_that_is_left_early_completes_too(self) -> None:
        @rxs.graph
        def g() -> Any:
            return rxs.source(range(100)).named("n").pipe(ops.take(2)).named("two")

        seen = await told(await started(g))
        assert seen.count("step_complete:n") == seen.count("step_complete:two") == 1
        assert seen[-1] == "pipeline_complete"

    @virtual_time
    async def test_what_was_never_opened_never_completes(self) -> None:
        @rxs.graph
        def g() -> Any:
            first = rxs.source([1, 2, 3]).named("first")
            second = rxs.source([4]).named("second")
            return {"x": rxs.concat(first, second).pipe(ops.take(2)), "y": rxs.timer(5)}

        seen = await told(await started(g))
        assert "step_complete:first" in seen
        assert not [kind for kind in seen if kind.endswith(":second")]

    @virtual_time
    async def test_after_an_error_nothing_else_is_said_to_be_complete(self) -> None:
        @rxs.graph
        def g() -> Any:
            numbers = rxs.source(range(3)).named("n")
            return {"a": numbers.pipe(ops.map(lambda n: 1 // n)), "b": rxs.interval(1).named("b")}

        seen = await told(await started(g))
        assert seen[-2:] == ["step_error:a", "pipeline_error"]
        assert "step_complete:b" not in seen

    @virtual_time
    async def test_the_last_progress_is_told_also_of_what_is_cancelled(self) -> None:
        async def work() -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                for percentage in range(10):
                    rxs.progress(percentage)

        @rxs.graph
        def g() -> Any:
            return rxs.source(work)

        execution = await started(g)
        await asyncio.sleep(1)
        execution.cancel()
        events = await events_of(execution)
        said = [e.data["percentage"] for e in events if e.event_type == "step_progress"]
        assert said[-1] == 9
        assert events[-1].event_type == "pipeline_cancelled"

    async def test_progress_may_be_told_from_a_thread(self) -> None:
        async def work() -> AsyncIterator[int]:
            await asyncio.to_thread(rxs.progress, 50, "half")
            yield 1

        @rxs.graph
        def g() -> Any:
            return rxs.source(work)

        events = await events_of(await started(g))
        said = [e.data for e in events if e.event_type == "step_progress"]
        assert said == [{"percentage": 50.0, "message": "half", "status": "running"}]

    @virtual_time
    async def test_what_wraps_nothing_that_can_be_said_is_cut(self) -> None:
        @rxs.graph
        def g() -> Any:
            return rxs.source([1]).pipe(ops.do_action(lambda _: rxs.progress(1, "x" * 5_000_000)))

        events = await events_of(await started(g))
        (said,) = [e.data["message"] for e in events if e.event_type == "step_progress"]
        assert len(said) == 2_000


class TestClosing:
    @virtual_time
    async def test_what_closes_slowly_is_not_interrupted_by_the_end(self) -> None:
        ended: list[float] = []

        @rxs.graph
        def g() -> Any:
            return {"one": rxs.source(closing(3, ended)).pipe(ops.take(1)), "two": rxs.timer(1)}

        await g.run()
        assert ended == [3.0]

    @virtual_time
    async def test_an_explored_stream_is_closed_before_the_loop_over_it_ends(self) -> None:
        ended: list[float] = []
        assert [n async for n in rxs.source(closing(3, ended)).pipe(ops.take(1))] == [0]
        assert ended == [3.0]

    @virtual_time
    async def test_one_that_never_closes_is_given_up_and_named(self) -> None:
        async def stuck() -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                await asyncio.Event().wait()

        @rxs.graph
        def g() -> Any:
            return rxs.source(stuck).named("stuck")

        with logged() as entries:
            execution = await started(g)
            await asyncio.sleep(1)
            execution.cancel()
            await execution.wait()
        assert now() == 6.0
        assert execution.status == "cancelled"
        (warning,) = [e for e in entries if e["event"] == "nodes did not close in time"]
        assert warning["nodes"] == ["stuck"]
        await asyncio.sleep(0)
        assert [t.get_name() for t in asyncio.all_tasks() if "stuck" in t.get_name()] == []

    @virtual_time
    async def test_what_still_talks_after_it_was_given_up_is_not_heard(self) -> None:
        async def talks() -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                try:
                    await asyncio.Event().wait()
                finally:
                    rxs.progress(99)

        @rxs.graph
        def g() -> Any:
            return rxs.source(talks)

        execution = await started(g)
        await asyncio.sleep(1)
        execution.cancel()
        seen = await told(execution)
        assert seen[-1] == "pipeline_cancelled"
        assert "step_progress" not in " ".join(seen)

    @virtual_time
    async def test_an_error_of_closing_is_logged_and_harms_nobody(self) -> None:
        def bad() -> Iterator[int]:
            try:
                yield from range(1000)
            finally:
                raise ValueError("cannot close")

        @rxs.graph
        def g() -> Any:
            first = rxs.source(bad).named("bad").pipe(ops.block(), ops.take(2))
            return {"first": first, "other": rxs.timer(1)}

        with logged() as entries:
            assert await within(10, g.run()) == {"first": 1, "other": 0}
        (warning,) = [e for e in entries if e["event"] == "error while closing"]
        assert (warning["node"], warning["error"]) == ("bad", "ValueError('cannot close')")

    @virtual_time
    async def test_so_is_one_of_an_asynchronous_generator(self) -> None:
        async def bad() -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                raise ValueError("cannot close")

        with logged() as entries:
            assert [n async for n in rxs.source(bad).pipe(ops.take(1))] == [1]
        assert [e["error"] for e in entries] == ["ValueError('cannot close')"]

    def test_a_generator_may_end_the_run_it_feeds(self) -> None:
        closed: list[bool] = []
        seen: list[int] = []

        def numbers() -> Iterator[int]:
            try:
                for n in range(10):
                    if n == 3:
                        subscription[0].dispose()
                    yield n
            finally:
                closed.append(True)

        subscription: list[Any] = []

        async def main() -> None:
            later = rxs.concat(rxs.timer(1), rxs.source(numbers))
            subscription.append(later.subscribe(seen.append))
            await asyncio.sleep(2)

        with logged() as entries:
            rxs.testing.run(main())
        assert seen == [0, *range(seen[-1] + 1)][: len(seen)]
        assert closed == [True]
        assert entries == []
