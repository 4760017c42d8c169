"""Whether a stream ends is known as far as its sources and operators say, and no further."""

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import reactivex as rx
from reactivex import operators as rxo
from reactivex.subject import Subject

import rxstream as rxs
from rxstream import operators as ops
from rxstream.adapters import sources
from rxstream.graph import make_plan
from rxstream.graph.endless import endless
from rxstream.testing import TestingSource, marbles
from tests.ids import stable


def of(stream: rxs.Stream[Any]) -> bool | None:
    plan = make_plan("g", {"output": stream})
    return endless(plan)[plan.outputs["output"]]


def generator() -> Iterator[int]:
    yield 1


async def once() -> int:
    return 1


async def asynchronous() -> AsyncIterator[int]:
    yield 1


def clock() -> rxs.Stream[int]:
    return rxs.interval(1.0)


def few() -> rxs.Stream[int]:
    return rxs.of(1, 2)


def some() -> rxs.Stream[int]:
    return rxs.source(generator)


@pytest.mark.parametrize(
    ("stream", "known"),
    [
        (rxs.of(1), False),
        (rxs.range(3), False),
        (rxs.range(0, None, 2), True),
        (rxs.source([1]), False),
        (rxs.source(once), False),
        (rxs.empty(), False),
        (rxs.timer(1.0), False),
        (rxs.timer(1.0, 1.0), True),
        (rxs.interval(1.0), True),
        (rxs.repeat_value(1), True),
        (rxs.repeat_value(1, -1), True),
        (rxs.repeat_value(1, 3), False),
        (rxs.source(itertools.count()), True),
        (rxs.source(itertools.cycle([1])), True),
        (rxs.source(generator), None),
        (rxs.source(asynchronous), None),
        (rxs.source(rx.interval(1.0)), True),
        (rxs.source(rx.timer(1.0, 1.0)), True),
        (rxs.source(rx.just(1)), False),
        (rxs.source(rx.of(1)), None),
        (rxs.source(Subject()), None),
        (rxs.source(TestingSource([1])), False),
        (marbles.source("-a|"), False),
        (marbles.source("-a"), True),
        (sources.lines("x"), False),
        (sources.read_bytes("x"), False),
        (sources.tail("x"), True),
        (sources.interval(1.0), True),
        (sources.websocket("ws://127.0.0.1/"), True),
        (sources.callback(lambda emitter: None), True),
        (sources.subprocess("true"), None),
    ],
    ids=lambda value: getattr(getattr(value, "spec", None), "name", None),
)
def test_sources(stream: rxs.Stream[Any], known: bool | None) -> None:
    assert of(stream) is known


@pytest.mark.parametrize(
    ("operator", "after"),
    [
        (ops.map(str), (True, False, None)),
        (ops.map_async(lambda x: once()), (True, False, None)),
        (ops.block(3), (True, False, None)),
        (ops.scan(max), (True, False, None)),
        (ops.take(3), (False, False, False)),
        (ops.first(), (False, False, False)),
        (ops.to_list(), (False, False, False)),
        (ops.take_while(bool), (None, False, None)),
        (ops.take_until(rxs.interval(9.0)), (None, None, None)),
        (ops.repeat(), (True, True, True)),
        (ops.repeat(2), (None, None, None)),
        (ops.flat_map(rx.of), (True, None, None)),
        (rxo.map(str), (True, False, None)),
        (rxo.take(2), (False, False, False)),
        (rxo.merge(rx.of(1)), (True, None, None)),
        (rxo.zip(rx.of(1)), (None, False, None)),
        (lambda source: rx.merge(source, rx.of(1)), (None, None, None)),
    ],
    ids=stable,
)
def test_operators(operator: Any, after: tuple[bool | None, ...]) -> None:
    found = []
    for stream in (clock(), few(), some()):
        plan = make_plan("g", {"output": stream.pipe(operator)}, single=True)
        found.append(endless(plan)[plan.outputs["output"]])
    assert tuple(found) == after


@pytest.mark.parametrize(
    ("stream", "known"),
    [
        (rxs.zip(clock(), few()), False),
        (rxs.zip(clock(), clock()), True),
        (rxs.zip(clock(), some()), None),
        (rxs.merge(clock(), few()), True),
        (rxs.merge(few(), few()), False),
        (rxs.merge(few(), some()), None),
        (rxs.combine_latest(clock(), some()), True),
        (rxs.with_latest_from(few(), clock()), False),
        (rxs.concat(few(), clock()), True),
        (rxs.amb(clock(), few()), None),
    ],
    ids=stable,
)
def test_several_inputs(stream: rxs.Stream[Any], known: bool | None) -> None:
    assert of(stream) is known
