"""What docs/models.md shows works as it is written there."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rxstream.adapters import llm
from rxstream.adapters.llm import chat
from tests.adapters.llm.provider import Provider
from tests.adapters.llm.test_providers import NAMES
from tests.adapters.llm.test_scripted import PIXEL
from tests.adapters.llm.test_sdk import Client

PAGE = Path(__file__).parents[3] / "docs" / "models.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_first_answer(aimock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # the model it asks is asked by many other tests; starting it takes seconds
    monkeypatch.setattr(llm, "chat", partial(chat, model="ollama:m", base_url=aimock))
    space: dict[str, Any] = {}
    exec(compile(BLOCKS[0], str(PAGE), "exec"), space)
    assert (space["done"]["type"], space["done"]["text"][:6]) == ("done", "Flüsse")


@pytest.fixture
def space() -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(BLOCKS[0].split("async def main")[0], str(PAGE), "exec"), found)
    for block in BLOCKS[1:]:
        exec(compile(block, str(PAGE), "exec"), found)
    return found


async def test_a_conversation_with_a_tool(space: dict[str, Any], aimock: str) -> None:
    calls, done = await space["conversation"](model="ollama:m", base_url=aimock)
    assert calls[0]["arguments"] == {"city": "Paris"}
    assert "21" in done["text"]


async def test_an_image_and_an_error(space: dict[str, Any], aimock: str) -> None:
    where = {"model": "anthropic:m", "base_url": aimock}
    assert (await space["look"](PIXEL.data, **where))["text"].startswith("Flüsse")
    assert (await space["careful"]("limit", **where)).startswith("rate_limited: anthropic:m")


async def test_a_client_of_ones_own(space: dict[str, Any], provider: Provider) -> None:
    class Completions:
        def create(self, **asked: Any) -> Client:
            assert asked["messages"] == [{"role": "user", "content": "?"}]
            return Client("openai")

    class Mine:
        class chat:
            completions = Completions()

    assert (await space["answer_of"](Mine(), "?"))["text"] == "Let me look."


async def test_bodies_read_by_hand(space: dict[str, Any], aimock: str) -> None:
    said = [text async for text in space["ndjson"](aimock, "stop early")]
    assert "".join(said) == "As far as it"
    deltas = [data async for data in space["events"](aimock, "stop early")]
    assert "As far as it" in "".join(deltas)


def test_the_page_names_every_code_and_every_provider() -> None:
    text = PAGE.read_text()
    table = (Path(PAGE).parents[1] / "adapters" / "llm" / "errors.py").read_text()
    codes = set(re.findall(r"^    (\w+_\w+)  ", table, re.MULTILINE))
    assert codes
    assert all(f"`{word}`" in text for word in [*codes, *NAMES])
