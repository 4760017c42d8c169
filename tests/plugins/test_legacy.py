"""Plugins that were written for the one method are loaded, streamed and called as they are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from rxstream import operators as ops
from rxstream.errors import ExecutionCancelled
from rxstream.plugins import CancellationToken, Plugin, PluginManager, UnknownAction
from rxstream.testing import virtual_time


@dataclass
class Update:
    percentage: float
    message: str
    status: str


class OldOnce:
    """Gives one value."""

    async def execute_action(self, action_name: str, params: dict[str, Any]) -> Any:
        return f"{action_name} {sorted(params.items())}"


class OldStream:
    version = "3"
    returns = "last"

    async def execute_action_stream(
        self,
        action_name: str,
        params: Any = None,
        progress_callback: Any = None,
        cancellation_token: Any = None,
    ) -> AsyncIterator[Any]:
        total = params.get("count", 3)
        for number in range(total):
            if cancellation_token and cancellation_token.is_cancelled:
                break
            await asyncio.sleep(0.5)
            if progress_callback:
                progress_callback(
                    Update((number + 1) / total * 100, f"item {number + 1}", "running")
                )
            yield {"action": action_name, "item": number}


class OldBoth(OldStream):
    actions = ("grow", "weigh")

    async def execute_action(self, action_name: str, params: dict[str, Any]) -> Any:
        return f"{action_name} once"

    def execute_action_stream(self, action_name: str, *rest: Any, **more: Any) -> Any:
        if action_name != "grow":
            raise NotImplementedError
        return iter("abc")


class Base:
    """What older plugins derive from: each has one of the two."""

    returns = "collect"

    async def execute_action(self, action_name: str, params: Any = None) -> Any:
        raise NotImplementedError

    def execute_action_stream(self, action_name: str, params: Any = None, **more: Any) -> Any:
        raise NotImplementedError


class Streams(Base):
    async def execute_action_stream(
        self, action_name: str, params: Any = None, **more: Any
    ) -> AsyncIterator[Any]:
        for number in range(params["count"]):
            yield number


class StreamsToLast(Streams):
    returns = "last"


class GivesOnce(Base):
    async def execute_action(self, action_name: str, params: Any = None) -> Any:
        return params


def loaded(*given: Any) -> PluginManager:
    plugins = PluginManager()
    for plugin in given:
        plugins.load(plugin)
    return plugins


async def elements(stream: Any) -> list[Any]:
    return [item async for item in stream]


async def test_what_a_base_class_only_refuses_is_as_if_it_were_not_there() -> None:
    plugins = loaded(Streams, StreamsToLast, GivesOnce)
    assert await plugins.call("streams.x", {"count": 3}) == [0, 1, 2]
    assert await plugins.call("streamstolast.x", {"count": 3}) == 2
    assert await plugins.call("streamstolast.x", {"count": 0}) is None
    assert await plugins.call("givesonce.x", {"n": 1}) == {"n": 1}
    assert await elements(plugins.stream("streams.x", {"count": 2})) == [0, 1]
    assert await elements(plugins.stream("givesonce.x", {"n": 1})) == [{"n": 1}]
    with pytest.raises(NotImplementedError):
        await loaded(Base).call("base.x")


@virtual_time
async def test_a_one_shot_plugin_streams_as_one_element() -> None:
    plugins = loaded(OldOnce)
    assert await elements(plugins.stream("oldonce.add", {"a": 1})) == ["add [('a', 1)]"]
    assert await plugins.call("oldonce.add", {"a": 1}) == "add [('a', 1)]"


@virtual_time
async def test_a_streaming_one_streams_with_progress_and_gives_its_last_when_called() -> None:
    told: list[Any] = []
    plugins = loaded(OldStream)
    grown = plugins.stream("oldstream.grow", {"count": 2}, progress_callback=told.append)
    assert [found["item"] for found in await elements(grown)] == [0, 1]
    assert [(p.percentage, p.message) for p in told] == [(50.0, "item 1"), (100.0, "item 2")]
    assert await plugins.call("oldstream.grow") == {"action": "grow", "item": 2}


@virtual_time
async def test_a_token_ends_it() -> None:
    token = CancellationToken()
    asyncio.get_running_loop().call_later(1.2, token.cancel)
    with pytest.raises(ExecutionCancelled):
        await loaded(OldStream).call("oldstream.grow", {"count": 9}, cancellation_token=token)


@virtual_time
async def test_one_that_can_do_both_streams_what_it_streams_and_is_called_as_ever() -> None:
    plugins = loaded(OldBoth)
    assert await elements(plugins.stream("oldboth.grow")) == ["a", "b", "c"]
    assert await elements(plugins.stream("oldboth.weigh")) == ["weigh once"]
    assert await plugins.call("oldboth.grow") == "grow once"
    assert [found.name for found in plugins.actions()] == ["grow", "weigh"]
    with pytest.raises(UnknownAction, match="there are grow, weigh"):
        plugins.stream("oldboth.fly")


async def test_a_plain_method_blocks_a_thread_and_not_the_loop() -> None:
    class Blocking:
        def execute_action(self, action_name: str, **params: Any) -> str:
            assert threading.current_thread() is not threading.main_thread()
            return f"{action_name} {params}"

    assert await loaded(Blocking).call("blocking.wait", {"n": 1}) == "wait {'n': 1}"


@virtual_time
async def test_every_way_of_reporting_and_of_taking_parameters_is_understood() -> None:
    class Odd:
        def execute_action_stream(
            self, action_name: str, *, params: Any, progress_callback: Any
        ) -> Iterator[Any]:
            progress_callback({"percentage": 10, "message": "as a dict"})
            progress_callback(20, "as values", "busy")
            yield params

    told: list[Any] = []
    plugins = loaded(Odd)
    assert await plugins.call("odd.any", {"x": 1}, progress_callback=told.append) == [{"x": 1}]
    assert [(p.message, p.status) for p in told] == [
        ("as a dict", "running"),
        ("as values", "busy"),
    ]


@virtual_time
async def test_an_error_after_the_first_element_is_no_sign_of_another_way() -> None:
    class Half:
        async def execute_action(self, action_name: str, params: Any) -> str:
            return "never asked"

        async def execute_action_stream(self, action_name: str, params: Any) -> AsyncIterator[int]:
            yield 1
            raise NotImplementedError("the rest")

    with pytest.raises(NotImplementedError, match="the rest"):
        await elements(loaded(Half).stream("half.do"))


@virtual_time
async def test_a_coroutine_may_give_the_iterator() -> None:
    class Promised:
        async def execute_action(self, action_name: str, params: Any) -> str:
            return "never asked"

        async def execute_action_stream(self, action_name: str, params: Any) -> Any:
            return iter([1, 2])

    assert await elements(loaded(Promised).stream("promised.do")) == [1, 2]


@virtual_time
async def test_a_plain_generator_is_closed_when_its_reader_leaves() -> None:
    closed: list[str] = []

    class Plain:
        def execute_action(self, action_name: str, params: Any) -> str:
            return "never asked"

        def execute_action_stream(self, action_name: str, params: Any) -> Iterator[int]:
            try:
                yield from range(3)
            finally:
                closed.append(action_name)

    counted = loaded(Plain).stream("plain.count")
    assert await elements(counted) == [0, 1, 2]
    assert await elements(counted.pipe(ops.take(1))) == [0]
    assert closed == ["count", "count"]


@virtual_time
async def test_one_that_was_moved_to_our_base_class_is_one_too() -> None:
    class Moved(Plugin):
        def execute_action(self, action_name: str, params: Any) -> str:
            return f"{action_name} done"

    assert await elements(loaded(Moved).stream("moved.anything")) == ["anything done"]
