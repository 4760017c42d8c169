"""Blocking functions in threads: bounded, told of, waited for; and what is refused."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from contextvars import ContextVar
from functools import partial
from typing import Any, cast

import pytest

import rxstream
from rxstream.engine.island import CURRENT
from rxstream.engine.op import ALL
from rxstream.errors import ExecutionCancelled, GraphError
from rxstream.operators._threads import MapThread
from rxstream.testing import assert_released
from tests.operators import work
from tests.operators.lives import Case, Feed, Life, Reader
from tests.operators.parts import Bad, heard, items, nexts, ops, told, until

SEEN: ContextVar[str] = ContextVar("seen", default="nothing")


class Gate:
    """A blocking function that waits until it is let go, and counts."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun: list[int] = []
        self.ended: list[int] = []

    def __call__(self, number: int) -> int:
        self.begun.append(number)
        assert self.open.wait(20)
        self.ended.append(number)
        return number * 10


def thread_names() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("rxstream")]


class TestThreads:
    async def test_the_loop_goes_on_meanwhile(self) -> None:
        gate = Gate()
        async with assert_released():
            asyncio.get_running_loop().call_later(0.05, gate.open.set)
            assert await items(rxstream.range(3).map_thread(gate)) == [0, 10, 20]

    async def test_so_many_run_and_results_keep_their_order(self) -> None:
        gate = Gate()
        stream = rxstream.range(9).map_thread(gate, concurrency=3)
        running = asyncio.ensure_future(items(stream))
        await until(lambda: len(gate.begun) == 3)
        assert sorted(thread_names()) == [f"rxstream map_thread_1 {n}" for n in (1, 2, 3)]
        gate.open.set()
        assert await running == [n * 10 for n in range(9)]

    async def test_results_may_come_as_they_are_done(self) -> None:
        late = threading.Event()

        def work(number: int) -> int:
            if number == 0:
                assert late.wait(20)
            return number

        stream = rxstream.range(5).map_thread(work, concurrency=2, ordered=False)
        found = []
        async for item in stream:
            found.append(item)
            if len(found) == 4:
                late.set()
        assert found == [1, 2, 3, 4, 0]

    async def test_no_more_are_begun_than_can_go_on(self) -> None:
        gate = Gate()
        gate.open.set()
        assert await heard(rxstream.range(99).map_thread(gate, concurrency=9).take(3)) == nexts(
            0, 10, 20
        )
        assert len(gate.begun) == 3

    async def test_a_free_thread_takes_the_latest(self) -> None:
        gate = Gate()

        async def burst() -> Any:
            yield 0
            await until(lambda: gate.begun)
            for number in range(1, 10):
                yield number
            await asyncio.sleep(0.05)
            gate.open.set()

        assert await items(rxstream.source(burst).pipe(ops.latest(), ops.map_thread(gate))) == [
            0,
            90,
        ]

    async def test_an_exception_reaches_the_node_after_the_results_before_it(self) -> None:
        found = await heard(rxstream.range(9).map_thread(work.breaking, concurrency=3))
        assert found == [("next", 0), ("next", 1), ("error", "two")]

    async def test_an_error_of_the_source_comes_after_what_was_begun(self) -> None:
        stream = rxstream.range(3).concat(rxstream.throw(Bad("unplugged"))).map_thread(abs, 2)
        assert await heard(stream) == [*nexts(0, 1, 2)[:-1], ("error", "unplugged")]
        assert await heard(rxstream.empty().map_thread(abs)) == nexts()
        assert await heard(rxstream.timer(0.02).ignore_elements().map_thread(abs)) == nexts()

    @pytest.mark.parametrize("raised", [SystemExit(3), StopIteration(), KeyboardInterrupt()])
    async def test_whatever_it_raises_is_an_error(self, raised: BaseException) -> None:
        def raising(_: int) -> None:
            raise raised

        (found,) = await heard(rxstream.of(1).map_thread(raising))
        assert found[0] == "error"

    async def test_it_sees_the_context_of_whoever_started_the_graph(self) -> None:
        def look(number: int) -> str:
            seen = SEEN.get()
            SEEN.set(f"set by {number}")
            return seen

        @rxstream.graph
        def looking() -> Any:
            return rxstream.range(4).map_thread(look, concurrency=2).to_list()

        SEEN.set("mine")
        async with rxstream.Engine() as engine:
            execution = await engine.start(looking)
            assert await execution.result() == ["mine"] * 4
        assert SEEN.get() == "mine"

    async def test_it_may_say_how_far_it_is(self) -> None:
        def work(number: int) -> str:
            rxstream.progress(number * 10, "half way")
            port = CURRENT.get()
            assert port is not None
            return port.node_id

        @rxstream.graph
        def working() -> Any:
            return rxstream.of(5).map_thread(work).named("work")

        async with rxstream.Engine() as engine:
            execution = await engine.start(working)
            assert await execution.result() == "work"
            events = [e async for e in execution.events()]
            (stats,) = (n for n in execution.statistics().nodes if n.node == "work")
        (progress,) = (e.data for e in events if e.event_type == "step_progress")
        assert (progress["percentage"], progress["message"]) == (50.0, "half way")
        assert stats.busy_s > 0

    async def test_a_call_that_goes_on_is_waited_for_and_gives_nothing_more(self) -> None:
        gate = Gate()

        @rxstream.graph
        def working() -> Any:
            return rxstream.range(9).map_thread(gate, concurrency=2)

        async with rxstream.Engine() as engine, assert_released():
            execution = await engine.start(working)
            await until(lambda: len(gate.begun) == 2)
            execution.cancel("enough")
            await asyncio.sleep(0.05)
            assert not gate.ended
            gate.open.set()
            with pytest.raises(ExecutionCancelled, match="enough"):
                await execution.result()
            assert sorted(gate.begun) == sorted(gate.ended) == [0, 1]
            events = [e async for e in execution.events()]
        assert not [e for e in events if e.event_type == "step_output"]

    async def test_what_a_call_raises_too_late_is_logged(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        go, begun = threading.Event(), threading.Event()

        def failing(_: int) -> None:
            begun.set()
            assert go.wait(20)
            raise Bad("too late")

        stream = rxstream.of(1).map_thread(failing)
        running = asyncio.ensure_future(items(stream))
        await until(begun.is_set)
        running.cancel()
        asyncio.get_running_loop().call_later(0.05, go.set)
        with pytest.raises(asyncio.CancelledError):
            await running
        assert "too late" in capsys.readouterr().out

    async def test_a_call_that_never_returns_is_named_and_left_behind(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate = Gate()
        monkeypatch.setattr("rxstream.engine.explore._CLOSE_S", 0.1)
        running = asyncio.ensure_future(items(rxstream.of(1).map_thread(gate)))
        await until(lambda: gate.begun)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert "map_thread_1" in capsys.readouterr().out
        gate.open.set()
        await until(lambda: not thread_names())

    def test_a_call_that_never_returns_does_not_keep_the_process(self) -> None:
        script = """
import asyncio, threading
import rxstream
import rxstream.engine.explore as explore
explore._CLOSE_S = 0.1
begun = threading.Event()
def stuck(_):
    begun.set()
    threading.Event().wait()
async def main():
    async def read():
        async for item in rxstream.of(1).map_thread(stuck): ...
    task = asyncio.ensure_future(read())
    while not begun.is_set():
        await asyncio.sleep(0.01)
asyncio.run(main())
print("over")
"""
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stdout.endswith("over\n"), done.stderr

    async def test_whoever_does_not_close_waits_no_longer_than_that(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("rxstream.operators._threads.PATIENCE_S", 0.05)
        monkeypatch.setattr("rxstream.operators._threads.CLOSE_S", 0.05)
        gate = Gate()
        subscription = rxstream.of(1).map_thread(gate).subscribe()
        await until(lambda: gate.begun)
        subscription.dispose()
        await until(lambda: len(asyncio.all_tasks()) == 1)
        gate.open.set()
        await until(lambda: not thread_names())

    async def test_another_attempt_waits_for_the_calls_of_the_one_before(self) -> None:
        now: list[int] = []
        attempts: list[int] = []

        def work(number: int) -> int:
            now.append(number)
            most = len(now)
            time.sleep(0.02)
            now.remove(number)
            if number == 0:
                attempts.append(most)
                if len(attempts) < 3:
                    raise Bad("again")
            return number

        stream = rxstream.range(4).pipe(ops.map_thread(work, concurrency=4), ops.retry(3))
        assert await items(stream) == [0, 1, 2, 3]
        assert max(attempts) <= 4

    @pytest.mark.parametrize("ordered", [True, False])
    async def test_a_call_that_has_returned_is_not_made_again_after_a_store(
        self, ordered: bool
    ) -> None:
        gate, calls = threading.Event(), []

        def function(number: int) -> int:
            calls.append(number)
            if number == 1:
                assert gate.wait(20)
            return -number

        case = Case(ops.map_thread(function, 3, ordered), ((),))
        plan, reader = case.plan(), Reader(ALL)
        first = Life(plan, [Feed(())], reader)
        first.edges[0].push([1, 2])
        await until(lambda: len(calls) == 2 and cast(MapThread, first.unit).working == 1)
        second = Life(plan, [Feed(())], reader, first.stored(False))
        gate.set()
        second.edges[0].finish()
        await until(lambda: reader.ended)
        assert calls == [1, 2, 1]
        found = [item for _, item in reader.told]
        assert found == ([-1, -2, "|"] if ordered else [-2, -1, "|"])
        await until(lambda: len(asyncio.all_tasks()) == 1)

    def test_it_needs_a_loop(self) -> None:
        ((kind, text),) = told(rxstream.of(1).map_thread(abs))
        assert kind == "error"
        assert "event loop" in text


class TestRefused:
    def test_concurrency_below_one(self) -> None:
        with pytest.raises(GraphError, match="concurrency"):
            ops.map_thread(abs, concurrency=0)
        with pytest.raises(GraphError, match="concurrency"):
            ops.map_process(abs, concurrency=0)

    def test_coroutine_functions(self) -> None:
        for operator in (ops.map_thread, ops.map_process):
            with pytest.raises(GraphError, match="map_async"):
                operator(work.awaited)

    @pytest.mark.parametrize(
        ("function", "why"),
        [
            (lambda number: number, "is a lambda"),
            (partial(lambda number: number), "is a lambda"),
            (partial(pow, threading.Lock()), "cannot be pickled"),
            (work.Times(threading.Lock()), "cannot be pickled"),  # type: ignore[arg-type]  # on purpose
        ],
    )
    def test_functions_that_a_child_could_not_import(self, function: Any, why: str) -> None:
        with pytest.raises(GraphError, match=f"{why}.* map_thread"):
            ops.map_process(function)

    def test_a_function_of_a_notebook(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(work.square, "__module__", "__main__")
        monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
        with pytest.raises(GraphError, match="square is defined in a notebook"):
            ops.map_process(work.square)

    def test_a_function_within_a_function(self) -> None:
        def local(number: int) -> int:
            return number

        with pytest.raises(GraphError, match="local is defined inside another function"):
            rxstream.of(1).map_process(local)

    def test_within_observables_of_observables(self) -> None:
        for operator in (ops.map_thread(abs), ops.map_process(abs)):
            with pytest.raises(GraphError, match="flattens"):
                operator.spec.rx()  # type: ignore[attr-defined]  # an Operator
