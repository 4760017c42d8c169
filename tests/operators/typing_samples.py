"""What type checkers must make of chains; read by `test_typing`, never run.

Chains of methods are exact in mypy and pyright. `pipe` is exact in pyright; mypy cannot infer a lambda within
it and says Any, so what is asserted of `pipe` is for pyright.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, assert_type

from reactivex import GroupedObservable, Observable
from reactivex.notification import Notification

import rxstream
from rxstream import operators as ops
from rxstream.operators.panes import Window
from rxstream.stream import Stream


async def fetch(number: int) -> bytes:
    """An asynchronous function."""
    return bytes(number)


async def each(number: int) -> AsyncIterator[bytes]:
    """An asynchronous generator function."""
    yield bytes(number)


def methods(numbers: Stream[int], words: Stream[str]) -> None:
    """Chains of methods."""
    assert_type(numbers.map(lambda x: str(x)), Stream[str])
    assert_type(numbers.filter(lambda x: x > 1), Stream[int])
    assert_type(words.map(len).scan(lambda total, n: total + n), Stream[int])
    assert_type(words.scan(lambda total, word: total + len(word), 0), Stream[int])
    assert_type(words.reduce(lambda total, word: total + len(word), 0), Stream[int])
    assert_type(numbers.pairwise(), Stream[tuple[int, int]])
    assert_type(numbers.buffer_with_count(3), Stream[list[int]])
    assert_type(numbers.buffer_with_time(1.0).map(len), Stream[int])
    assert_type(numbers.take(3).skip(1).distinct().count(), Stream[int])
    assert_type(numbers.materialize(), Stream[Notification[int]])
    assert_type(numbers.materialize().dematerialize(), Stream[int])
    assert_type(numbers.map_async(fetch, concurrency=4), Stream[bytes])
    assert_type(numbers.start_with("a"), Stream[int | str])
    assert_type(numbers.default_if_empty(), Stream[int | None])
    assert_type(numbers.flat_map(lambda x: rxstream.of(str(x))), Stream[str])
    assert_type(numbers.flat_map(fetch), Stream[bytes])
    assert_type(numbers.concat_map(lambda x: [str(x)]), Stream[str])
    assert_type(numbers.switch_map(each), Stream[bytes])
    assert_type(numbers.merge_map(lambda x: rxstream.of(str(x))), Stream[str])
    assert_type(numbers.merge_map(fetch, max_concurrent=3), Stream[bytes])
    assert_type(numbers.merge_map(each), Stream[bytes])
    assert_type(numbers.map_thread(str).map_process(len, concurrency=2), Stream[int])
    assert_type(numbers.spill(), Stream[int])
    assert_type(words.group_by(len), Stream[GroupedObservable[int, str]])
    assert_type(words.to_dict(len), Stream[dict[int, str]])
    assert_type(words.partition(str.isdigit), list[Stream[str]])
    assert_type(numbers + words, Stream[int | str])
    assert_type(numbers[1:3], Stream[int])
    assert_type(numbers.drop_oldest(3).latest().block(), Stream[int])
    assert_type(numbers.catch(rxstream.of("x")), Stream[int | str])
    assert_type(numbers.all(lambda x: x > 0), Stream[bool])
    assert_type(words.scan_by(len, lambda n, word: n + len(word), 0), Stream[tuple[int, int]])
    assert_type(words.reduce_by(len, lambda a, b: a + b), Stream[tuple[int, str]])
    assert_type(words.count_by(str.lower), Stream[tuple[str, int]])
    assert_type(words.keyed(len, lambda s: s.map(str.encode)), Stream[tuple[int, bytes]])
    assert_type(words.join_by(numbers, len, abs, 1.0), Stream[tuple[str, int]])
    assert_type(words.enrich(numbers, len, abs), Stream[tuple[str, int | None]])
    assert_type(words.window_by_time(1.0), Stream[Window[tuple[str, ...]]])
    assert_type(
        words.window_by_time(gap=1.0, reduce=lambda n, word: n + len(word), init=0),
        Stream[Window[int]],
    )
    assert_type(words.window_by_event_time(len, 60, reduce=max), Stream[Window[str]])
    windows, late = words.window_by_event_time(len, 60, with_late=True)
    assert_type(windows, Stream[Window[tuple[str, ...]]])
    assert_type(late, Stream[str])
    assert_type(rxstream.of((1, "a")).starmap(lambda n, text: text * n), Stream[str])
    assert_type(rxstream.of({"a": 1}).pluck("a"), Stream[int])


def operators() -> None:
    """Operators by themselves."""
    plain: Observable[int] = Observable()
    assert_type(ops.map(str)(plain), Stream[str])
    assert_type(ops.take(3)(plain), Stream[int])
    assert_type(ops.buffer_with_count(3)(plain), Stream[list[int]])
    assert_type(ops.map_async(fetch)(plain), Stream[bytes])


def creation() -> None:
    """Functions that create."""
    assert_type(rxstream.of(1, 2), Stream[int])
    assert_type(rxstream.interval(1.0), Stream[int])
    assert_type(rxstream.from_iterable(["a"]), Stream[str])
    assert_type(rxstream.concat(rxstream.of(1), rxstream.of(2)), Stream[int])
    assert_type(rxstream.for_in([1], lambda x: rxstream.of(str(x))), Stream[str])
    assert_type(rxstream.zip(rxstream.of(1), rxstream.of("a")), Stream[tuple[Any, ...]])
