"""What is rare and must hold anyway: odd ends, odd declarations, a cancellation that meets another."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import AuthorError, ExecutionCancelled
from rxstream.plugins import (
    ActionContext,
    CancellationToken,
    Plugin,
    PluginError,
    PluginManager,
    UnknownAction,
    action,
    discovery,
)
from rxstream.plugins.examples import Data
from rxstream.plugins.performing import ActionSource
from rxstream.plugins.running import Interruption, TellingPort
from rxstream.testing import virtual_time


class Odd(Plugin):
    @action
    def breaks(self) -> Iterator[int]:
        yield from range(3)
        raise OSError("no disk")

    @action(resumable=True)
    async def shorter(self) -> AsyncIterator[int]:
        yield 1

    @action(idempotent=True)
    def once(self) -> int:
        return 1

    @action
    def either(self, what: int | None = None) -> int | str | None:
        return what

    @action
    def bare(self) -> AsyncIterator:  # type: ignore[type-arg]  # that is what is tested
        return iter(())  # type: ignore[return-value]  # as in the declaration

    @action
    def nothing(self) -> None:
        return None

    @action
    def strange(self) -> asyncio.Event:
        return asyncio.Event()

    @action
    def maker(self) -> Callable[[], int]:
        return lambda: 1

    @action
    async def told(self, context: ActionContext) -> str:
        context.progress(None, context.execution_id)
        return context.node_id


class Port:
    """Goes on where it is told."""

    execution_id = node_id = "here"
    wanted = 10

    def __init__(self, start: Any) -> None:
        self.start = start

    def seek_point(self, offset: Any) -> None: ...


@pytest.fixture
def plugins() -> PluginManager:
    made = PluginManager()
    made.load(Odd)
    return made


@virtual_time
async def test_what_came_before_an_error_is_given() -> None:
    made = PluginManager()
    made.load(Odd)
    seen: list[int] = []
    with pytest.raises(OSError, match="no disk"):
        await made.stream("odd.breaks").pipe(ops.do_action(seen.append))
    assert seen == [0, 1, 2]


async def opened(plugins: PluginManager, name: str, start: Any) -> list[Any]:
    origin = ActionSource(plugins.plugins["odd"].action(name), {})
    return [item async for batch in origin.open(Port(start)) for item in batch]  # type: ignore[arg-type]  # as much as it looks at


async def test_a_value_that_was_stored_is_not_computed_again(plugins: PluginManager) -> None:
    assert await opened(plugins, "once", None) == [1]
    assert await opened(plugins, "once", 1) == []


async def test_what_does_not_give_the_same_again_is_no_repetition(plugins: PluginManager) -> None:
    assert await opened(plugins, "shorter", 1) == []
    with pytest.raises(AuthorError, match="gave only 1 elements"):
        await opened(plugins, "shorter", 2)


async def test_progress_without_a_percentage_and_ids_reach_the_action(
    plugins: PluginManager,
) -> None:
    told: list[Any] = []
    assert await plugins.call("odd.told", progress_callback=told.append) == "odd.told_1"
    assert [report.percentage for report in told] == [None]


def test_types_of_every_kind_are_described(plugins: PluginManager) -> None:
    assert [found.name for found in plugins.actions(item="null")] == ["either", "nothing"]
    assert [found.name for found in plugins.actions(parameter="what:integer")] == ["either"]
    for name in ("bare", "strange", "maker"):
        assert plugins.describe(f"odd.{name}").item == {}
    strange = plugins.plugins["odd"].action("strange")
    assert strange.wrong_item(3) is None  # type: ignore[attr-defined]  # it is a declared one
    described = plugins.plugins["odd"].to_dict()
    assert (described["name"], described["legacy"], len(described["actions"])) == ("odd", False, 9)


def test_two_actions_of_one_name_and_names_that_are_none_are_refused() -> None:
    class Twice(Plugin):
        @action
        def act(self) -> None: ...

        @action(name="act")
        def other(self) -> None: ...

    class Spaced(Plugin):
        @action(name="two words")
        def act(self) -> None: ...

    for wrong, said in [(Twice, "two actions named 'act'"), (Spaced, "cannot be the name")]:
        with pytest.raises(PluginError, match=said):
            PluginManager().load(wrong)


def test_a_file_whose_second_plugin_is_refused_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pair.py"
    good = "from rxstream.plugins import Plugin\nclass One(Plugin): ...\n"
    path.write_text(f"{good}class Two(Plugin):\n    operators = {{'map': print}}\n")
    plugins = PluginManager()
    with pytest.raises(PluginError, match="own operators"):
        plugins.load(path)
    assert (list(plugins.plugins), list(plugins.broken)) == ([], ["pair"])
    path.write_text(good)
    plugins.load(path)
    path.write_text(f"{good}class Two(Plugin):\n    operators = {{'map': print}}\n")
    before = plugins.plugins["one"]
    with pytest.raises(PluginError, match="own operators"):
        plugins.reload("one")
    assert plugins.plugins == {"one": before}
    assert "own operators" in plugins.broken["pair"].message


def test_whoever_interrupts_an_import_is_not_a_broken_plugin(tmp_path: Path) -> None:
    path = tmp_path / "slow.py"
    path.write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        PluginManager().load(path)


def test_a_module_that_is_gone_cannot_be_loaded_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "soon_gone.py"
    path.write_text("from rxstream.plugins import Plugin\nclass Soon(Plugin): ...\n")
    plugins = PluginManager()
    plugins.load("soon_gone")
    path.unlink()
    with pytest.raises(PluginError, match="FileNotFoundError"):
        plugins.reload("soon")
    del sys.modules["soon_gone"]
    with pytest.raises(PluginError, match="no module 'soon_gone' can be found"):
        plugins.reload("soon")
    assert "soon" in plugins.plugins


@virtual_time
async def test_a_token_tells_late_and_forgets_early() -> None:
    token = CancellationToken()
    heard: list[str] = []
    token.when_cancelled(lambda: heard.append("forgotten"))()
    token.when_cancelled(lambda: heard.append("heard"))
    token.cancel("first")
    token.cancel("second")
    token.when_cancelled(lambda: heard.append("late"))
    assert heard == ["heard", "late"]
    with pytest.raises(ExecutionCancelled, match="first"):
        token.check()


@virtual_time
async def test_a_task_that_is_cancelled_elsewhere_too_stays_cancelled() -> None:
    token = CancellationToken()

    async def waiting() -> None:
        interruption = Interruption(token)
        interruption.listen()
        with interruption:
            await asyncio.sleep(60)

    task = asyncio.create_task(waiting())
    await asyncio.sleep(1)
    token.cancel()
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


def test_a_token_of_a_loop_that_is_closed_is_cancelled_in_peace() -> None:
    token = CancellationToken()

    async def listening() -> None:
        Interruption(token).listen()

    asyncio.run(listening())
    token.cancel()
    assert token.is_cancelled


@pytest.mark.parametrize("name", ["errno", "_opcode"])
def test_a_module_that_is_not_written_in_python_has_no_plugin(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, importlib.import_module(name))
    with pytest.raises(PluginError, match="has no plugin in it"):
        discovery.in_module(name).load(anew=True)


def test_an_entry_point_may_name_what_lies_deeper() -> None:
    assert discovery.in_module("rxstream.plugins:examples.data").load() == [Data]
    assert discovery.in_module("rxstream.plugins:examples.Data").load() == [Data]


@virtual_time
async def test_what_else_the_node_offers_is_offered_beside_the_callback() -> None:
    port: Any = Port(None)
    told = TellingPort(port, ActionContext(port, CancellationToken()))
    assert told.node_id == "here"


@virtual_time
async def test_an_older_plugin_may_give_any_iterator() -> None:
    class Old:
        def execute_action_stream(self, action_name: str, params: Any) -> Any:
            return iter([1, 2])

    plugins = PluginManager()
    plugins.load(Old)
    assert await plugins.call("old.any") == [1, 2]


@virtual_time
async def test_older_plugins_may_name_their_actions_by_a_method_or_not_at_all() -> None:
    class Old:
        name = "old"

        def actions(self) -> list[str]:
            return ["unknown to us"]

        def execute_action(self, *given: Any) -> Any:
            return list(given)

    plugins = PluginManager()
    plugins.load(Old())
    assert plugins.actions() == []
    assert await plugins.call("old.any", {"a": 1}) == ["any", {"a": 1}]


def test_it_is_offered_by_the_package() -> None:
    assert rxs.PluginManager is PluginManager
    assert (rxs.Plugin, rxs.action) == (Plugin, action)


class Leaving(Plugin):
    @action
    async def now(self) -> int:
        raise SystemExit(3)

    @action
    def later(self) -> Iterator[int]:
        yield 1
        raise SystemExit(3)


@pytest.mark.parametrize("name", ["now", "later"])
@virtual_time
async def test_an_action_that_calls_exit_fails_alone(name: str) -> None:
    plugins = PluginManager()
    plugins.load(Leaving)
    with pytest.raises(RuntimeError, match=r"the action called sys.exit\(3\)"):
        await plugins.call(f"leaving.{name}")


async def told_later(progress: Any) -> None: ...


def test_a_callback_that_would_not_be_awaited_and_a_token_that_is_none_are_refused() -> None:
    plugins = PluginManager()
    plugins.load(Odd)
    with pytest.raises(AuthorError, match="a plain function of one Progress"):
        plugins.stream("odd.once", progress_callback=told_later)
    with pytest.raises(AuthorError, match="cancellation_token is a rxstream"):
        plugins.stream("odd.once", cancellation_token=object())  # type: ignore[arg-type]  # that is wrong


@pytest.mark.parametrize(
    "said", [{"idle_timeout": "3"}, {"total_timeout": 0}, {"buffer_size": "x"}]
)
def test_a_time_or_a_size_that_is_none_is_refused(plugins: PluginManager, said: Any) -> None:
    with pytest.raises(AuthorError, match=r"is a number|must be above 0"):
        plugins.stream("odd.once", **said)


async def test_a_call_takes_what_a_stream_takes(plugins: PluginManager) -> None:
    token = CancellationToken()
    called = plugins.call(
        "odd.once",
        progress_callback=lambda _: None,
        cancellation_token=token,
        idle_timeout=9,
        total_timeout=9,
        buffer_size=1,
    )
    assert await called == await plugins.call("odd.once")


def test_what_is_no_name_of_an_action_is_said(plugins: PluginManager) -> None:
    with pytest.raises(UnknownAction, match="3 names no action"):
        plugins.stream(3)  # type: ignore[arg-type]  # that is wrong
