"""reactivex's own operators inside a graph: fed within bounds, ended once, their errors told."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import reactivex as rx
from reactivex import operators as rxo

import rxstream as rxs
from rxstream import operators as ops
from rxstream.engine.foreign import LATE_CAPACITY
from rxstream.errors import BufferOverflow, NodeError
from rxstream.testing import virtual_time
from tests.engine.parts import outputs, started, told, within


def graph_of(*operators: Any, origin: Any = (1, 2, 3)) -> Any:
    return rxs.graph(lambda: rxs.source(origin).pipe(*operators).named("out"))


@virtual_time
async def test_an_operator_that_cannot_be_subscribed_fails_its_node() -> None:
    def broken(source: rx.Observable[Any]) -> rx.Observable[Any]:
        def subscribe(observer: Any, scheduler: Any = None) -> Any:
            raise ValueError("cannot begin")

        return rx.Observable(subscribe)

    with pytest.raises((NodeError, ValueError), match="cannot begin"):
        await within(10, graph_of(broken).run())


@virtual_time
async def test_more_at_one_blow_than_can_wait_is_refused() -> None:
    many = rxo.flat_map(lambda _: rx.from_iterable(range(LATE_CAPACITY + 10)))
    with pytest.raises(BufferOverflow, match="at one blow"):
        await within(100, graph_of(many).run())


@virtual_time
async def test_an_error_of_the_input_keeps_its_node() -> None:
    def breaks(n: int) -> int:
        raise ValueError("upstream")

    execution = await started(graph_of(ops.map(breaks), rxo.pairwise()))
    with pytest.raises(NodeError, match=r"'map_1'.*upstream"):
        await execution.result()
    assert [kind for kind in await told(execution) if kind.startswith("step_error")] == [
        "step_error:map_1"
    ]


@virtual_time
async def test_an_error_inside_names_the_operator() -> None:
    with pytest.raises(NodeError, match=r"'out'.*ZeroDivisionError"):
        await graph_of(rxo.map(lambda n: n // 0)).run()


@virtual_time
async def test_named_nodes_inside_end_with_it_also_when_nobody_wants_more() -> None:
    @rxs.graph
    def windows() -> Any:
        parts = rxs.source(range(9)).pipe(ops.window_with_count(2)).named("parts")
        return parts.pipe(ops.flat_map(lambda part: part), ops.take(3)).named("out")

    execution = await started(windows)
    seen = await told(execution)
    assert seen.count("step_start:parts") == seen.count("step_complete:parts") == 1
    assert await outputs(execution) == [0, 1, 2]


@virtual_time
async def test_a_subscription_that_comes_again_is_fed_again() -> None:
    # repeat subscribes its source anew: what our side has given is gone, the end is told at once
    execution = await started(graph_of(rxo.repeat(3)))
    assert await within(10, outputs(execution)) == [1, 2, 3]


@virtual_time
async def test_a_second_input_that_is_left_does_not_hold_back_its_sisters() -> None:
    @rxs.graph
    def g() -> Any:
        shared = rxs.source(range(500))
        until = rxs.interval(1).pipe(ops.sample(shared.pipe(ops.take(1))))
        return {"count": shared.pipe(ops.count()), "until": until.pipe(ops.take(1))}

    assert (await within(100, g.run()))["count"] == 500


async def test_an_operator_that_emits_on_another_thread_is_heard_on_ours() -> None:
    threads: list[threading.Thread] = []
    seen_on: set[int] = set()

    def elsewhere(source: rx.Observable[Any]) -> rx.Observable[Any]:
        def subscribe(observer: Any, scheduler: Any = None) -> Any:
            def on_end() -> None:
                def emit() -> None:
                    for n in range(100):
                        observer.on_next(n)
                    observer.on_completed()

                threads.append(threading.Thread(target=emit))
                threads[0].start()

            return source.subscribe(lambda _: None, observer.on_error, on_end, scheduler=scheduler)

        return rx.Observable(subscribe)

    watch: Callable[[Any], None] = lambda _: seen_on.add(threading.get_ident())  # noqa: E731
    execution = await started(graph_of(elsewhere, ops.do_action(watch)))
    assert await within(20, outputs(execution)) == list(range(100))
    await asyncio.to_thread(threads[0].join)
    assert seen_on == {threading.get_ident()}
