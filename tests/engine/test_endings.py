"""How nodes end: what is told of it, what is closed, and what user code may raise on the way."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from reactivex.subject import Subject

import rxstream as rxs
from rxstream import operators as ops
from rxstream.engine.unit import Unit
from rxstream.errors import AuthorError, NodeError, RxStreamError, StallError
from rxstream.operator import Operator, OperatorSpec
from rxstream.source import Port
from rxstream.testing import virtual_time
from tests.engine.parts import (
    closing,
    events_of,
    kinds,
    logged,
    now,
    outputs,
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


class Odd(BaseException):
    """Neither an error nor the end of the program."""


class _Cancels(rxs.Sink[Any]):
    """Awaits something that was cancelled by others."""

    name = "cancels"

    @asynccontextmanager
    async def open(self, port: Port) -> AsyncIterator[Any]:
        async def write(items: Any) -> None:
            raise asyncio.CancelledError

        yield write


class TestUnusualErrors:
    @virtual_time
    @pytest.mark.parametrize("odd", [asyncio.CancelledError, Odd, GeneratorExit])
    async def test_of_a_function_fails_its_node(self, odd: type[BaseException]) -> None:
        def raises(item: int) -> int:
            if item == 2:
                raise odd("no")
            return item

        @rxs.graph
        def g() -> Any:
            return rxs.source([0, 1, 2]).pipe(ops.map(raises)).named("odd")

        execution = await started(g)
        with pytest.raises(NodeError, match=rf"'odd'.*{odd.__name__} no"):
            await within(10, execution.result())
        assert await outputs(execution) == [0, 1]

    @virtual_time
    async def test_of_what_an_operator_does_at_its_end_fails_its_node(self) -> None:
        def raises(total: int, item: int) -> int:
            raise Odd("no")

        @rxs.graph
        def g() -> Any:
            return rxs.source([0, 1, 2]).pipe(ops.reduce(raises)).named("odd")

        with pytest.raises(NodeError, match=r"'odd'.*Odd no"):
            await within(10, g.run())

    @virtual_time
    async def test_of_a_generator_fails_its_node(self) -> None:
        def numbers() -> Iterator[int]:
            yield 1
            raise Odd("no")

        @rxs.graph
        def g() -> Any:
            return rxs.source(numbers).named("odd")

        execution = await started(g)
        with pytest.raises(NodeError, match=r"'odd'.*Odd no"):
            await within(10, execution.result())
        assert await outputs(execution) == [1]

    @virtual_time
    async def test_of_what_an_asynchronous_source_awaits_fails_its_node(self) -> None:
        async def numbers() -> AsyncIterator[int]:
            yield 1
            cancelled = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            await cancelled

        @rxs.graph
        def g() -> Any:
            return rxs.source(numbers).named("odd")

        execution = await started(g)
        with pytest.raises(NodeError, match=r"'odd'.*was cancelled"):
            await within(10, execution.result())
        assert await outputs(execution) == [1]

    @virtual_time
    async def test_of_an_asynchronous_source_fails_its_node(self) -> None:
        async def numbers() -> AsyncIterator[int]:
            yield 1
            raise Odd("no")

        @rxs.graph
        def g() -> Any:
            return rxs.source(numbers).named("odd")

        with pytest.raises(NodeError, match=r"'odd'.*Odd no"):
            await within(10, g.run())

    @virtual_time
    async def test_of_a_sink_fails_the_execution(self) -> None:
        @rxs.graph
        def g() -> Any:
            rxs.source([1]).to(_Cancels(), name="odd")

        with pytest.raises(NodeError, match=r"'odd'.*CancelledError"):
            await within(10, g.run())

    def test_the_end_of_the_program_is_not_held_up(self) -> None:
        def leaves(item: int) -> int:
            raise SystemExit(3)

        async def main() -> None:
            await rxs.source([1]).pipe(ops.map(leaves))

        with pytest.raises(SystemExit):
            rxs.testing.run(main())

    @virtual_time
    async def test_an_execution_whose_task_is_cancelled_never_looks_complete(self) -> None:
        ended: list[float] = []

        @rxs.graph
        def g() -> Any:
            return rxs.source(closing(0, ended))

        engine = rxs.Engine()
        await engine.open()
        execution = await engine.start(g)
        await asyncio.sleep(1)
        (leader,) = [t for t in asyncio.all_tasks() if execution.id in t.get_name()]
        leader.cancel()
        with pytest.raises(RxStreamError, match="could not be recorded"):
            await execution.result()
        assert execution.status == "failed"
        await engine.close()
        assert ended == [1.0]


@virtual_time
async def test_a_function_may_cancel_the_execution_it_runs_in() -> None:
    box: list[rxs.Execution] = []

    def cancels(n: int) -> int:
        if n == 3:
            box[0].cancel("enough")
        return n

    @rxs.graph
    def g() -> Any:
        return rxs.source(range(10)).pipe(ops.map(cancels))

    async with rxs.Engine() as engine:
        box.append(await engine.start(g))
        events = await within(10, events_of(box[0]))
    assert events[-1].data == {"reason": "enough"}
    assert sum(event.terminal for event in events) == 1
    assert kinds(events).count("step_output:map_1") <= 10


class TestNothingHangs:
    @virtual_time
    async def test_when_an_operator_of_reactivex_cannot_even_be_made(self) -> None:
        def broken() -> Any:
            raise ValueError("cannot be made")

        operator = Operator(OperatorSpec("broken", "foreign", rx=broken))

        @rxs.graph
        def g() -> Any:
            return operator(rxs.source([1])).named("broken")

        with pytest.raises(NodeError, match=r"'broken'.*cannot be made"):
            await within(10, g.run())

    @virtual_time
    async def test_when_the_running_part_cannot_be_made(self) -> None:
        def broken() -> Any:
            raise ValueError("cannot be made")

        operator = Operator(OperatorSpec("broken", "unit", make=broken))

        @rxs.graph
        def g() -> Any:
            return operator(rxs.source([1]))

        with pytest.raises(NodeError, match="cannot be made"):
            await within(10, g.run())

    @virtual_time
    async def test_when_a_timer_of_a_unit_fails(self) -> None:
        class Rings(Unit):
            def start(self) -> None:
                self.runtime.call_later(self, 1, self.ring)

            def ring(self) -> None:
                raise ValueError("rang")

            def step(self) -> bool:
                return False

            def external(self) -> bool:
                return True

        operator = Operator(OperatorSpec("rings", "unit", make=Rings))

        @rxs.graph
        def g() -> Any:
            return operator(rxs.source([1])).named("rings")

        with pytest.raises(NodeError, match=r"'rings'.*rang"):
            await within(10, g.run())

    @virtual_time
    async def test_when_a_unit_forgets_to_go_on(self) -> None:
        class Forgets(Unit):
            def step(self) -> bool:
                self.inputs[0].take(1)
                return False

        operator = Operator(OperatorSpec("forgets", "unit", make=Forgets))

        @rxs.graph
        def g() -> Any:
            return operator(rxs.source([1]))

        with pytest.raises(StallError, match="nothing in this graph can ever move again"):
            await within(10, g.run())

    def test_another_thread_cannot_push_where_there_is_no_loop(self) -> None:
        subject: Subject[int] = Subject()
        seen: list[int] = []
        rxs.source(subject).subscribe(seen.append)
        subject.on_next(1)
        raised: list[BaseException] = []

        def push() -> None:
            try:
                subject.on_next(2)
            except AuthorError as error:
                raised.append(error)

        thread = threading.Thread(target=push)
        thread.start()
        thread.join()
        assert seen == [1]
        assert "inside asyncio.run" in str(raised[0])
