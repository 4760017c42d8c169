"""An isolated plugin has the API of any other, and what it breaks is its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psutil
import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import ExecutionCancelled, InvalidParameters, WorldError
from rxstream.plugins import CancellationToken, PluginError, PluginManager
from rxstream.plugins.isolation import Isolated
from rxstream.testing import assert_released, check_plugin

FRAIL = '''
import asyncio, os, subprocess
from collections.abc import AsyncIterator
import rxstream
from rxstream.plugins import ActionContext, Plugin, action

print("imported, to whoever reads stdout")


class Frail(Plugin):
    """Breaks easily."""

    version = "1.0"

    @action(resumable=True)
    async def count(self, context: ActionContext, n: int) -> AsyncIterator[int]:
        """Counts."""
        for number in range(context.start or 0, n):
            rxstream.progress(100 * number / n, f"at {number}")
            context.seek_point(number + 1)
            yield number

    @action(resources={"gpu": 1})
    def pid(self) -> int:
        """Where it runs."""
        return os.getpid()

    @action
    async def tidy(self, path: str) -> AsyncIterator[int]:
        """Leaves nothing behind."""
        try:
            yield 1
            await asyncio.sleep(60)
        finally:
            open(path, "w").close()

    @action
    async def floods(self) -> AsyncIterator[int]:
        """Never waits for anybody."""
        while True:
            yield os.getpid()

    @action
    async def dies(self) -> AsyncIterator[int]:
        """Takes its process with it."""
        yield 1
        os._exit(3)

    @action
    async def hangs(self) -> AsyncIterator[int]:
        """Starts a process and never ends."""
        child = subprocess.Popen(["sleep", "60"])
        yield child.pid
        while True:
            pass

    @action
    def raises(self) -> None:
        """Fails."""
        raise OSError("no disk")

    @action
    def large(self) -> str:
        """Says too much."""
        return "x" * 2_000_000
'''


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Isolated:
    path = tmp_path_factory.mktemp("isolated") / "frail.py"
    path.write_text(FRAIL)
    return Isolated(path)


@pytest.fixture
def plugins(frail: Isolated) -> PluginManager:
    made = PluginManager()
    made.load(frail)
    return made


async def test_it_streams_with_progress_from_another_process(plugins: PluginManager) -> None:
    told: list[Any] = []
    async with assert_released():
        numbers = plugins.stream("frail.count", {"n": 3}, progress_callback=told.append)
        assert [item async for item in numbers] == [0, 1, 2]
        assert not psutil.pid_exists(await plugins.call("frail.pid"))
    assert [report.message for report in told] == ["at 0", "at 1", "at 2"]


async def test_a_process_that_dies_is_the_failure_of_that_run(plugins: PluginManager) -> None:
    seen: list[int] = []
    with pytest.raises(WorldError, match=r"the process of frail\.dies ended with status 3"):
        await plugins.stream("frail.dies").pipe(ops.do_action(seen.append))
    assert seen == [1]


async def test_one_that_hangs_is_killed_with_what_it_started(plugins: PluginManager) -> None:
    token = CancellationToken()
    children: list[int] = []

    def begun(child: int) -> None:
        children.append(child)
        asyncio.get_running_loop().call_later(0.1, token.cancel)

    async with assert_released():
        with pytest.raises(ExecutionCancelled):
            await plugins.stream("frail.hangs", cancellation_token=token).pipe(ops.do_action(begun))
    for _ in range(200):
        if not psutil.pid_exists(children[0]):
            return
        await asyncio.sleep(0.02)
    # where nobody reaps orphans it stays as a zombie
    assert psutil.Process(children[0]).status() == psutil.STATUS_ZOMBIE


async def test_an_action_closes_what_it_opened_when_its_reader_leaves(
    plugins: PluginManager, tmp_path: Path
) -> None:
    path = tmp_path / "closed"
    assert await plugins.stream("frail.tidy", {"path": str(path)}).pipe(ops.take(1)) == 1
    for _ in range(500):
        if path.exists():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("its finally did not run")


async def test_one_that_floods_is_gone_when_its_reader_leaves(plugins: PluginManager) -> None:
    before = asyncio.all_tasks()
    pid = await plugins.stream("frail.floods").pipe(ops.take(1))
    async with asyncio.timeout(30):
        while psutil.pid_exists(pid) or asyncio.all_tasks() != before:  # noqa: ASYNC110  # a process
            await asyncio.sleep(0.01)


async def test_errors_come_across(plugins: PluginManager) -> None:
    with pytest.raises(WorldError, match="no disk"):
        await plugins.call("frail.raises")
    with pytest.raises(WorldError, match="more than 1048576 bytes"):
        await plugins.call("frail.large")
    with pytest.raises(InvalidParameters, match="n is missing"):
        plugins.stream("frail.count", {"m": 1})
    with pytest.raises(InvalidParameters, match="n: input should be a valid integer") as refused:
        await plugins.call("frail.count", {"n": "many"})
    assert [entry["name"] for entry in refused.value.detail] == ["n"]


def test_it_keeps_the_contract(frail: Isolated) -> None:
    check_plugin(frail, {"count": {"n": 3}})


def test_what_cannot_be_loaded_there_is_said_here(tmp_path: Path) -> None:
    for text, said in [
        ("import nowhere", "No module named 'nowhere'"),
        ("import os\nos._exit(3)", "ended before it said what it is"),
    ]:
        path = tmp_path / "broken.py"
        path.write_text(text)
        with pytest.raises(PluginError, match=said):
            Isolated(path)
    path.write_text(f"{FRAIL}\nclass Other(Plugin): ...\n")
    with pytest.raises(PluginError, match="has 2 plugins: name one"):
        Isolated(path)


async def test_it_is_a_step_of_a_pipeline_like_any_other(plugins: PluginManager) -> None:
    pipeline = rxs.Pipeline("p", streaming=True)
    pipeline.add(rxs.action_step("frail.count", {"n": 3}, plugins=plugins))
    assert (await pipeline.run())["count"] == [0, 1, 2]


async def test_what_its_actions_need_is_asked_of_the_engine_here(plugins: PluginManager) -> None:
    @rxs.graph
    def where() -> Any:
        return plugins.stream("frail.pid")

    async with rxs.Engine() as engine:
        with pytest.raises(InvalidParameters, match="no resource is named 'gpu'"):
            await engine.start(where)
