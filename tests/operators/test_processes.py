"""Functions in child processes: told of, and ended with everything they have started."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from contextvars import copy_context
from functools import partial
from multiprocessing import Pipe, resource_tracker
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

import rxstream
from rxstream.engine.op import ALL
from rxstream.errors import AuthorError, WorldError
from rxstream.operators import _family, _processes
from rxstream.operators._processes import MapProcess
from rxstream.testing import assert_released
from tests.operators import work
from tests.operators.lives import Case, Feed, Life, Reader
from tests.operators.parts import Bad, heard, items, ops, until
from tests.shipped import ROOT


@pytest.fixture(scope="module", autouse=True)
def tracker() -> None:
    """multiprocessing keeps one process of its own for as long as this one lives."""
    resource_tracker.ensure_running()


class TestProcesses:
    async def test_calls_are_made_in_other_processes(self) -> None:
        async with assert_released(grace=3):
            found = await items(rxstream.range(20).map_process(work.who, concurrency=2))
        assert len(set(found)) in (1, 2)
        assert os.getpid() not in found

    async def test_results_keep_their_order(self) -> None:
        stream = rxstream.range(6).map_process(work.slow_when_even, concurrency=2)
        assert await items(stream) == list(range(6))

    async def test_a_partial_and_a_callable_object_will_do(self) -> None:
        stream = rxstream.of(3).map_process(work.Times(4)).map_process(partial(pow, 2))
        assert await items(stream) == [4096]

    async def test_it_may_say_how_far_it_is(self) -> None:
        @rxstream.graph
        def working() -> Any:
            return rxstream.of(7).map_process(work.telling).named("work")

        async with rxstream.Engine() as engine:
            execution = await engine.start(working)
            assert await execution.result() == f"work of {execution.id}"
            events = [e async for e in execution.events()]
        (progress,) = (e.data for e in events if e.event_type == "step_progress")
        assert (progress["percentage"], progress["message"]) == (7.0, "in the child")

    async def test_an_exception_comes_back_with_where_it_was(self) -> None:
        with pytest.raises(Bad, match="two") as caught:
            await items(rxstream.range(9).map_process(work.breaking))
        assert "in breaking" in caught.value.__notes__[0]

    async def test_an_exception_that_cannot_be_made_again_says_the_same(self) -> None:
        with pytest.raises(RuntimeError, match=r"Picky: .*'a', 'b'"):
            await items(rxstream.of(1).map_process(work.picky))

    async def test_leaving_the_process_is_an_error(self) -> None:
        with pytest.raises(RuntimeError, match="SystemExit"):
            await items(rxstream.of(3).map_process(work.leaving))

    async def test_a_child_that_is_killed_is_an_error_with_the_element(self) -> None:
        async with assert_released(grace=3):
            found: list[int] = []
            stream = rxstream.range(5).map_process(work.dying).do_action(found.append)
            with pytest.raises(WorldError, match=r"'map_process_1' .* dying ended by SIGKILL") as e:
                await items(stream)
        assert found == [0, 1]
        assert (e.value.code, e.value.detail) == ("process_died", {"element": 2})
        assert e.value.node == "map_process_1"

    async def test_a_child_that_ends_itself_is_an_error_with_its_status(self) -> None:
        with pytest.raises(WorldError, match="exiting ended with exit status 3"):
            await items(rxstream.of(3).map_process(work.exiting))

    async def test_an_idle_child_that_is_killed_is_an_error_of_the_next_element(self) -> None:
        async def source() -> Any:
            yield 1
            await until(lambda: pids)
            killed = psutil.Process(pids[0])
            killed.kill()
            await until(lambda: killed.status() == psutil.STATUS_ZOMBIE)
            yield 2

        pids: list[int] = []
        stream = rxstream.source(source).map_process(work.who).do_action(pids.append)
        with pytest.raises(WorldError, match="SIGKILL") as caught:
            await items(stream)
        assert caught.value.detail == {"element": 2}

    async def test_what_cannot_travel_is_the_authors_fault(self) -> None:
        for stream, said in (
            (rxstream.of(1).map_process(work.unsendable), "a result of type function"),
            (rxstream.of(lambda: 1).map_process(work.who), "an element of type function"),
        ):
            with pytest.raises(AuthorError, match=said) as caught:
                await items(stream)
            assert caught.value.code == "not_sendable"

    async def test_what_cannot_be_read_again_is_said(self) -> None:
        for stream in (
            rxstream.of(1).map_process(work.unreadable),
            rxstream.of(work.Unreadable()).map_process(work.who),
        ):
            with pytest.raises(Bad, match="cannot be made again"):
                await items(stream)

    @pytest.mark.parametrize("function", [work.for_ever, work.for_ever_apart])
    async def test_cancelling_ends_the_children_and_what_they_started(
        self, function: Any, tmp_path: Path
    ) -> None:
        path = tmp_path / "pids"
        async with assert_released(grace=3):
            running = asyncio.ensure_future(items(rxstream.of(str(path)).map_process(function)))
            await until(path.exists)
            pids = list(map(int, path.read_text().split()))
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert not [pid for pid in pids if _alive(pid)]

    async def test_calls_under_way_are_made_again_after_a_store(self) -> None:
        async with assert_released(grace=3):
            plan = Case(ops.map_process(work.slow_when_even, 2), ((),)).plan()
            reader = Reader(ALL)
            first = Life(plan, [Feed(())], reader)
            first.edges[0].push([2, 4])
            await until(lambda: cast(MapProcess, first.unit).working == 2)
            second = Life(plan, [Feed(())], reader, first.stored(False))
            second.edges[0].push([5])
            second.edges[0].finish()
            await until(lambda: reader.ended)
            await until(lambda: len(asyncio.all_tasks()) == 1)
        assert [item for _, item in reader.told] == [2, 4, 5, "|"]

    async def test_what_a_call_has_left_behind_ends_with_the_node(self, tmp_path: Path) -> None:
        path = tmp_path / "pid"
        async with assert_released(grace=3):
            await items(rxstream.of(str(path)).map_process(work.leave_one_behind))
            assert not _alive(int(path.read_text()))

    @pytest.mark.parametrize("processes", ["nowhere", ""])
    async def test_a_system_that_lists_no_processes_knows_the_group(
        self, processes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "7").mkdir()  # it has ended since it was listed
        monkeypatch.setattr(_family, "_PROCESSES", str(tmp_path / processes))
        await self.test_cancelling_ends_the_children_and_what_they_started(work.for_ever, tmp_path)

    async def test_a_child_that_will_not_end_is_killed(self, tmp_path: Path) -> None:
        path = tmp_path / "pid"
        async with assert_released(grace=3):
            running = asyncio.ensure_future(items(rxstream.of(str(path)).map_process(work.deaf)))
            await until(path.exists)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert not _alive(int(path.read_text()))

    async def test_leaving_early_ends_the_children(self) -> None:
        async with assert_released(grace=3):
            stream = rxstream.range(9).map_process(work.square, concurrency=2).take(2)
            assert await items(stream) == [0, 1]

    def test_a_script_without_a_guard_is_told(self, tmp_path: Path) -> None:
        script = tmp_path / "script.py"
        script.write_text("""
import asyncio, rxstream
def square(number):
    return number * number
async def main():
    await rxstream.of(3).map_process(square).to_list()
asyncio.run(main())
""")
        done = subprocess.run(
            [sys.executable, str(script)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert 'put that under if __name__ == "__main__"' in done.stderr

    async def test_a_child_that_ends_before_it_could_begin_hints_at_that(self) -> None:
        with pytest.raises(WorldError, match="before it could begin"):
            await items(rxstream.of(3).map_process(work.ExitsWhenRead()))

    async def test_a_child_that_is_still_starting_can_be_ended(self) -> None:
        class Nowhere:
            execution_id = node_id = "nowhere"

            def progress(self, *said: Any) -> None: ...

        def start_and_end() -> None:
            child = _processes.Child(work.square, Nowhere())
            _processes._end(_family.Family(child.pid))
            child.close()

        await asyncio.to_thread(start_and_end)

    async def test_a_system_that_gives_no_process_fails_the_node(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Full:
            def __init__(self, **_: Any) -> None: ...

            def start(self) -> None:
                raise BlockingIOError("no more processes")

        monkeypatch.setattr(_processes._PROCESSES, "Process", Full)
        assert await heard(rxstream.of(1).map_process(work.square)) == [
            ("error", "no more processes")
        ]

    def test_at_a_prompt_it_is_refused(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", "import rxstream\ndef f(x): ...\nrxstream.of(1).map_process(f)"],
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert "in a notebook or at a prompt" in done.stderr


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class TestTheChild:
    """The child's side, in a thread of this process, so that each of its answers can be looked at."""

    def begin(self, monkeypatch: pytest.MonkeyPatch, first: Any) -> Any:
        monkeypatch.setattr(os, "setsid", lambda: None)
        mine, theirs = Pipe()

        def serve() -> None:
            with theirs:
                _processes.serve(theirs)

        threading.Thread(target=serve).start()
        mine.send(first)
        return mine

    def test_it_answers_until_the_pipe_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with self.begin(monkeypatch, (work.telling, "e", "n")) as pipe:
            pipe.send(4)
            assert pipe.recv() == ("progress", 4, "in the child", "running")
            assert pipe.recv() == ("result", "n of e")

    def test_it_answers_what_is_raised_and_what_cannot_be_sent(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with self.begin(monkeypatch, (work.breaking, "e", "n")) as pipe:
            pipe.send(2)
            kind, error = pipe.recv()
            assert (kind, type(error)) == ("error", Bad)
            pipe.send(work.Unreadable())
            assert type(pipe.recv()[1]) is Bad
        with self.begin(monkeypatch, (work.unsendable, "e", "n")) as pipe:
            pipe.send(1)
            assert type(pipe.recv()[1]) is AuthorError
        for function in (work.picky, work.disguised):
            with self.begin(monkeypatch, (function, "e", "n")) as pipe:
                pipe.send(1)
                assert type(pipe.recv()[1]) is RuntimeError

    def test_a_function_that_cannot_be_imported_is_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with self.begin(monkeypatch, work.Unreadable()) as pipe:
            kind, error = pipe.recv()
        assert (kind, str(error)) == ("error", "it cannot be made again")

    def test_it_ends_when_nobody_begins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "setsid", lambda: None)
        mine, theirs = Pipe()
        mine.close()
        with theirs:
            copy_context().run(_processes.serve, theirs)

    def test_it_ends_when_nobody_waits_for_its_answer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "setsid", lambda: None)
        mine, theirs = Pipe()
        mine.send((work.square, "e", "n"))
        mine.send(3)
        mine.close()
        with theirs:
            copy_context().run(_processes.serve, theirs)
