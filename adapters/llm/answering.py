"""What every decoder of an answer keeps: its text, its tool calls, and how it ended.

A dialect's decoder subclasses `Answer` and says what one object of the wire means. An answer counts as
whole when its format's ending came; anything shorter raises, so a cut answer never looks like a short
one. An object that is not what it should be is skipped and counted. Sans-I/O. Must not know any provider.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

import orjson

from rxstream.adapters.llm.errors import ModelError
from rxstream.adapters.llm.reading import Reader, Said
from rxstream.errors import WorldError
from rxstream.models import Element

MAX_TEXT: Final = 1024 * 1024 - 64 * 1024
"""Characters kept for `done`, and of one call's arguments: an event is at most 1 MiB."""
MAX_CALLS: Final = 256
"""Tool calls of one answer."""

FINISH_REASONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "STOP", "completed", "load"), "stop"),
    **dict.fromkeys(
        (
            "length",
            "max_tokens",
            "MAX_TOKENS",
            "max_output_tokens",
            "model_context_window_exceeded",
        ),
        "length",
    ),
    **dict.fromkeys(("tool_calls", "function_call", "tool_use"), "tool_calls"),
    **dict.fromkeys(
        (
            *("content_filter", "refusal", "SAFETY", "RECITATION", "BLOCKLIST", "SPII"),
            *("PROHIBITED_CONTENT", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "LANGUAGE"),
        ),
        "content_filter",
    ),
}
"""What providers call the four ways to finish; another word is given as it is, in small letters."""


class Answer(ABC):
    """Turns the bytes of one answer into elements."""

    def __init__(self, reader: Reader) -> None:
        self.ended = False
        """Whether the last event came."""
        self.whole = False
        """Whether enough came to know that nothing of the answer is missing."""
        self.usage: dict[str, int] = {}
        self.timings: dict[str, float] = {}
        self.finish_reason: str | None = None
        self.metadata: dict[str, Any] = {"model": None}
        self._reader = reader
        self._text: list[str] = []
        self._size = 0
        self._calls: dict[Any, Call] = {}
        self._called = 0

    @abstractmethod
    def take(self, event: str, said: dict[str, Any], found: list[Element]) -> None:
        """One object of the wire; what it completes is appended to `found`.

        A `TypeError`, `KeyError`, `ValueError` or `AttributeError` says that it is not what it should be.
        """

    def feed(self, chunk: bytes) -> list[Element]:
        """The elements this chunk completes. Raises `ModelError`."""
        found: list[Element] = []
        try:
            said = self._reader.feed(chunk)
        except WorldError as error:
            raise ModelError(f"the model's answer cannot be read: {error}") from None
        self._take(said, found)
        return found

    def finish(self) -> list[Element]:
        """What is left, and `done`. Raises `ModelError` when the answer has no ending."""
        found: list[Element] = []
        self._take(self._reader.finish(), found)
        if not self.whole:
            raise ModelError(
                f"the model's answer broke off after {self._size} characters",
                code="answer_cut",
                retryable=True,
            )
        self.calls_end(found)
        raw = self.finish_reason
        found.append(
            {
                "type": "done",
                "text": "".join(self._text)[:MAX_TEXT],
                "usage": self.usage or None,
                "timings": self.timings,
                "finish_reason": self._reason(raw),
                "metadata": {
                    **self.metadata,
                    "finish_reason": raw,
                    "malformed": self._reader.malformed,
                    "truncated": self._size > MAX_TEXT,
                },
            }
        )
        return found

    def _take(self, said: list[Said], found: list[Element]) -> None:
        for event, value in said:
            if self.ended:
                return
            try:
                self.take(event, value, found)
            except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                # a shape no provider promises: skip it as if it were not JSON
                self._reader.skip(error)

    def _reason(self, raw: str | None) -> str | None:
        if raw is None:
            return None
        reason = FINISH_REASONS.get(raw, raw.lower())
        # some say "stop" after a call: what matters to whoever goes on is that there are calls
        return "tool_calls" if reason == "stop" and self._called else reason

    # -- what decoders say -----------------------------------------------------------------------

    def says(self, text: Any, found: list[Element]) -> None:
        """More of the answer."""
        text = textual(text)
        if text:
            if self._size <= MAX_TEXT:
                self._text.append(text)
            self._size += len(text)
            found.append({"type": "token", "text": text})

    def reasons(self, text: Any, found: list[Element]) -> None:
        """More of what it thinks."""
        if textual(text):
            found.append({"type": "reasoning", "text": text})

    def counts(self, **usage: Any) -> None:
        """How many tokens, by our names; None is not known."""
        self.usage.update({name: int(n) for name, n in usage.items() if n is not None})

    def call(self, key: Any) -> Call:
        """The call with that key of the wire; a new one if it is not there."""
        found = self._calls.get(key)
        if found is None:
            if self._called >= MAX_CALLS:
                raise ModelError(f"the model calls more than {MAX_CALLS} tools in one answer")
            self._called += 1
            found = self._calls[key] = Call(self._called)
        return found

    def call_ends(self, key: Any, found: list[Element]) -> None:
        """Give the call, unless it was given or never began."""
        call = self._calls.get(key)
        if call is not None and not call.given:
            call.given = True
            found.append(call.element())

    def calls_end(self, found: list[Element]) -> None:
        """Give every call that was not given."""
        for key in self._calls:
            self.call_ends(key, found)


class Call:
    """One tool call, as it comes."""

    def __init__(self, number: int) -> None:
        self.id = ""
        """The provider's; one of ours is given where it says none."""
        self.name = ""
        self.carry: Any = None
        """What the provider wants back with the call, as it gave it."""
        self.given = False
        self._number = number
        self._parts: list[str] = []
        self._size = 0
        self._depth = 0
        self._in_text = False
        self._escaped = False

    @property
    def empty(self) -> bool:
        """Whether nothing of its arguments came."""
        return self._size == 0

    def adds(self, part: str) -> bool:
        """More of its arguments; whether they are a whole object now."""
        if self.given:
            if part.strip():
                raise ValueError("a tool call went on after its end")
            return False
        self._size += len(part)
        if self._size > MAX_TEXT:
            raise ModelError(
                f"the arguments of {self.name[:80]} have more than {MAX_TEXT} characters"
            )
        self._parts.append(part)
        whole = False
        for character in part:
            if self._escaped:
                self._escaped = False
            elif self._in_text:
                self._in_text = character != '"'
                self._escaped = character == "\\"
            elif character == '"':
                self._in_text = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                whole = self._depth == 0
            elif whole and not character.isspace():
                whole = False
        return whole

    def element(self) -> Element:
        """The call as it is given on."""
        arguments = parsed("".join(self._parts))
        identity = self.id or f"call_{self._number}"
        element = {"type": "tool_call", "id": identity, "name": self.name, "arguments": arguments}
        return element if self.carry is None else {**element, "carry": self.carry}


def parsed(arguments: str) -> dict[str, Any] | str:
    """The object, or the text where it is none. Nothing at all is an object without fields."""
    if not arguments.strip():
        return {}
    try:
        value = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    return value if isinstance(value, dict) else arguments


def textual(value: Any) -> str:
    """The value, if it is a text. Raises `TypeError`."""
    if not isinstance(value, str):
        raise TypeError(f"a text was due, not {type(value).__name__}")
    return value
