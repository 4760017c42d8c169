"""The wire format of OpenAI's responses.

The answer is server-sent events, each named in its data too. It is whole when `response.completed` or
`response.incomplete` came. Reasoning that came encrypted is carried with the first call after it. Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rxstream.adapters.llm.answering import Answer, textual, word
from rxstream.adapters.llm.errors import refusal
from rxstream.adapters.llm.messages import (
    Image,
    Said,
    carried,
    checked,
    looked_through,
    with_options,
)
from rxstream.adapters.llm.openai import OpenAIChat
from rxstream.adapters.llm.reading import EVENTS, EventReader
from rxstream.models import Element, Question


class OpenAIResponses:
    """`POST /responses`, streamed."""

    address = OpenAIChat.address
    media_type = EVENTS

    def path(self, model: str) -> str:
        """The same for every model."""
        return "/responses"

    def headers(self, api_key: str | None) -> dict[str, str]:
        """A bearer token, if there is a key."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def body(self, model: str, question: Question) -> Mapping[str, Any]:
        """The JSON of the request; what was not given is left to the server."""
        said = looked_through(question.messages, images_of=("user", "tool"))
        body: dict[str, Any] = {
            "model": model,
            "input": [item for each in said for item in _items(each)],
            "stream": True,
        }
        if question.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                    "strict": False,  # else every property would have to be required
                }
                for tool in checked(question.tools)
            ]
        if question.max_tokens is not None:
            body["max_output_tokens"] = question.max_tokens
        if question.temperature is not None:
            body["temperature"] = question.temperature
        return with_options(body, question.options)

    def decoder(self, question: Question | None = None) -> ResponsesDecoder:
        """A decoder for one answer."""
        return ResponsesDecoder()


def _items(said: Said) -> list[dict[str, Any]]:
    read = "output_text" if said.role == "assistant" else "input_text"
    parts: list[dict[str, Any]] = [
        {"type": "input_image", "image_url": part.url}
        if isinstance(part, Image)
        else {"type": read, "text": part.text}
        for part in said.parts
    ]
    if said.role == "tool":
        output = parts if said.images else said.text
        return [{"type": "function_call_output", "call_id": said.call_id, "output": output}]
    items: list[dict[str, Any]] = []
    if parts:
        items.append({"type": "message", "role": said.role, "content": parts})
    for call in said.calls:
        items += carried(call, "openai-responses") or []
        items.append(
            {
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.json,
            }
        )
    return items


class ResponsesDecoder(Answer):
    """Turns the bytes of one answer into elements."""

    def __init__(self) -> None:
        super().__init__(EventReader())
        self._thoughts: list[dict[str, Any]] = []
        """Encrypted reasoning that was not carried yet."""

    def take(self, event: str, said: dict[str, Any], found: list[Element]) -> None:
        match said.get("type", event):
            case "response.output_text.delta" | "response.refusal.delta":
                self.says(said["delta"], found)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self.reasons(said["delta"], found)
            case "response.function_call_arguments.delta":
                with self.about_a_call():
                    if self.call(_key(said)).adds(textual(said["delta"])):
                        self.call_ends(_key(said), found)
            case "response.output_item.added":
                self._begins(_key(said, said["item"]), said["item"])
            case "response.output_item.done":
                self._ends(_key(said, said["item"]), said["item"], found)
            case "response.created" | "response.in_progress":
                self.metadata["model"] = said["response"].get("model")
            case "response.completed" | "response.incomplete":
                self._complete(said["response"])
            case "response.failed":
                raise refusal(None, said["response"])
            case "error":
                raise refusal(None, said)
            # others repeat what was said, or tell of tools that the server itself runs

    def _begins(self, key: Any, item: dict[str, Any]) -> None:
        if item["type"] != "function_call":
            return
        with self.about_a_call():
            call = self.call(key)
            call.id, call.name = word(item["call_id"]), word(item["name"])
            if self._thoughts:
                call.carry, self._thoughts = {"openai-responses": self._thoughts}, []

    def _ends(self, key: Any, item: dict[str, Any], found: list[Element]) -> None:
        if item["type"] == "reasoning" and item.get("encrypted_content"):
            self._thoughts.append(item)
        if item["type"] == "function_call":
            call = self.call(key)
            if not call.name:  # it came at once
                self._begins(key, item)
            with self.about_a_call():
                if call.empty:
                    call.adds(textual(item.get("arguments") or ""))
                self.call_ends(key, found)

    def _complete(self, response: dict[str, Any]) -> None:
        self.last = self.whole = True
        if isinstance(response.get("model"), str):
            self.metadata["model"] = response["model"]
        why = (response.get("incomplete_details") or {}).get("reason")
        self.finish_reason = word(why or response.get("status") or "completed")
        if isinstance(usage := response.get("usage"), dict):
            self.metadata["usage"] = usage
            self.counts(
                prompt_tokens=usage.get("input_tokens"),
                completion_tokens=usage.get("output_tokens"),
                cached_tokens=(usage.get("input_tokens_details") or {}).get("cached_tokens"),
                reasoning_tokens=(usage.get("output_tokens_details") or {}).get("reasoning_tokens"),
            )


def _key(said: dict[str, Any], item: dict[str, Any] | None = None) -> Any:
    """Which item an event is of: by its place, or by its name where a server gives no places."""
    return said.get("output_index", said.get("item_id") or (item or {}).get("id"))
