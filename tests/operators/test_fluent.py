"""Operators as methods: every chain stays a chain of Streams."""

from __future__ import annotations

import inspect
import subprocess
import sys

from reactivex import Observer

import rxstream
from rxstream.operators import _fluent
from rxstream.stream import Stream
from tests.operators.parts import nexts, told
from tests.shipped import ROOT


def test_a_chain_of_methods_is_a_chain_of_streams() -> None:
    stream = rxstream.range(10).filter(lambda x: x % 2 == 0).map(str).buffer_with_count(2)
    assert isinstance(stream, Stream)
    assert told(stream) == nexts(["0", "2"], ["4", "6"], ["8"])


def test_streams_can_be_added() -> None:
    total = rxstream.of(1) + rxstream.of(2)
    total += rxstream.of(3)
    assert isinstance(total, Stream)
    assert told(total) == nexts(1, 2, 3)


def test_streams_can_be_sliced_as_lists_can() -> None:
    numbers = list(range(8))
    for start in (None, -9, -3, -1, 0, 2, 9):
        for stop in (None, -9, -2, 0, 3, 9):
            for step in (None, 1, 3):
                found = told(rxstream.from_iterable(numbers)[start:stop:step])
                assert found == nexts(*numbers[start:stop:step]), (start, stop, step)
    for index in (0, 3, -1, -3):
        assert told(rxstream.from_iterable(numbers)[index]) == nexts(numbers[index])
    assert told(rxstream.from_iterable(numbers)[20]) == nexts()


def test_an_observer_or_functions_may_be_told() -> None:
    seen: list[object] = []
    observer: Observer[int] = Observer(seen.append, seen.append, lambda: seen.append("end"))
    assert told(rxstream.of(1).do(observer)) == nexts(1)
    assert told(rxstream.of(2).do(seen.append, None, lambda: seen.append("over"))) == nexts(2)
    told(rxstream.throw("no").do(on_error=lambda error: seen.append(str(error))))
    assert seen == [1, "end", 2, "over", "no"]


def test_a_method_shows_its_signature_and_text() -> None:
    assert list(inspect.signature(Stream.take).parameters) == ["self", "count"]
    assert "first `count` elements" in (inspect.getdoc(Stream.take) or "")


def test_installing_twice_changes_nothing() -> None:
    before = {name for name in dir(Stream) if not name.startswith("_")}
    _fluent.install()
    assert {name for name in dir(Stream) if not name.startswith("_")} == before


def test_the_last_element_can_be_had_as_a_future() -> None:
    import asyncio

    async def main() -> int:
        return await rxstream.of(1, 2).to_future()

    assert asyncio.run(main()) == 2


def test_the_types_of_the_methods_are_those_of_the_operators() -> None:
    script = ROOT / "scripts" / "generate_fluent.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
