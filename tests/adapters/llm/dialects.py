"""Every wire format by a short name, three tools, and how bytes become elements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rxstream.adapters.llm.answering import OUR_ID
from rxstream.adapters.llm.anthropic import AnthropicMessages
from rxstream.adapters.llm.dialect import Dialect
from rxstream.adapters.llm.gemini import Gemini
from rxstream.adapters.llm.ollama import Ollama
from rxstream.adapters.llm.openai import OpenAIChat
from rxstream.adapters.llm.responses import OpenAIResponses
from rxstream.models import Element, ToolSpec

DIALECTS: Mapping[str, Dialect] = {
    "openai": OpenAIChat(),
    "responses": OpenAIResponses(),
    "anthropic": AnthropicMessages(),
    "gemini": Gemini(),
    "ollama": Ollama(),
}


def tool(name: str, description: str, **properties: str) -> ToolSpec:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {each: {"type": kind} for each, kind in properties.items()},
        "required": list(properties),
    }
    return ToolSpec(name, description, schema)


WEATHER = tool("get_weather", "Weather of a city", city="string")
ADD = tool("add", "Add two numbers", a="integer", b="integer")
NOW = tool("now", "What time it is")


def decode(dialect: str, chunks: Iterable[bytes]) -> list[Element]:
    """The elements of an answer in these chunks. Ids that are ours, not the provider's, become one."""
    decoder = DIALECTS[dialect].decoder()
    elements: list[Element] = []
    for chunk in chunks:
        if not decoder.ended:
            elements += decoder.feed(chunk)
    elements += decoder.finish()
    return [
        {**element, "id": "ours"} if element.get("id", "").startswith(OUR_ID) else element
        for element in elements
    ]


def said(elements: Iterable[Element], kind: str = "token") -> str:
    """The text of the elements of a type."""
    return "".join(element["text"] for element in elements if element["type"] == kind)


def calls(elements: Iterable[Element]) -> list[tuple[str, Any]]:
    """The tool calls: name and arguments."""
    return [(e["name"], e["arguments"]) for e in elements if e["type"] == "tool_call"]
