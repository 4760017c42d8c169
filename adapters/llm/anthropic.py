"""The wire format of Anthropic's messages.

The answer is server-sent events, each named in its data too; blocks of content are begun, added to and ended
one after the other. It is whole when `message_stop` came. Thoughts that were signed are carried with the
first call after them, because the provider refuses a call whose thoughts are missing. Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rxstream.adapters.llm.answering import Answer, textual, word, written
from rxstream.adapters.llm.errors import refusal
from rxstream.adapters.llm.messages import (
    Image,
    Said,
    carried,
    checked,
    in_turns,
    looked_through,
    parted,
    with_options,
)
from rxstream.adapters.llm.reading import EVENTS, EventReader
from rxstream.models import Element, Question

MAX_TOKENS: Final = 4_096
"""Asked for where the question has no limit, since this provider wants one."""
VERSION: Final = "2023-06-01"


class AnthropicMessages:
    """`POST /v1/messages`, streamed."""

    address = "https://api.anthropic.com"
    media_type = EVENTS

    def path(self, model: str) -> str:
        """The same for every model."""
        return "/v1/messages"

    def headers(self, api_key: str | None) -> dict[str, str]:
        """The key, if there is one, and the version of the format."""
        return {"anthropic-version": VERSION} | ({"x-api-key": api_key} if api_key else {})

    def body(self, model: str, question: Question) -> Mapping[str, Any]:
        """The JSON of the request. Messages of one role that follow each other become one."""
        system, said = parted(looked_through(question.messages, images_of=("user", "tool")))
        turns = in_turns(said, "assistant", _blocks)
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": role, "content": blocks} for role, blocks in turns],
            "max_tokens": question.max_tokens or MAX_TOKENS,
            "stream": True,
        }
        if system:
            body["system"] = system
        if question.tools:
            body["tools"] = [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "input_schema": dict(tool.parameters),
                }
                for tool in checked(question.tools)
            ]
        if question.temperature is not None:
            body["temperature"] = question.temperature
        return with_options(body, question.options)

    def decoder(self, question: Question | None = None) -> MessagesDecoder:
        """A decoder for one answer."""
        return MessagesDecoder()


def _blocks(said: Said) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": part.media_type, "data": part.base64},
        }
        if isinstance(part, Image)
        else {"type": "text", "text": part.text}
        for part in said.parts
    ]
    if said.role == "tool":
        return [{"type": "tool_result", "tool_use_id": said.call_id, "content": parts}]
    calls: list[dict[str, Any]] = []
    thoughts: list[dict[str, Any]] = []
    for call in said.calls:
        thoughts += carried(call, "anthropic") or []
        calls.append(
            {"type": "tool_use", "id": call.id, "name": call.name, "input": dict(call.object)}
        )
    return [*thoughts, *parts, *calls]


class MessagesDecoder(Answer):
    """Turns the bytes of one answer into elements."""

    def __init__(self) -> None:
        super().__init__(EventReader())
        self._block: dict[str, Any] = {}
        """The thoughts that come now."""
        self._thoughts: list[dict[str, Any]] = []
        """Those that are whole and were not carried yet."""
        self._usage: dict[str, Any] = {}

    def take(self, event: str, said: dict[str, Any], found: list[Element]) -> None:
        match said.get("type", event):
            case "content_block_delta":
                self._delta(said["index"], said["delta"], found)
            case "content_block_start":
                self._begins(said["index"], said["content_block"], found)
            case "content_block_stop":
                self.call_ends(said["index"], found)
                if self._block:
                    self._thoughts.append(self._block)
                    self._block = {}
            case "message_start":
                self.metadata["model"] = said["message"].get("model")
                self._counted(said["message"].get("usage"))
            case "message_delta":
                if reason := said["delta"].get("stop_reason"):
                    self.finish_reason = word(reason)
                self._counted(said.get("usage"))
            case "message_stop":
                self.last = self.whole = True
            case "error":
                raise refusal(None, said)
            # others are pings, and what is not known yet

    def _begins(self, index: int, block: dict[str, Any], found: list[Element]) -> None:
        match block["type"]:
            case "text":
                self.says(block.get("text") or "", found)
            case "tool_use":
                with self.about_a_call():
                    call = self.call(index)
                    call.id, call.name = word(block["id"]), word(block["name"])
                    if self._thoughts:
                        call.carry, self._thoughts = {"anthropic": self._thoughts}, []
                    if block.get("input"):
                        call.adds(written(block["input"]))
            case "thinking":
                self._block = {"type": "thinking", "thinking": "", "signature": ""}
                self._thinks(block, found)
            case "redacted_thinking":
                self._block = dict(block)

    def _delta(self, index: int, delta: dict[str, Any], found: list[Element]) -> None:
        match delta["type"]:
            case "text_delta":
                self.says(delta["text"], found)
            case "input_json_delta":
                with self.about_a_call():
                    if self.call(index).adds(textual(delta["partial_json"])):
                        self.call_ends(index, found)
            case "thinking_delta" | "signature_delta":
                self._thinks(delta, found)

    def _thinks(self, said: dict[str, Any], found: list[Element]) -> None:
        for name in ("thinking", "signature"):
            if part := said.get(name):
                self._block[name] = self._block.get(name, "") + textual(part)
        self.reasons(said.get("thinking") or "", found)

    def _counted(self, usage: Any) -> None:
        """Later numbers replace earlier ones; those of the prompt do not count what a cache gave."""
        if not isinstance(usage, dict):
            return
        self._usage |= {name: value for name, value in usage.items() if value is not None}
        self.metadata["usage"] = self._usage
        cached = self._usage.get("cache_read_input_tokens")
        written = self._usage.get("cache_creation_input_tokens") or 0
        asked = self._usage.get("input_tokens")
        self.counts(
            prompt_tokens=None if asked is None else asked + (cached or 0) + written,
            completion_tokens=self._usage.get("output_tokens"),
            cached_tokens=cached,
        )
