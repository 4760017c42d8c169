"""A model's answer as a reader likes it: soon, in pieces that grow when it is slow, nothing of it lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxstream.errors import GraphError
from rxstream.events import MAX_EVENT_BYTES
from tests.operators.bench import Bench
from tests.operators.parts import Bad, at, ops, virtually
from tests.operators.test_timing import timeline

Element = dict[str, Any]
DONE: Element = {"type": "done", "text": "all of it"}
CALL: Element = {"type": "tool_call", "id": "1", "name": "f", "arguments": {}}


def t(text: str) -> Element:
    return {"type": "token", "text": text}


def r(text: str) -> Element:
    return {"type": "reasoning", "text": text}


def shown(*times: tuple[float, Any], **settings: Any) -> list[tuple[float, Any]]:
    """When each element came, on a clock that jumps."""

    async def main() -> Any:
        return await timeline(at(*times).pipe(ops.coalesce_tokens(**settings)))

    found: list[tuple[float, Any]] = virtually(main())
    return found


def test_ten_characters_go_on_at_once_and_fewer_within_a_tenth_of_a_second() -> None:
    found = shown((1, t("abcde")), (1.02, t("fghij")), (2, t("k")), (9, DONE))
    assert found == [(1.02, t("abcdefghij")), (2.1, t("k")), (9, DONE), (9, "|")]


def test_what_is_no_text_goes_on_in_its_place() -> None:
    found = shown((1, t("a")), (1, t("b")), (1, CALL), (1, 7), (1, t("c")), (1, DONE))
    assert [item for _, item in found] == [t("ab"), CALL, 7, t("c"), DONE, "|"]


def test_kinds_of_text_are_not_mixed() -> None:
    found = shown((1, r("a")), (1, r("b")), (1, t("c")), (1, r("d")))
    assert [item for _, item in found] == [r("ab"), t("c"), r("d"), "|"]


def test_a_token_that_says_more_than_its_text_is_left_as_it_is() -> None:
    found = shown((1, t("a")), (1, {**t("b"), "odds": 0.5}), (1, t("")), (1, t("c")))
    assert [item for _, item in found] == [t("a"), {**t("b"), "odds": 0.5}, t("c"), "|"]


def test_what_waits_goes_on_before_an_error() -> None:
    assert shown((1, t("ab")), (1.05, Bad("no"))) == [(1.05, t("ab")), (1.05, "no")]


def test_for_a_slow_reader_pieces_grow_up_to_a_bound_and_then_the_model_waits() -> None:
    async def main() -> None:
        bench = Bench(ops.coalesce_tokens(3, 1.0, max_bytes=600), left=1)
        pushed = 0
        for _ in range(40):
            if bench.edge.room() >= 16:
                bench.edge.push([t(f"[{n:04}]") for n in range(pushed, pushed + 16)])
                pushed += 16
            await asyncio.sleep(0.1)
        assert bench.told == [t("".join(f"[{n:04}]" for n in range(16)))]
        held = bench.unit._bytes  # type: ignore[attr-defined]  # of this operator
        assert 600 <= held <= 600 + 64 * 6
        assert len(bench.edge) == pushed - 16 - held // 6 > 48
        bench.edge.finish()
        bench.allow(3)
        await asyncio.sleep(1)
        assert len(bench.told[1]["text"]) == held, "all that waited, in one piece"
        text = "".join(each["text"] for each in bench.told[:-1])
        assert text == "".join(f"[{n:04}]" for n in range(pushed))

    virtually(main())


def test_one_piece_is_never_too_large_for_an_event() -> None:
    found = shown((1, t("\x00🌊" * 100_000)))
    pieces = [item for _, item in found[:-1]]
    assert "".join(each["text"] for each in pieces) == "\x00🌊" * 100_000
    assert max(len(orjson.dumps(each)) for each in pieces) < MAX_EVENT_BYTES


ELEMENTS = st.one_of(
    st.builds(t, st.text("aé🎈", max_size=6)),
    st.builds(r, st.text("aé🎈", max_size=6)),
    st.sampled_from([CALL, DONE]),
)


def told_in_all(elements: Iterable[Element]) -> list[Any]:
    """What is said, whatever its pieces."""
    found: list[Any] = []
    for element in elements:
        if "arguments" in element or element["type"] == "done":
            found.append(element)
        elif found and found[-1]["type"] == element["type"]:
            found[-1] = {**element, "text": found[-1]["text"] + element["text"]}
        elif element["text"]:
            found.append(element)
    return found


@given(
    elements=st.lists(ELEMENTS, max_size=16),
    gaps=st.lists(st.sampled_from([0, 0.01, 0.04, 0.2]), min_size=16, max_size=16),
)
def test_nothing_is_lost_or_comes_in_another_order(
    elements: list[Element], gaps: list[float]
) -> None:
    moments = [(sum(gaps[: n + 1]), element) for n, element in enumerate(elements)]
    found = [item for _, item in shown(*moments, min_chars=5)[:-1]]
    assert told_in_all(found) == told_in_all(elements)


def test_bounds_that_are_none_are_refused() -> None:
    with pytest.raises(GraphError, match="max_bytes must be at least 4, not 3"):
        ops.coalesce_tokens(max_bytes=3)
    with pytest.raises(GraphError, match="max_delay"):
        ops.coalesce_tokens(max_delay=float("inf"))
