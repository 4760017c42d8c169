"""Servers that say what no provider does: an error of the model, or an answer that can be kept."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from rxstream.adapters.llm import ModelError, chat
from rxstream.adapters.llm.answering import MAX_SKIPPED, PIECE, SLICE
from rxstream.models import Element
from tests.adapters.llm.dialects import calls, decode, said
from tests.adapters.llm.provider import Provider, chunk

WIRES = sorted((Path(__file__).parent / "wire").iterdir())
MOST: Final = 1024 * 1024


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


ODD: Final[tuple[Any, ...]] = (
    *(None, 5, -1, 0, True, "", "x", [], {}, [None], {"a": 1}, [[1]], {"index": 0}, "[DONE]"),
    *("\ud800", "\udc00b", 10**400, 1.5, nested(600), float("inf")),
)


def mangled(value: Any, chance: random.Random, share: float) -> Any:
    if chance.random() < share:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {key: mangled(each, chance, share) for key, each in value.items()}
    if isinstance(value, list):
        return [mangled(each, chance, share) for each in value]
    return value


def mangled_line(line: bytes, chance: random.Random) -> bytes:
    head, brace, rest = line.partition(b"{")
    if not brace:
        return line
    value = mangled(json.loads(brace + rest), chance, 0.02)
    return head + json.dumps(value).replace("Infinity", "1e999").encode()


@pytest.mark.parametrize("path", WIRES, ids=lambda path: path.name)
def test_whatever_comes_it_is_an_error_of_the_model_or_an_answer_that_can_be_kept(
    path: Path,
) -> None:
    lines = path.read_bytes().split(b"\n")[:120]
    chance = random.Random(path.name)
    for _ in range(40):
        wire = b"\n".join(mangled_line(line, chance) for line in lines)
        try:
            elements = decode(path.suffix[1:], [wire])
        except ModelError:
            continue
        assert max(len(orjson.dumps(element)) for element in elements) < MOST
        assert all(count >= 0 for count in (elements[-1]["usage"] or {}).values())


def wire_of(*deltas: dict[str, Any]) -> list[bytes]:
    said = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    events = [f"data: {json.dumps(each)}\n\n".encode() for each in said]
    return [*events, chunk(reason="stop").encode()]


def called(**function: Any) -> list[Element]:
    part = {"index": 0, "id": "c", "function": {"name": "f", **function}}
    return decode("openai", wire_of({"tool_calls": [part]}))


def test_arguments_that_come_as_an_object_are_that_object() -> None:
    assert calls(called(arguments={"a": 1})) == [("f", {"a": 1})]


@pytest.mark.parametrize(
    "function",
    [{"arguments": 5}, {"arguments": [1]}, {"name": ""}, {"name": "f" * 2_000}, {"name": 5}],
)
def test_a_call_that_cannot_be_read_is_never_made_with_what_is_left(
    function: dict[str, Any],
) -> None:
    with pytest.raises(ModelError, match="call") as failed:
        called(**function)
    assert (failed.value.code, failed.value.retryable) == ("model_failed", True)


def test_arguments_nobody_could_write_down_are_text() -> None:
    text = json.dumps({"a": nested(400)})
    assert calls(called(arguments=text)) == [("f", text)]


@pytest.mark.parametrize(
    "event",
    [
        b'event: error\ndata: {"message": "kaboom"}\n\n',
        b'data: {"object": "error", "message": "kaboom", "code": 500}\n\n',
        b'data: {"error": {"message": "kaboom"}}\n\n',
    ],
)
def test_an_error_in_the_middle_is_said_however_a_server_says_it(event: bytes) -> None:
    with pytest.raises(ModelError, match="kaboom"):
        decode("openai", [chunk("Half").encode(), event])


def test_text_that_comes_at_once_is_given_in_pieces() -> None:
    elements = decode("openai", wire_of({"content": "x" * (2 * PIECE + 1)}))
    assert [len(each["text"]) for each in elements[:-1]] == [PIECE, PIECE, 1]
    assert said(elements) == elements[-1]["text"]


async def test_nonsense_without_end_is_an_error_and_holds_nobody_up(provider: Provider) -> None:
    provider.parts = [b"data: x\n\n" * (2 * MAX_SKIPPED)]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(others())
    with pytest.raises(ModelError, match="cannot be read: more than 10,000"):
        await chat("Speak.", model="openai:m", base_url=provider.url)
    beside.cancel()
    assert turns > len(provider.parts[0]) // SLICE // 2
