"""The wire format of OpenAI's chat completions, which most model servers speak.

The answer is server-sent events of JSON chunks and ends with `[DONE]`. It is whole when a chunk gave a
finish reason or `[DONE]` came. Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rxstream.adapters.llm.answering import Answer, textual, word, written
from rxstream.adapters.llm.errors import refusal
from rxstream.adapters.llm.messages import Image, Said, functions, looked_through, with_options
from rxstream.adapters.llm.reading import END, EVENTS, EventReader
from rxstream.models import Element, Question


class OpenAIChat:
    """`POST /chat/completions`, streamed. `limit` is what the server calls the most tokens it may say."""

    address = "https://api.openai.com/v1"
    media_type = EVENTS

    images_of: Sequence[str] = ("user",)

    def __init__(self, limit: str = "max_tokens") -> None:
        self._limit = limit

    def path(self, model: str) -> str:
        """The same for every model."""
        return "/chat/completions"

    def headers(self, api_key: str | None) -> dict[str, str]:
        """A bearer token, if there is a key."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def body(self, model: str, question: Question) -> Mapping[str, Any]:
        """The JSON of the request; what was not given is left to the server."""
        said = looked_through(question.messages, images_of=self.images_of)
        body: dict[str, Any] = {
            "model": model,
            "messages": [_message(each) for each in said],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if question.tools:
            body["tools"] = functions(question.tools)
        if question.max_tokens is not None:
            body[self._limit] = question.max_tokens
        if question.temperature is not None:
            body["temperature"] = question.temperature
        return with_options(body, question.options)

    def decoder(self, question: Question | None = None) -> ChatDecoder:
        """A decoder for one answer."""
        return ChatDecoder()


def _message(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": said.role, "content": said.text}
    if said.images:
        message["content"] = [
            {"type": "image_url", "image_url": {"url": part.url}}
            if isinstance(part, Image)
            else {"type": "text", "text": part.text}
            for part in said.parts
        ]
    if said.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.json},
            }
            for call in said.calls
        ]
    if said.role == "tool":
        message["tool_call_id"] = said.call_id
    return message


class ChatDecoder(Answer):
    """Turns the bytes of one answer into elements."""

    def __init__(self) -> None:
        super().__init__(EventReader())
        self._keys: dict[int, tuple[int, str]] = {}

    def take(self, event: str, said: dict[str, Any], found: list[Element]) -> None:
        if event == END:
            self.last = self.whole = True
            return
        if said.get("error") or event == "error" or said.get("object") == "error":
            raise refusal(None, said)
        if isinstance(said.get("model"), str):
            self.metadata["model"] = said["model"]
        if isinstance(said.get("usage"), dict):
            self._usage(said["usage"])
        timings = said.get("timings")
        if isinstance(timings, dict) and "predicted_per_second" in timings:
            self.timings["tokens_per_second"] = round(float(timings["predicted_per_second"]), 2)
            self.timings["prompt_ms"] = round(float(timings["prompt_ms"]), 2)
        # several choices are never asked for, and their texts must not be mixed
        for choice in (c for c in said.get("choices") or () if c.get("index", 0) == 0):
            delta = choice.get("delta") or {}
            if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
                self.reasons(reasoning, found)
            for text in (delta.get("content"), delta.get("refusal")):
                if text:
                    self.says(text, found)
            with self.about_a_call():
                for part in delta.get("tool_calls") or ():
                    self._call(part, found)
            if choice.get("finish_reason"):
                self.finish_reason = word(choice["finish_reason"])
                self.whole = True
                self.calls_end(found)

    def _usage(self, usage: dict[str, Any]) -> None:
        self.metadata["usage"] = usage
        self.counts(
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=usage.get("completion_tokens"),
            cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
            reasoning_tokens=(usage.get("completion_tokens_details") or {}).get("reasoning_tokens"),
        )

    def _call(self, part: dict[str, Any], found: list[Element]) -> None:
        index = int(part.get("index") or 0)
        identity = word(part.get("id") or "")
        key = self._keys.setdefault(index, (index, identity))
        if identity and self.call(key).id not in ("", identity):
            # some servers give every call the index 0, and say by a new id that it is another
            key = self._keys[index] = (index, identity)
        call = self.call(key)
        call.id = identity or call.id
        function = part.get("function") or {}
        name = word(function.get("name") or "")
        if name != call.name:  # some say the whole name in each piece
            call.name = word(call.name + name)
        arguments = function.get("arguments") or ""
        # some servers give the object itself
        if call.adds(written(arguments) if isinstance(arguments, dict) else textual(arguments)):
            self.call_ends(key, found)
