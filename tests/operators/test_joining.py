"""Operators of several streams: who is told what, when one ends, fails, is slow or is late."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import rxstream
from rxstream.errors import GraphError
from rxstream.stream import source
from tests.operators.parts import Bad, at, heard, items, nexts, told, virtually

ALTERNATING = (((1, 1), (3, 2), (5, 3)), ((2, "a"), (4, "b")))


def pair() -> tuple[Any, Any]:
    return at(*ALTERNATING[0]), at(*ALTERNATING[1])


def failing() -> tuple[Any, Any]:
    return at((1, 1), (3, 2)), at((2, "a"), (4, Bad("no")))


def joined(name: str, streams: tuple[Any, Any]) -> list[tuple[Any, ...]]:
    async def main() -> list[tuple[Any, ...]]:
        return await heard(getattr(rxstream, name)(*streams))

    found: list[tuple[Any, ...]] = virtually(main())
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("merge", nexts(1, "a", 2, "b", 3)),
        ("zip", nexts((1, "a"), (2, "b"))),
        ("zip_latest", nexts((1, "a"), (2, "b"))),
        ("combine_latest", nexts((1, "a"), (2, "a"), (2, "b"), (3, "b"))),
        ("with_latest_from", nexts((2, "a"), (3, "b"))),
        ("fork_join", nexts((3, "b"))),
        ("amb", nexts(1, 2, 3)),
        ("concat", nexts(1, 2, 3, "a", "b")),
        ("catch", nexts(1, 2, 3)),
        ("on_error_resume_next", nexts(1, 2, 3, "a", "b")),
    ],
)
def test_two_streams_make_one(name: str, expected: Any) -> None:
    assert joined(name, pair()) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("merge", [1, "a", 2]),
        ("zip", [(1, "a")]),
        ("combine_latest", [(1, "a"), (2, "a")]),
        ("concat", [1, 2, "a"]),
        ("fork_join", []),
        ("zip_latest", [(1, "a")]),
    ],
)
def test_an_error_of_one_is_an_error_of_all(name: str, expected: list[Any]) -> None:
    first, second = failing()
    longer = first.concat(rxstream.timer(9.0).ignore_elements())
    found = joined(name, (longer, second))
    assert found == [*(("next", item) for item in expected), ("error", "no")]


def test_names_say_where_an_element_came_from() -> None:
    async def main() -> Any:
        first, second = pair()
        return await items(rxstream.merge(cpu=first, disk=second).take(2))

    assert virtually(main()) == [
        {"source": "cpu", "value": 1},
        {"source": "disk", "value": "a"},
    ]
    with pytest.raises(GraphError, match="by name"):
        rxstream.merge(rxstream.of(1), b=rxstream.of(2))


def test_branches_of_one_source_meet_element_by_element() -> None:
    numbers = rxstream.range(200)
    doubled = numbers.map(lambda x: x * 2)
    assert told(rxstream.zip(numbers, doubled)) == nexts(*((x, 2 * x) for x in range(200)))
    assert told(numbers.with_latest_from(doubled)) == nexts(*((x, 2 * x) for x in range(200)))
    changes = told(numbers.combine_latest(doubled))
    assert changes[0] == ("next", (0, 0))
    assert changes[-2] == ("next", (199, 398))
    assert len(changes) == 400


def test_a_stream_that_has_much_does_not_keep_another_waiting() -> None:
    found = told(rxstream.merge(rxstream.range(100_000), rxstream.of("x")).take(500))
    assert ("next", "x") in found


def test_a_latest_that_is_fast_is_not_held_back() -> None:
    async def main() -> Any:
        fast = rxstream.interval(0.01)
        return await items(at((10, "a"), (20, "b")).with_latest_from(fast))

    (_, first), (_, second) = virtually(main())
    assert 950 <= first <= 1000
    assert 1950 <= second <= 2000


def test_elements_need_not_be_comparable() -> None:
    class Odd:
        def __eq__(self, other: object) -> Any:
            raise Bad("must not be compared")

        __hash__ = object.__hash__

    odd = Odd()
    for name in ("zip", "combine_latest", "with_latest_from", "fork_join", "zip_latest"):
        found = told(getattr(rxstream, name)(source([odd]), source([odd])))
        assert found[0][1] == (odd, odd)


def test_combining_ends_when_one_ended_without_an_element() -> None:
    assert joined("combine_latest", (at((5, 1)), at())) == [("end",)]
    assert joined("fork_join", (at((5, 1)), at())) == [("end",)]


def test_elements_until_another_stream_speaks() -> None:
    assert virtually(heard(beats().take_until(at((2.5, "x"))))) == nexts(1, 2)
    assert virtually(heard(beats().take_until(at()))) == nexts(1, 2, 3)
    assert virtually(heard(beats().take_until(at((2.5, Bad("no")))))) == [
        ("next", 1),
        ("next", 2),
        ("error", "no"),
    ]
    assert virtually(heard(at((1, 1), (2, Bad("no"))).take_until(rxstream.never())))[-1] == (
        "error",
        "no",
    )


def test_elements_from_when_another_stream_speaks() -> None:
    assert virtually(heard(beats().skip_until(at((1.5, "x"), (9, "y"))))) == nexts(2, 3)
    assert virtually(heard(beats().skip_until(at()))) == [("end",)]
    assert virtually(heard(beats().skip_until(at((9, "x"))))) == [("end",)]
    assert virtually(heard(beats().skip_until(at((2.5, Bad("no")))))) == [("error", "no")]


def beats() -> Any:
    return at((1, 1), (2, 2), (3, 3))


def test_the_first_to_speak_wins_and_the_other_is_left() -> None:
    async def main() -> Any:
        clock = asyncio.get_running_loop().time
        found = await heard(rxstream.amb(at((5, "late")), at((1, "early")), rxstream.timer(100.0)))
        return found, clock()

    assert virtually(main()) == (nexts("early"), 1.0)
    assert virtually(heard(rxstream.amb(at((1, Bad("no"))), at((2, "x"))))) == [("error", "no")]


def test_sequences_are_compared_in_order() -> None:
    def equal(one: Any, other: Any, *comparer: Any) -> Any:
        return told(rxstream.of(*one).sequence_equal(other, *comparer))

    assert equal([1, 2], [1, 2]) == nexts(True)
    assert equal([1, 2], rxstream.of(1, 2, 3)) == nexts(False)
    assert equal([1, 2, 4], [1, 2, 3]) == nexts(False)
    assert equal([1, 2], [3, 4], lambda a, b: a % 2 == b % 2) == nexts(True)
    assert told(rxstream.throw("no").sequence_equal([1])) == [("error", "no")]


def test_of_no_streams_there_is_nothing() -> None:
    for name in ("merge", "concat", "zip", "catch", "on_error_resume_next"):
        assert told(getattr(rxstream, name)()) == [("end",)]
    for name in ("combine_latest", "with_latest_from", "fork_join", "zip_latest"):
        with pytest.raises(ValueError, match="at least one"):
            getattr(rxstream, name)()
    assert rxstream.amb().spec.name == "never"


def test_one_stream_or_another_is_chosen_when_it_starts() -> None:
    started: list[str] = []

    def telling(name: str) -> Any:
        def each() -> Any:
            started.append(name)
            yield name

        return source(each)

    chosen = True
    stream = rxstream.if_then(lambda: chosen, telling("then"), telling("else"))
    assert told(stream) == nexts("then")
    chosen = False
    assert told(stream) == nexts("else")
    assert told(rxstream.if_then(lambda: chosen, telling("never"))) == [("end",)]
    assert started == ["then", "else"]


def test_a_case_is_chosen_when_it_starts() -> None:
    choices = {"a": rxstream.of(1), "b": rxstream.of(2)}
    assert told(rxstream.case(lambda: "b", choices)) == nexts(2)
    assert told(rxstream.case(lambda: "c", choices, rxstream.of(9))) == nexts(9)
    assert told(rxstream.case(lambda: "c", choices)) == [("end",)]
    assert told(rxstream.case(lambda: "c", {})) == [("end",)]
    assert told(rxstream.case(lambda: "a", {"a": rxstream.throw("no")})) == [("error", "no")]

    def broken() -> bool:
        raise Bad("which?")

    assert told(rxstream.if_then(broken, rxstream.of(1))) == [("error", "which?")]


def test_a_future_may_be_a_stream() -> None:
    async def main() -> Any:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(2, future.set_result, "done")
        return await items(at((1, 1), (3, 3)).take_until(future))

    assert virtually(main()) == [1]


def test_a_combination_says_that_it_cannot_be_nested() -> None:
    stream = rxstream.if_then(lambda: True, rxstream.of(1))
    with pytest.raises(GraphError, match="opens"):
        stream.spec.rx()  # type: ignore[misc]  # it has one
