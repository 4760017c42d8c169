"""What every decoder of an answer keeps: its text, its tool calls, and how it ended.

A dialect's decoder subclasses `Answer` and says what one object of the wire means. An answer counts as
whole when its format's ending came; anything shorter raises, so a cut answer never looks like a short
one. An object that is not what it should be is skipped and counted. Sans-I/O. Must not know any provider.
"""

from __future__ import annotations

import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import orjson

from rxstream.adapters.llm.errors import ModelError
from rxstream.adapters.llm.reading import Reader, Said
from rxstream.errors import WorldError
from rxstream.models import Element

MAX_TEXT: Final = 1024 * 1024 - 64 * 1024
"""Characters kept for `done`, and of one call's arguments: an event is at most 1 MiB."""
MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of one answer, which bounds whatever is kept of it."""
MAX_CALLS: Final = 256
"""Tool calls of one answer."""
MAX_WORD: Final = 1_000
"""Characters of a name, an id or a reason."""
MAX_SKIPPED: Final = 10_000
"""Lines and events of one answer that were not what they should be; what has more is no answer."""
PIECE: Final = 64 * 1024
"""Characters of one element of text."""
_MOST_TOKENS: Final = 10**12
SLICE: Final = 64 * 1024
"""Bytes that are decoded at once: what a decoder takes longer for holds everybody else up."""

FINISH_REASONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("end_turn", "stop_sequence", "completed"), "stop"),
    **dict.fromkeys(("max_tokens", "max_output_tokens", "model_context_window_exceeded"), "length"),
    **dict.fromkeys(("function_call", "tool_use"), "tool_calls"),
    **dict.fromkeys(
        ("refusal", "safety", "recitation", "blocklist", "spii", "prohibited_content"),
        "content_filter",
    ),
}
"""What providers call the four ways to finish, in small letters; another word is given as it is."""

OUR_ID: Final = "rxs_"
"""What the id of a call begins with that its provider gave none."""

_HALF = re.compile("[\ud800-\udfff]")

_WRONG: Final = (
    *(ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError),
)
"""What says that an object is not what it should be."""


class Answer(ABC):
    """Turns the bytes of one answer into elements."""

    def __init__(self, reader: Reader) -> None:
        self.last = False
        """Whether the last event came."""
        self.begun = False
        """Whether the model has said anything, be it the beginning of a call."""
        self.whole = False
        """Whether enough came to know that nothing of the answer is missing."""
        self.usage: dict[str, int] = {}
        self.timings: dict[str, float] = {}
        self.finish_reason: str | None = None
        self.metadata: dict[str, Any] = {"model": None}
        self._reader = reader
        self._wrong: ModelError | None = None
        self._bytes = 0
        self._text: list[str] = []
        self._size = 0
        self._half = {"token": "", "reasoning": ""}
        """A first half of a character whose second one has not come."""
        self._calls: dict[Any, Call] = {}
        self._mark = secrets.token_hex(4)
        self._called = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more has to be read: the last event came, or what is wrong."""
        return self.last or self._wrong is not None

    @abstractmethod
    def take(self, event: str, said: dict[str, Any], found: list[Element]) -> None:
        """One object of the wire; what it completes is appended to `found`.

        A `TypeError`, `KeyError`, `ValueError` or `AttributeError` says that it is not what it should be.
        """

    def feed(self, chunk: bytes) -> list[Element]:
        """The elements this chunk completes. What is wrong is raised by `finish`, after what was right."""
        said: list[Said] = []
        found: list[Element] = []
        wrong: WorldError | None = None
        self._bytes += len(chunk)
        try:
            if self._bytes > MAX_BYTES:
                raise WorldError(f"it has more than {MAX_BYTES} bytes")
            self._reader.feed(chunk, said)
        except WorldError as error:
            wrong = error
        self._take(said, found)
        if wrong is None and self._reader.malformed > MAX_SKIPPED:
            wrong = WorldError(
                f"more than {MAX_SKIPPED:,} of its lines are not what they should be"
            )
        if wrong is not None and not self.ended:
            self._wrong = ModelError(f"the model's answer cannot be read: {wrong}")
        return found

    def feed_object(self, said: Mapping[str, Any]) -> list[Element]:
        """The elements that one object of the wire completes, for whoever has read the bytes already."""
        found: list[Element] = []
        self._take([("", dict(said))], found)
        return found

    def finish(self) -> list[Element]:
        """What is left, and `done`. Raises `ModelError` when the answer failed or has no ending."""
        said: list[Said] = []
        found: list[Element] = []
        self._reader.finish(said)
        self._take(said, found)
        if self._wrong is not None:
            raise self._wrong
        if not self.whole:
            raise ModelError(
                f"the model's answer broke off after {self._size} characters",
                code="answer_cut",
                retryable=True,
            )
        for kind, half in self._half.items():
            if half:
                self._half[kind] = ""
                self._gives(kind, "\ufffd", found)
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
                    **{name: value for name, value in self.metadata.items() if has_json(value)},
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
            except ModelError as error:
                self._wrong = error
            except _WRONG as error:
                # a shape no provider promises: skip it as if it were not JSON
                self._reader.skip(error)

    def _reason(self, raw: str | None) -> str | None:
        if raw is None:
            return None
        reason = FINISH_REASONS.get(raw.lower(), raw.lower())
        # some say "stop" after a call: what matters to whoever goes on is that there are calls
        return "tool_calls" if reason == "stop" and self._called else reason

    # -- what decoders say -----------------------------------------------------------------------

    def says(self, text: Any, found: list[Element]) -> None:
        """More of the answer."""
        self._gives("token", textual(text), found)

    def reasons(self, text: Any, found: list[Element]) -> None:
        """More of what it thinks."""
        self._gives("reasoning", textual(text), found)

    @contextmanager
    def about_a_call(self) -> Generator[None]:
        """Inside, what is not what it should be fails the answer: a call is whole, or it is not made."""
        try:
            yield
        except _WRONG as error:
            raise ModelError(
                f"a tool call of the model cannot be read: {str(error)[:200]}",
                code="model_failed",
                retryable=True,
            ) from error

    def _gives(self, kind: str, text: str, found: list[Element]) -> None:
        if not text.isascii() or self._half[kind]:
            text, self._half[kind] = whole_characters(self._half[kind] + text)
        if not text:
            return
        self.begun = True
        if kind == "token":
            if self._size <= MAX_TEXT:
                self._text.append(text)
            self._size += len(text)
        for start in range(0, len(text), PIECE):
            found.append({"type": kind, "text": text[start : start + PIECE]})

    def counts(self, **usage: Any) -> None:
        """How many tokens, by our names; None is not known."""
        counted = {name: int(n) for name, n in usage.items() if n is not None}
        if any(not 0 <= n <= _MOST_TOKENS for n in counted.values()):
            raise ValueError("no answer has that many tokens")
        self.usage |= counted

    def call(self, key: Any) -> Call:
        """The call with that key of the wire; a new one if it is not there."""
        found = self._calls.get(key)
        if found is None:
            if self._called >= MAX_CALLS:
                raise ModelError(f"the model calls more than {MAX_CALLS} tools in one answer")
            self._called += 1
            self.begun = True
            found = self._calls[key] = Call(f"{OUR_ID}{self._mark}_{self._called}")
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

    def __init__(self, own_id: str) -> None:
        self.id = ""
        """The provider's; our own is given where it says none."""
        self.name = ""
        self.carry: Any = None
        """What the provider wants back with the call, as it gave it."""
        self.given = False
        self._own_id = own_id
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
        if not self.name:
            raise ModelError(
                "the model calls a tool without a name", code="model_failed", retryable=True
            )
        text, half = whole_characters("".join(self._parts))
        arguments = parsed(text + "\ufffd" * bool(half))
        identity = self.id or self._own_id
        element = {"type": "tool_call", "id": identity, "name": self.name, "arguments": arguments}
        if self.carry is None:
            return element
        if not has_json(self.carry):
            raise ModelError("what goes along with a call of the model has no JSON form")
        return {**element, "carry": self.carry}


def parsed(arguments: str) -> dict[str, Any] | str:
    """The object, or the text where it is none. Nothing at all is an object without fields."""
    if not arguments.strip():
        return {}
    try:
        value = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    return value if isinstance(value, dict) and has_json(value) else arguments


def written(arguments: Any) -> str:
    """Arguments that came as an object, as its JSON. Raises `ValueError`."""
    if not isinstance(arguments, Mapping) or not has_json(arguments):
        raise ValueError("its arguments are no object that has a JSON form")
    return orjson.dumps(arguments).decode()


def has_json(value: Any) -> bool:
    """Whether it can be written as JSON: what was read may be nested too deep, or hold half a character."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def whole_characters(text: str) -> tuple[str, str]:
    """The text with halves of characters put together, and the half it ends with.

    Servers that count in UTF-16 cut a character in two and write each half as an escape of its own. A half
    that is left alone becomes U+FFFD, since no encoding has it.
    """
    if _HALF.search(text) is None:
        return text, ""
    half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
    units = text[: len(text) - len(half)].encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace"), half


def textual(value: Any) -> str:
    """The value, if it is a text. Raises `TypeError`."""
    if not isinstance(value, str):
        raise TypeError(f"a text was due, not {type(value).__name__}")
    return value


def word(value: Any) -> str:
    """The value, if it is a short text: a name, an id, a reason. Raises `TypeError`, `ValueError`."""
    text = textual(value)
    if len(text) > MAX_WORD:
        raise ValueError(f"a name or an id has {len(text):,} characters")
    return text.encode(errors="replace").decode()
