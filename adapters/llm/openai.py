"""The wire format of OpenAI's chat completions, which most model servers speak.

The answer is server-sent events of JSON chunks and ends with `[DONE]`. An answer counts as whole
when a chunk gave a finish reason or `[DONE]` came; anything shorter raises, so a cut answer never
looks like a short one. A chunk that is not what it should be is skipped and counted. Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from rxstream.adapters.llm.dialect import Element, Question
from rxstream.adapters.llm.errors import ModelError
from rxstream.adapters.llm.sse import ServerEvent, SSEDecoder

_MAX_TEXT: Final = 1024 * 1024 - 64 * 1024
"""Characters kept for `done`, so that it stays an event of at most 1 MiB of ASCII."""


class OpenAIChat:
    """`POST /chat/completions`, streamed."""

    path = "/chat/completions"

    def headers(self, api_key: str | None) -> dict[str, str]:
        """A bearer token, if there is a key."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def body(self, question: Question) -> Mapping[str, Any]:
        """The JSON of the request; what was not given is left to the server."""
        body: dict[str, Any] = {
            "model": question.model,
            "messages": [dict(message) for message in question.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if question.max_tokens is not None:
            body["max_tokens"] = question.max_tokens
        if question.temperature is not None:
            body["temperature"] = question.temperature
        return {**body, **question.options}

    def decoder(self) -> ChatDecoder:
        """A decoder for one answer."""
        return ChatDecoder()


class ChatDecoder:
    """Turns the bytes of one answer into elements."""

    def __init__(self) -> None:
        self.ended = False
        """Whether `[DONE]` came."""
        self._sse = SSEDecoder()
        self._malformed = 0
        self._text: list[str] = []
        self._size = 0
        self._calls: dict[int, Element] = {}
        self._usage: dict[str, Any] | None = None
        self._timings: dict[str, Any] = {}
        self._model: str | None = None
        self._finish_reason: str | None = None

    def feed(self, chunk: bytes) -> list[Element]:
        """The elements this chunk completes. Raises `ModelError`."""
        try:
            events = self._sse.feed(chunk)
        except ValueError as error:
            raise ModelError(f"the model's answer cannot be read: {error}") from None
        found: list[Element] = []
        for event in events:
            if not self.ended:
                self._event(event, found)
        return found

    def finish(self) -> list[Element]:
        """Tool calls and `done`. Raises `ModelError` when the answer has no ending."""
        if not self.ended and self._finish_reason is None:
            raise ModelError(
                f"the model's answer broke off after {self._size} characters",
                code="answer_cut",
                retryable=True,
            )
        done: Element = {
            "type": "done",
            "text": "".join(self._text)[:_MAX_TEXT],
            "usage": self._usage,
            "timings": self._timings,
            "finish_reason": self._finish_reason,
            "metadata": {
                "model": self._model,
                "malformed": self._malformed + self._sse.malformed,
                "truncated": self._size > _MAX_TEXT,
            },
        }
        return [*(self._calls[index] for index in sorted(self._calls)), done]

    def _event(self, event: ServerEvent, found: list[Element]) -> None:
        if event.data.strip() == "[DONE]":
            self.ended = True
            return
        try:
            chunk = orjson.loads(event.data)
        except orjson.JSONDecodeError:
            self._malformed += 1
            return
        if not isinstance(chunk, dict):
            self._malformed += 1
            return
        if chunk.get("error"):
            raise ModelError(f"the model's server failed: {error_text(chunk)}", retryable=True)
        try:
            self._chunk(chunk, found)
        except (AttributeError, KeyError, TypeError, ValueError):
            # a shape no provider promises: skip it as if it were not JSON
            self._malformed += 1

    def _chunk(self, chunk: dict[str, Any], found: list[Element]) -> None:
        if isinstance(chunk.get("model"), str):
            self._model = chunk["model"]
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        timings = chunk.get("timings")
        if isinstance(timings, dict) and "predicted_per_second" in timings:
            self._timings["tokens_per_second"] = round(float(timings["predicted_per_second"]), 2)
            self._timings["prompt_ms"] = round(float(timings["prompt_ms"]), 2)
        # several choices are never asked for, and their texts must not be mixed
        for choice in (c for c in chunk.get("choices") or () if c.get("index", 0) == 0):
            delta = choice.get("delta") or {}
            if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
                found.append({"type": "reasoning", "text": _text(reasoning)})
            if content := delta.get("content"):
                found.append({"type": "token", "text": self._remember(_text(content))})
            for part in delta.get("tool_calls") or ():
                self._call(part)
            if choice.get("finish_reason"):
                self._finish_reason = _text(choice["finish_reason"])

    def _remember(self, text: str) -> str:
        if self._size <= _MAX_TEXT:
            self._text.append(text)
        self._size += len(text)
        return text

    def _call(self, part: dict[str, Any]) -> None:
        index = int(part.get("index", len(self._calls)))
        call = self._calls.setdefault(
            index, {"type": "tool_call", "id": "", "name": "", "arguments": ""}
        )
        function = part.get("function") or {}
        call["id"] = _text(part.get("id") or call["id"])
        call["name"] += _text(function.get("name") or "")
        call["arguments"] += _text(function.get("arguments") or "")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value).__name__)
    return value


def error_text(answer: Any) -> str:
    """The message in a provider's error answer, whatever its form, at most 300 characters."""
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if isinstance(error, dict):
        error = error.get("message") or error.get("type") or error
    return " ".join(str(error).split())[:300]
