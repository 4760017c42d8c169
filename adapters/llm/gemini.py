"""The wire format of Gemini's `streamGenerateContent`.

The answer is server-sent events without names, each a piece of a response; the format has no last event, so
an answer is whole when a piece gave a finish reason, and ends with the bytes. Calls come whole. A thought's
signature is carried with the call it came with, because the provider refuses the call without. Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from rxstream.adapters.llm.answering import Answer, word, written
from rxstream.adapters.llm.errors import ModelError, refusal
from rxstream.adapters.llm.messages import (
    Image,
    Said,
    carried,
    checked,
    in_turns,
    looked_through,
    parted,
    provided,
    with_options,
)
from rxstream.adapters.llm.reading import END, EVENTS, EventReader
from rxstream.models import Element, Question


class Gemini:
    """`POST /v1beta/models/MODEL:streamGenerateContent?alt=sse`."""

    address = "https://generativelanguage.googleapis.com"
    media_type = EVENTS

    def path(self, model: str) -> str:
        """Names the model."""
        name = quote(model.removeprefix("models/"), safe="")
        return f"/v1beta/models/{name}:streamGenerateContent?alt=sse"

    def headers(self, api_key: str | None) -> dict[str, str]:
        """The key, if there is one."""
        return {"x-goog-api-key": api_key} if api_key else {}

    def body(self, model: str, question: Question) -> Mapping[str, Any]:
        """The JSON of the request. Messages of one role that follow each other become one."""
        system, said = parted(looked_through(question.messages, images_of=("user",)))
        turns = in_turns(said, "model", _parts)
        body: dict[str, Any] = {
            "contents": [{"role": role, "parts": parts} for role, parts in turns]
        }
        if system:
            body["systemInstruction"] = {"parts": [{"text": system}]}
        if question.tools:
            declared = [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "parametersJsonSchema": dict(tool.parameters),
                }
                for tool in checked(question.tools)
            ]
            body["tools"] = [{"functionDeclarations": declared}]
        limits = {
            "maxOutputTokens": question.max_tokens,
            "temperature": question.temperature,
        }
        config = {name: value for name, value in limits.items() if value is not None}
        if config:
            body["generationConfig"] = config
        return with_options(body, question.options)

    def decoder(self, question: Question | None = None) -> GeminiDecoder:
        """A decoder for one answer."""
        return GeminiDecoder()


def _parts(said: Said) -> list[dict[str, Any]]:
    if said.role == "tool":
        answer = {"name": said.name, "response": {"output": said.text}}
        return [{"functionResponse": {**provided(said.call_id), **answer}}]
    parts: list[dict[str, Any]] = [
        {"inlineData": {"mimeType": part.media_type, "data": part.base64}}
        if isinstance(part, Image)
        else {"text": part.text}
        for part in said.parts
    ]
    for call in said.calls:
        part: dict[str, Any] = {
            "functionCall": {**provided(call.id), "name": call.name, "args": dict(call.object)}
        }
        if signature := carried(call, "gemini"):
            part["thoughtSignature"] = signature
        parts.append(part)
    return parts


class GeminiDecoder(Answer):
    """Turns the bytes of one answer into elements."""

    def __init__(self) -> None:
        super().__init__(EventReader())

    def take(self, event: str, said: dict[str, Any], found: list[Element]) -> None:
        if event == END:
            return
        if said.get("error"):
            raise refusal(None, said)
        if isinstance(said.get("modelVersion"), str):
            self.metadata["model"] = said["modelVersion"]
        if isinstance(said.get("usageMetadata"), dict):
            self._counted(said["usageMetadata"])
        candidates = said.get("candidates") or ()
        if not candidates and (why := (said.get("promptFeedback") or {}).get("blockReason")):
            raise ModelError(f"the question was refused: {why}", code="content_filter")
        # several candidates are never asked for, and their texts must not be mixed
        for candidate in (c for c in candidates if c.get("index", 0) == 0):
            for part in (candidate.get("content") or {}).get("parts") or ():
                self._part(part, found)
            if candidate.get("finishReason"):
                self.finish_reason = word(candidate["finishReason"])
                self.whole = True

    def _part(self, part: dict[str, Any], found: list[Element]) -> None:
        if text := part.get("text"):
            (self.reasons if part.get("thought") else self.says)(text, found)
        asked = part.get("functionCall")
        if not asked:
            return
        key = self._called
        with self.about_a_call():
            call = self.call(key)
            call.id, call.name = word(asked.get("id") or ""), word(asked["name"])
            if signature := part.get("thoughtSignature"):
                call.carry = {"gemini": signature}
            call.adds(written(asked.get("args") or {}))
            self.call_ends(key, found)

    def _counted(self, usage: dict[str, Any]) -> None:
        self.metadata["usage"] = usage
        said, thought = usage.get("candidatesTokenCount"), usage.get("thoughtsTokenCount")
        self.counts(
            prompt_tokens=usage.get("promptTokenCount"),
            completion_tokens=None if said is None is thought else (said or 0) + (thought or 0),
            cached_tokens=usage.get("cachedContentTokenCount"),
            reasoning_tokens=thought,
        )
