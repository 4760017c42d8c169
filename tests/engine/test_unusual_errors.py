"""What user code may raise on the way, and what may go wrong beside it: a node fails, and nothing hangs."""

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
    outputs,
    started,
    within,
)


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
