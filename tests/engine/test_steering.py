"""What is sent into a running execution reaches the node that takes it, recorded before it takes effect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import rxstream as rxs
from rxstream.engine.steering import NobodyListens, Steering
from rxstream.engine.unit import Unit
from rxstream.errors import AlreadyEnded, BadRequest, CodecError, TooLarge
from rxstream.operator import OperatorSpec
from rxstream.testing import virtual_time


class Echo(Unit):
    """Gives on what is sent to it, until that is `end`."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def start(self) -> None:
        if self.runtime.steering is not None:
            self.runtime.steering.listen(self)

    def accept(self, value: Any) -> Callable[[], None]:
        if value == "bad":
            raise BadRequest("not that")
        self.touch()

        def recorded() -> None:
            self.kept.append(value)
            self.ready()

        return recorded

    def step(self) -> bool:
        if self.kept:
            self.emit([self.kept.pop(0)])
            return True
        return False

    def external(self) -> bool:
        return True

    def dispose(self) -> None:
        assert self.runtime.steering is not None
        self.runtime.steering.leave(self)


def echo(name: str) -> rxs.Stream[Any]:
    spec = OperatorSpec("echo", "source", make=Echo, resumable=True)
    return rxs.Stream(spec).named(name)


@rxs.graph
def one() -> rxs.Stream[Any]:
    return echo("a").take(2)


@rxs.graph
def two() -> dict[str, rxs.Stream[Any]]:
    return {"first": echo("a"), "second": echo("b").take(1)}


@rxs.graph
def deaf() -> rxs.Stream[int]:
    return rxs.never()


@virtual_time
async def test_what_is_sent_is_a_fact_before_it_takes_effect() -> None:
    async with rxs.Engine() as engine:
        execution = await engine.start(one)
        await execution.send({"n": 1}, by="me")
        with pytest.raises(BadRequest, match="not that"):
            await execution.send("bad")
        with pytest.raises(CodecError):
            await execution.send(object())
        await execution.send(2)
        events = [event async for event in execution.events()]
        with pytest.raises(AlreadyEnded):
            await execution.send(3)
    told = [(e.event_type, e.step_id, e.data) for e in events if e.step_id == "a"]
    assert [each for each in told if each[0] == "input_received"] == [
        ("input_received", "a", {"request_id": None, "value": {"n": 1}, "by": "me"}),
        ("input_received", "a", {"request_id": None, "value": 2, "by": None}),
    ]
    shown = [e.event_type for e in events if e.event_type in ("input_received", "step_output")]
    assert shown[0] == "input_received"


@virtual_time
async def test_of_several_nodes_one_is_named_and_one_that_has_ended_takes_nothing() -> None:
    async with rxs.Engine() as engine:
        execution = await engine.start(two)
        with pytest.raises(BadRequest, match="say which with `to`: "):
            await execution.send(1)
        with pytest.raises(NobodyListens, match="node 'c' takes nothing that is sent"):
            await execution.send(1, to="c")
        await execution.send(1, to="b")
        await asyncio.sleep(1)
        with pytest.raises(NobodyListens, match="node 'b' takes nothing"):
            await execution.send(2, to="b")
        await execution.send(2)
        execution.cancel()


@virtual_time
async def test_where_nobody_takes_anything_that_is_said() -> None:
    async with rxs.Engine(max_running=1) as engine:
        execution = await engine.start(deaf)
        with pytest.raises(NobodyListens, match="nothing in this execution takes what is sent"):
            await execution.send(1)
        queued = await engine.start(one)
        with pytest.raises(NobodyListens, match="the execution is queued"):
            await queued.send(1)
        queued.cancel()
        execution.cancel()


@virtual_time
async def test_an_execution_that_ends_before_it_begins_refuses_what_is_sent() -> None:
    async with rxs.Engine() as engine:
        execution = await engine.start(one)
        execution.cancel()
        with pytest.raises(AlreadyEnded):
            await execution.send(1)
    steering = Steering(execution.recorder)
    waits = asyncio.create_task(steering.send(1, None, None))
    await asyncio.sleep(0)
    steering.close()
    with pytest.raises(AlreadyEnded, match="the execution is ending"):
        await waits


@virtual_time
async def test_what_was_sent_takes_effect_also_when_whoever_sent_it_has_left() -> None:
    async with rxs.Engine() as engine:
        execution = await engine.start(one)
        for value in (1, 2):
            sending = asyncio.create_task(execution.send(value))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            sending.cancel()
        assert await execution.result() == 2


@virtual_time
async def test_an_answer_reaches_who_asked_also_when_whoever_gave_it_has_left() -> None:
    async def asks(item: int) -> int:
        return item if await rxs.ask(bool, "really?") else 0

    @rxs.graph
    def asking() -> rxs.Stream[int]:
        return rxs.of(3).map_async(asks)

    async with rxs.Engine() as engine:
        execution = await engine.start(asking)
        await asyncio.sleep(1)
        answering = asyncio.create_task(execution.answer(execution.questions[0].request_id, True))
        await asyncio.sleep(0)
        answering.cancel()
        assert await execution.result() == 3


@virtual_time
async def test_what_does_not_fit_into_an_event_is_refused() -> None:
    async with rxs.Engine() as engine:
        execution = await engine.start(one)
        with pytest.raises(TooLarge, match="at most 524288 are"):
            await execution.send("x" * 600_000)
        execution.cancel()
