"""Recorded answers of every wire format are the same however their bytes are cut, and never shorter.

Who recorded them, and of which servers, is in `recording`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rxstream.adapters.llm.errors import ModelError
from rxstream.models import Element
from tests.adapters.llm.dialects import DIALECTS, calls, decode, said

WIRES = sorted((Path(__file__).parent / "wire").iterdir())
SCRIPTED = [path for path in WIRES if path.stem.startswith("aimock")]
LONG = [path for path in WIRES if path.stat().st_size > 3_000]
SHORT = [path for path in WIRES if path not in LONG]
RIVERS = "Flüsse tragen 🌊🌊🌊🌊🌊 Schiffe — 船.\n"
CALLS = [
    ("get_weather", {"city": "Zürich 🌊", "note": 'a "quoted" } brace'}),
    ("add", {"a": 1, "b": 2}),
]

each = pytest.mark.parametrize("path", WIRES, ids=lambda path: path.name)


def answer(path: Path, at: int | None = None) -> list[Element]:
    """What a transcript says, cut in two, or byte by byte."""
    wire = path.read_bytes()
    chunks = [wire[i : i + 1] for i in range(len(wire))] if at is None else [wire[:at], wire[at:]]
    return decode(path.suffix[1:], chunks)


def test_every_wire_format_has_transcripts_of_text_and_of_calls() -> None:
    assert {path.suffix[1:] for path in SHORT} == set(DIALECTS)
    assert {path.name for path in SCRIPTED} == {
        f"{kind}.{name}"
        for kind in ("aimock", "aimock-tools", "aimock-thought")
        for name in DIALECTS
    }


@each
def test_byte_by_byte_it_says_what_it_says_at_once(path: Path) -> None:
    assert answer(path) == answer(path, 0)


@pytest.mark.parametrize("path", SHORT, ids=lambda path: path.name)
def test_cut_in_two_at_every_byte_it_says_the_same(path: Path) -> None:
    whole = answer(path, 0)
    for at in range(path.stat().st_size):
        assert answer(path, at) == whole, at


@pytest.mark.slow
@pytest.mark.parametrize("path", LONG, ids=lambda path: path.name)
def test_a_long_one_cut_in_two_at_every_byte_says_the_same(path: Path) -> None:
    test_cut_in_two_at_every_byte_it_says_the_same(path)


@each
def test_broken_off_anywhere_it_is_an_error_or_whole(path: Path) -> None:
    wire, whole = path.read_bytes(), answer(path, 0)
    endings, codes = set(), set()
    for at in {*range(0, len(wire), 17), *range(len(wire) - 40, len(wire) + 1)}:
        try:
            short = decode(path.suffix[1:], [wire[:at]])
        except ModelError as error:
            codes.add((error.code, error.retryable))
            continue
        endings.add(at)
        assert (said(short), calls(short)) == (said(whole), calls(whole)), at
    assert codes == {("answer_cut", True)}
    assert min(endings) > len(wire) // 2


@each
def test_its_text_is_that_of_its_tokens_and_nothing_was_malformed(path: Path) -> None:
    *_, done = elements = answer(path, 0)
    assert done["type"] == "done"
    assert done["text"] == said(elements)
    assert done["metadata"]["malformed"] == 0
    assert done["usage"]["completion_tokens"] >= 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_text_calls_and_thoughts_are_what_the_server_was_told_to_say(dialect: str) -> None:
    folder = SCRIPTED[0].parent
    plain, tools, thought = (
        answer(folder / f"{kind}.{dialect}", 0)
        for kind in ("aimock", "aimock-tools", "aimock-thought")
    )
    assert (said(plain), calls(plain), plain[-1]["finish_reason"]) == (RIVERS, [], "stop")
    assert (said(tools), calls(tools)) == ("Let me look.", CALLS)
    assert tools[-1]["finish_reason"] == thought[-1]["finish_reason"] == "tool_calls"
    assert calls(thought) == [("now", {})]
    if dialect != "ollama":  # this server names Ollama's thoughts as Ollama does not
        assert said(thought, "reasoning") == "Hm — 船."


@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic"])
def test_a_call_is_given_when_it_is_whole_and_not_at_the_end(dialect: str) -> None:
    wire = (SCRIPTED[0].parent / f"local-tool.{dialect}").read_bytes()
    decoder = DIALECTS[dialect].decoder()
    for at in range(len(wire)):
        if found := calls(decoder.feed(wire[at : at + 1])):
            break
    assert found == [("add", {"a": 17, "b": 25})]
    assert at < len(wire) * 0.65


@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic"])
def test_the_beginning_of_a_call_is_the_first_token(dialect: str) -> None:
    wire = (SCRIPTED[0].parent / f"local-tool.{dialect}").read_bytes()
    decoder = DIALECTS[dialect].decoder()
    seen = []
    for at in range(len(wire)):
        seen.append((decoder.begun, bool(decoder.feed(wire[at : at + 1]))))
    first_token = seen.index((True, False))
    assert seen.index((True, True)) > first_token > 0
    assert (False, True) not in seen
