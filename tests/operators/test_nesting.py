"""Operators of Observables within streams: reactivex's, on the engine's clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.subject import ReplaySubject, Subject

import rxstream
from rxstream.stream import Stream
from tests.operators.parts import at, heard, in_virtual_time, items, nexts, ops, told, virtually

Chain = Callable[[Any, Any], list[Any]]


def lists(o: Any) -> Any:
    """Inner Observables as lists."""
    return o.flat_map(lambda inner: inner.pipe(rx.to_list()))


CHAINS: dict[str, Chain] = {
    "group_by": lambda o, c: [
        o.group_by(lambda x: x % 2, lambda x: x * 10),
        o.flat_map(lambda group: group.pipe(o.map(lambda x: (group.key, x)))),
    ],
    "group_by_until": lambda o, c: [
        o.group_by_until(lambda x: x % 2, None, lambda group: c.timer(3.5)),
        lists(o),
    ],
    "native between": lambda o, c: [
        o.window_with_count(2),
        o.map(lambda window: window.pipe(o.to_list())),
        o.take(2),
        o.merge_all(),
    ],
    "concat_all": lambda o, c: [o.map(lambda x: c.of(x, x)), o.concat_all()],
    "switch_latest": lambda o, c: [
        o.map(lambda x: c.timer(0.0, 0.75).pipe(rx.take(3))),
        o.switch_latest(),
    ],
    "exclusive": lambda o, c: [
        o.map(lambda x: c.timer(0.25, 0.75).pipe(rx.take(3))),
        o.exclusive(),
    ],
    "flat_map_latest": lambda o, c: [
        o.flat_map_latest(lambda x: c.timer(0.25, 0.75).pipe(rx.take(3)))
    ],
    "switch_map": lambda o, c: [o.switch_map(lambda x: c.timer(0.25, 0.75).pipe(rx.take(3)))],
    "switch_map_indexed": lambda o, c: [o.switch_map_indexed(lambda x, i: c.of(x, i))],
    "concat_map": lambda o, c: [o.concat_map(lambda x: c.timer(0.25, 0.75).pipe(rx.take(3)))],
    "flat_map": lambda o, c: [o.flat_map(lambda x: [x, x])],
    "flat_map_indexed": lambda o, c: [o.flat_map_indexed(lambda x, i: c.of(x, i))],
    "expand": lambda o, c: [o.expand(lambda x: c.of(x * 2) if x < 20 else c.empty()), o.take(9)],
    "merge of three": lambda o, c: [
        o.map(lambda x: c.timer(0.25, 0.75).pipe(rx.take(3))),
        o.merge(max_concurrent=1),
    ],
    "window": lambda o, c: [o.window(c.interval(2.5)), lists(o)],
    "window_when": lambda o, c: [o.window_when(lambda: c.timer(2.5)), lists(o)],
    "window_toggle": lambda o, c: [
        o.window_toggle(c.interval(2.5).pipe(rx.take(3)), lambda _: c.timer(1.2)),
        lists(o),
    ],
    "window_with_time": lambda o, c: [o.window_with_time(2.3), lists(o)],
    "window_with_time_or_count": lambda o, c: [o.window_with_time_or_count(2.3, 2), lists(o)],
    "buffer": lambda o, c: [o.buffer(c.interval(2.5))],
    "buffer_when": lambda o, c: [o.buffer_when(lambda: c.timer(2.5))],
    "buffer_toggle": lambda o, c: [
        o.buffer_toggle(c.interval(2.5).pipe(rx.take(3)), lambda _: c.timer(1.2))
    ],
    "join": lambda o, c: [
        o.join(c.timer(0.5, 2.0).pipe(rx.take(4)), lambda _: c.timer(1.1), lambda _: c.timer(1.1)),
    ],
    "group_join": lambda o, c: [
        o.group_join(
            c.timer(0.5, 2.0).pipe(rx.take(4)), lambda _: c.timer(1.1), lambda _: c.timer(1.1)
        ),
        o.flat_map(lambda pair: pair[1].pipe(o.map(lambda x: (pair[0], x)))),
    ],
    "publish": lambda o, c: [o.publish(lambda shared: shared.pipe(o.zip(shared)))],
    "publish_value": lambda o, c: [o.publish_value(0, lambda shared: shared.pipe(o.pairwise()))],
    "replay": lambda o, c: [o.replay(1, mapper=lambda shared: shared.pipe(o.concat(shared)))],
    "multicast": lambda o, c: [
        o.multicast(subject_factory=lambda _: ReplaySubject(), mapper=lambda s: s.pipe(o.concat(s)))
    ],
    "to_marbles": lambda o, c: [o.to_marbles(0.5)],
}


def beats() -> Stream[Any]:
    return at((1, 1), (2, 2), (3, 3), (7, 4), (7.1, 5))


@pytest.mark.parametrize("name", CHAINS)
def test_it_is_as_in_reactivex(name: str) -> None:
    chain = CHAINS[name]
    mine = in_virtual_time(lambda: beats().pipe(*chain(ops, reactivex)))
    theirs = in_virtual_time(lambda: beats().pipe(reactivex.compose(*chain(rx, reactivex))))
    assert mine == theirs
    assert mine[-1] == ("end",)
    assert len(mine) > 1


def test_an_inner_stream_may_be_ours() -> None:
    async def main() -> Any:
        return await items(rxstream.of(1, 2).flat_map(lambda x: rxstream.of(x, x * 10)))

    assert sorted(virtually(main())) == [1, 2, 10, 20]


def test_depth_is_known_to_the_graph() -> None:
    opened = rxstream.of(1).group_by(lambda x: x)
    assert opened.depth == 1
    assert opened.map(lambda group: group).depth == 1
    assert opened.merge_all().depth == 0


def test_a_shared_node_runs_once() -> None:
    begun: list[int] = []

    def each() -> Any:
        begun.append(1)
        yield from (1, 2)

    for share in (ops.share(), ops.publish(), ops.replay(3), ops.ref_count()):
        begun.clear()
        shared = rxstream.source(each).pipe(share)
        assert told(rxstream.zip(shared, shared.map(str))) == nexts((1, "1"), (2, "2"))
        assert begun == [1]


def test_a_first_value_may_be_published() -> None:
    assert told(rxstream.of(1).publish_value(0)) == nexts(0, 1)


def test_a_subject_is_told_too() -> None:
    heard_by_subject: list[int] = []
    subject: Subject[int] = Subject()
    subject.subscribe(heard_by_subject.append)
    assert told(rxstream.of(1, 2).multicast(subject)) == nexts(1, 2)
    assert heard_by_subject == [1, 2]
    with pytest.raises(ValueError, match="Subject"):
        ops.multicast()  # type: ignore[call-overload]  # on purpose


def test_a_factory_without_a_mapper_passes_elements_on() -> None:
    operator: Any = ops.multicast(subject_factory=lambda _: Subject[int]())
    assert virtually(heard(rxstream.of(1).pipe(operator))) == nexts(1)


def test_two_halves_ask_once_for_each_element() -> None:
    asked: list[int] = []

    def even(item: int) -> bool:
        asked.append(item)
        return item % 2 == 0

    halves = rxstream.range(5).partition(even)
    assert all(half.optional for half in halves)
    even_ones, odd_ones = halves
    assert told(even_ones) == nexts(0, 2, 4)
    asked.clear()
    assert sorted(x for _, x in told(even_ones.merge(odd_ones))[:-1]) == [0, 1, 2, 3, 4]
    assert asked == [0, 1, 2, 3, 4]


def test_halves_by_index() -> None:
    first, second = rxstream.of("a", "b", "c").partition_indexed(lambda _, index: index == 1)
    assert (told(first), told(second)) == (nexts("b"), nexts("a", "c"))


def test_what_an_inner_one_has_begun_goes_before_the_error_of_the_outer() -> None:
    stream = rxstream.of(5).concat(rxstream.throw(ValueError("no")))
    found = virtually(heard(stream.pipe(ops.flat_map(lambda n: [n, n * 10]))))
    assert found[:2] == nexts(5, 50)[:2]
    assert found[-1][0] == "error"
