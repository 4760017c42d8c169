"""The wire format of Ollama's `/api/chat`.

The answer is JSON objects, one a line, and is whole when one says `"done": true`. Calls come whole. Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rxstream.adapters.llm.answering import Answer, word, written
from rxstream.adapters.llm.errors import refusal
from rxstream.adapters.llm.messages import (
    Said,
    functions,
    looked_through,
    provided,
    with_options,
)
from rxstream.adapters.llm.reading import LINES, LineReader
from rxstream.models import Element, Question


class Ollama:
    """`POST /api/chat`, streamed."""

    address = "http://localhost:11434"
    media_type = LINES

    def path(self, model: str) -> str:
        """The same for every model."""
        return "/api/chat"

    def headers(self, api_key: str | None) -> dict[str, str]:
        """A bearer token, if there is a key; a server on this machine wants none."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def body(self, model: str, question: Question) -> Mapping[str, Any]:
        """The JSON of the request; `options` within it are ours and the question's together."""
        said = looked_through(question.messages, images_of=("user",))
        body: dict[str, Any] = {
            "model": model,
            "messages": [_message(each) for each in said],
            "stream": True,
        }
        if question.tools:
            body["tools"] = functions(question.tools)
        limits = {"num_predict": question.max_tokens, "temperature": question.temperature}
        options = {name: value for name, value in limits.items() if value is not None}
        if options:
            body["options"] = options
        return with_options(body, question.options)

    def decoder(self, question: Question | None = None) -> OllamaDecoder:
        """A decoder for one answer."""
        return OllamaDecoder()


def _message(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": said.role, "content": said.text}
    if said.images:
        message["images"] = [image.base64 for image in said.images]
    if said.calls:
        message["tool_calls"] = [
            {
                **provided(call.id),
                "function": {"name": call.name, "arguments": dict(call.object)},
            }
            for call in said.calls
        ]
    if said.role == "tool":
        message["tool_name"] = said.name
        if provided(said.call_id):
            message["tool_call_id"] = said.call_id
    return message


class OllamaDecoder(Answer):
    """Turns the bytes of one answer into elements."""

    def __init__(self) -> None:
        super().__init__(LineReader())

    def take(self, event: str, said: dict[str, Any], found: list[Element]) -> None:
        if said.get("error"):
            raise refusal(None, said)
        if isinstance(said.get("model"), str):
            self.metadata["model"] = said["model"]
        message = said.get("message") or {}
        self.reasons(message.get("thinking") or "", found)
        self.says(message.get("content") or "", found)
        with self.about_a_call():
            for asked in message.get("tool_calls") or ():
                function = asked["function"]
                key = self._called
                call = self.call(key)
                call.id, call.name = word(asked.get("id") or ""), word(function["name"])
                call.adds(written(function.get("arguments") or {}))
                self.call_ends(key, found)
        if said.get("done") is True:
            self.last = self.whole = True
            self.finish_reason = word(said.get("done_reason") or "stop")
            self._counted(said)

    def _counted(self, said: dict[str, Any]) -> None:
        """Durations are in nanoseconds."""
        names = ("prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration")
        self.metadata["usage"] = {name: said[name] for name in names if name in said}
        self.counts(
            prompt_tokens=said.get("prompt_eval_count"),
            completion_tokens=said.get("eval_count"),
        )
        if said.get("prompt_eval_duration"):
            self.timings["prompt_ms"] = round(said["prompt_eval_duration"] / 1e6, 2)
        if said.get("eval_duration") and said.get("eval_count"):
            rate = said["eval_count"] / said["eval_duration"] * 1e9
            self.timings["tokens_per_second"] = round(rate, 2)
