"""Elements a function fails for: left out, or kept as dead letters."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import rxstream
from rxstream.errors import (
    AuthorError,
    NodeError,
    RxStreamError,
)
from rxstream.stream import Stream
from rxstream.testing import run
from tests.operators.bench import resumed
from tests.operators.parts import Bad, nexts, ops, told, virtually
from tests.operators.test_timing import timeline


def test_malformed_elements_are_left_out_and_counted() -> None:
    @rxstream.graph
    def parsed() -> Any:
        return rxstream.of("1", "{", "2", "]").map_or_skip(json.loads).named("parsed").to_list()

    async def main() -> Any:
        async with rxstream.Engine() as engine:
            execution = await engine.start(parsed)
            found = await execution.result()
            node = next(n for n in execution.statistics().nodes if n.node == "parsed")
            return found, node.elements_in, node.elements_out, node.errors

    assert run(main()) == ([1, 2], 4, 2, 2)


def test_an_error_of_another_kind_comes_after_what_was_before_it() -> None:
    def halved(number: int) -> int:
        if number > 2:
            raise Bad("a bug")
        return number // 2

    assert told(rxstream.of(2, 4, 6, 8).map_or_skip(halved)) == [("next", 1), ("error", "a bug")]
    assert told(rxstream.of(2, 4, 2).map_or_skip(halved, skip="fatal")) == nexts(1, 1)
    assert told(rxstream.of(2, 4, 2).map_or_skip(halved, skip=None)) == nexts(1, 1)


def test_elements_are_left_out_between_inner_streams_too() -> None:
    def first(stream: Any) -> Any:
        raise Bad("a bug")

    windows = rxstream.of(1, 2).window_with_count(1)
    assert told(windows.map_or_skip(lambda w: w).merge_all()) == nexts(1, 2)
    windows = rxstream.of(1, 2).window_with_count(1)
    assert told(windows.map_or_skip(first, skip="fatal").merge_all()) == nexts()
    windows = rxstream.of(1, 2).window_with_count(1)
    assert told(windows.map_or_skip(first).merge_all()) == [("error", "a bug")]


def test_a_function_may_report_progress() -> None:
    def each(item: int) -> int:
        rxstream.progress(item)
        return item

    @rxstream.graph
    def reporting() -> Any:
        return rxstream.of(50).map_or_skip(each).named("each")

    async def main() -> Any:
        async with rxstream.Engine() as engine:
            execution = await engine.start(reporting)
            await execution.wait()
            node = next(n for n in execution.statistics().nodes if n.node == "each")
            assert node.progress is not None
            return node.progress.percentage

    assert run(main()) == 50


def inverse(number: int) -> float:
    return 1 / number


async def inverse_later(number: int) -> float:
    await asyncio.sleep(1)
    return 1 / number


LETTER = {
    "input": 0,
    "node": "invert",
    "error": {"kind": "user", "code": "ZeroDivisionError", "message": "division by zero"},
    "failure": "fatal",
}


@pytest.mark.parametrize("later", [False, True])
def test_what_a_function_fails_for_becomes_a_dead_letter(later: bool) -> None:
    @rxstream.graph
    def inverses() -> Any:
        numbers = rxstream.of(2, 0, 4)
        if later:
            good, dead = numbers.map_async_with_dead_letters(inverse_later, name="invert")
        else:
            good, dead = numbers.map_with_dead_letters(inverse, name="invert")
        return {"good": good.to_list(), "dead": dead.to_list()}

    async def main() -> Any:
        async with rxstream.Engine() as engine:
            execution = await engine.start(inverses)
            found = await execution.result()
            node = next(n for n in execution.statistics().nodes if n.node == "invert")
            return found, node.errors

    assert run(main()) == ({"good": [0.5, 0.25], "dead": [LETTER]}, 1)


@pytest.mark.parametrize("later", [False, True])
def test_other_errors_end_both(later: bool) -> None:
    operator: Any = (
        ops.map_async_with_dead_letters(inverse_later, only="malformed")
        if later
        else ops.map_with_dead_letters(inverse, only="malformed")
    )

    def stream() -> Stream[Any]:
        good, dead = operator(rxstream.of(2, 0, 4))
        return rxstream.merge(good, dead)

    async def main() -> Any:
        return await timeline(stream())

    found = [what for _, what in virtually(main())]
    assert found == [0.5, "division by zero"]


def test_one_of_the_two_may_stay_unread_and_a_plain_function_is_taken_too() -> None:
    async def main() -> Any:
        plain_one: Any = inverse
        good, _ = rxstream.of(2, 0).map_async_with_dead_letters(plain_one, 2)
        _, dead = rxstream.of(2, 0).map_with_dead_letters(inverse)
        return await good, (await dead)["node"]

    assert virtually(main()) == (0.5, "map_with_dead_letters_1")


def test_the_letters_are_in_the_graph() -> None:
    @rxstream.graph
    def inverses() -> Any:
        good, dead = rxstream.of(1).map_with_dead_letters(inverse, "fatal", name="invert")
        return {"good": good, "dead": dead}

    nodes = {node.id: (node.operator, node.arguments) for node in inverses.build().nodes}
    assert nodes["invert"] == ("map_with_dead_letters", {"fn": "inverse", "only": "fatal"})
    assert nodes["good"][0] == "good"
    assert nodes["dead"][0] == "dead_letters"


def test_what_waits_to_go_on_is_in_the_snapshot() -> None:
    found = resumed(ops.map_or_skip(json.loads), ["1", "{", "2", "3"])
    assert found == [1, 2, 3, "|"]


def test_an_author_error_is_not_malformed() -> None:
    def wrong(item: Any) -> Any:
        raise AuthorError("no")

    assert told(rxstream.of(1).map_or_skip(wrong)) == [("error", "no")]
    assert issubclass(NodeError, RxStreamError)
