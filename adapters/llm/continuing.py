"""One answer out of several attempts at it, of which nothing is given twice.

An attempt goes on behind what was given, or begins anew; then what it repeats is dropped as long as it is the
same, however it is cut. One that says something else makes the answer begin anew: `restarted` is given, and
all that this attempt has said. So what a reader has put together is always the beginning of one answer.

Text and reasoning are compared each with its own. An attempt that goes on with one before it has repeated
all of the other says something else. No attempt follows one that has given a tool call: the tool may run
already, and it must neither be called again nor be called for nothing. Such an answer is closed behind its
calls, and who goes on with their results asks anew. Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rxstream.adapters.llm.answering import MAX_TEXT
from rxstream.models import Delivered, Element
from rxstream.models.ledger import estimated

PIECE: Final = 64 * 1024
"""Characters of one element, when much is given at once."""

_CHANNELS: Final = {"token": "text", "reasoning": "reasoning"}


class _Channel:
    """Text that grows by what is given; an attempt that repeats it is followed to its end."""

    def __init__(self, given: str) -> None:
        self.size = len(given)
        self._parts = [given] if given else []
        self._known = ""
        self.at = 0
        """How much of `_known` was repeated."""

    @property
    def whole(self) -> str:
        """All that was given."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def missing(self) -> bool:
        """Whether there is something left to be repeated."""
        return self.at < len(self._known)

    def expect(self, known: str) -> None:
        """An attempt begins that is going to repeat this first."""
        self._known, self.at = known, 0

    def repeated(self, text: str) -> int:
        """How many characters of the text's beginning only repeat."""
        if not self.missing:
            return 0
        known = self._known
        length = min(len(text), len(known) - self.at)
        if not known.startswith(text[:length], self.at):
            length = next(i for i in range(length) if known[self.at + i] != text[i])
        return length

    def settle(self) -> None:
        """What is left need not be repeated."""
        self.at = len(self._known)

    def give(self, text: str) -> None:
        """More was given."""
        self._parts.append(text)
        self.size += len(text)


class Continuing:
    """Takes what attempts say, gives what is new."""

    def __init__(self, delivered: Delivered | None = None) -> None:
        before = delivered or Delivered()
        self.attempts = 0
        self.replayed = 0
        """Characters that were dropped because they were given before."""
        self.calls = list(before.calls)
        self.tokens = before.tokens
        """Elements of text that were given, of the answer as it is now."""
        self.done: Element | None = None
        self._channels = {
            "text": _Channel(before.text),
            "reasoning": _Channel(before.reasoning),
        }
        self._repeating = False
        """Whether something is left that was given before and has not come again."""
        self._behind = False
        """Whether this attempt was asked to go on behind what was given."""
        self._gave = False
        self._anew = False
        """Whether this attempt began the answer anew."""
        self._said = 0
        """Tokens of this attempt, about."""
        self._lost: list[int] = []
        """Tokens of attempts before, about: nobody tells them."""
        self._order: list[tuple[str, int]] = []
        """What this attempt has repeated: kinds and lengths."""

    @property
    def text(self) -> str:
        """All text that was given."""
        return self._channels["text"].whole

    @property
    def advanced(self) -> bool:
        """Whether this attempt has given something behind what was given before."""
        return self._gave and not self._anew

    @property
    def untouched(self) -> bool:
        """Whether this attempt has said nothing yet."""
        return not self._said

    @property
    def begun(self) -> bool:
        """Whether anything was given, of the answer as it is now."""
        return any(channel.size for channel in self._channels.values()) or bool(self.calls)

    @property
    def can_follow(self) -> bool:
        """Whether another attempt could be compared with what was given."""
        return not self.calls and all(each.size <= MAX_TEXT for each in self._channels.values())

    def prefix(self) -> str | None:
        """Behind what a model would have to go on, None where there is nothing it could go on behind.

        It ends with no white space, because some refuse that; reasoning cannot be given back.
        """
        return None if self._channels["reasoning"].size else self.text.rstrip() or None

    def begin(self, prefix: str | None = None) -> None:
        """An attempt begins: behind this prefix, or from the beginning."""
        if self._said:
            self._lost.append(self._said)
        self.attempts += 1
        self._gave, self._anew, self._said, self._order = False, False, 0, []
        self._behind = prefix is not None
        for name, channel in self._channels.items():
            known = channel.whole
            if prefix is not None:
                known = known[len(prefix) :] if name == "text" else ""
            channel.expect(known)
        self._repeating = any(channel.missing for channel in self._channels.values())

    def take(self, elements: Iterable[Element]) -> list[Element]:
        """What is new of what the attempt says."""
        found: list[Element] = []
        for element in elements:
            kind = element["type"]
            if kind == "token" and not self._repeating and element["text"]:
                text = element["text"]  # the rule below in short: most are such
                self._said += estimated(text)
                self._channels["text"].give(text)
                self.tokens += 1
                self._gave = True
                found.append(element)
            elif kind in _CHANNELS:
                self._said += estimated(element["text"])
                self._text(element, found)
            elif kind == "tool_call":
                self._said += estimated(str(element["arguments"]))
                self._whole_or_anew(found)
                self.calls.append(element)
                found.append(element)
            elif kind == "done":
                self._whole_or_anew(found)
                self.done = self._ended(element)
                found.append(self.done)
            else:
                found.append(element)
        return found

    def close(self, reason: str, why: str) -> Element:
        """The answer's end, decided here: `done` with what was given. No attempt may follow."""
        usage = {"completion_tokens": sum(self._lost) + self._said} if self.attempts else None
        done = {"type": "done", "usage": usage, "timings": {}, "finish_reason": reason}
        self.done = self._ended({**done, "metadata": {"cut": why}}, closed=True)
        return self.done

    # -- the rule ------------------------------------------------------------------------------

    def _text(self, element: Element, found: list[Element]) -> None:
        text, kind = element["text"], element["type"]
        channel = self._channels[_CHANNELS[kind]]
        same = channel.repeated(text)
        rest = text[same:]
        if same:
            channel.at += same
            self.replayed += same
            if self._order and self._order[-1][0] == kind:
                same += self._order.pop()[1]
            self._order.append((kind, same))
        if rest:
            if channel.missing and self._behind:
                channel.settle()  # white space at the seam: what was given stays as it is
            self._whole_or_anew(found)
            self._give(element, rest, found)
        self._repeating = any(channel.missing for channel in self._channels.values())

    def _give(self, element: Element, text: str, found: list[Element]) -> None:
        self._channels[_CHANNELS[element["type"]]].give(text)
        self.tokens += element["type"] == "token"
        self._gave = True
        found.append({**element, "text": text})

    def _whole_or_anew(self, found: list[Element]) -> None:
        """Something follows: if not all was repeated that was given, this is another answer."""
        if self._behind or not any(channel.missing for channel in self._channels.values()):
            return
        at = self._channels["text"].at
        found.append(
            {
                "type": "restarted",
                "message": f"the model said something else behind {at} characters: the answer begins anew",
            }
        )
        said = {name: channel.whole[: channel.at] for name, channel in self._channels.items()}
        self._channels = {name: _Channel("") for name in said}
        self.tokens = 0
        self.replayed -= sum(map(len, said.values()))
        taken = dict.fromkeys(said, 0)
        for kind, length in self._order:
            name = _CHANNELS[kind]
            start = taken[name]
            taken[name] = end = start + length
            for first in range(start, end, PIECE):
                piece = said[name][first : min(first + PIECE, end)]
                self._give({"type": kind}, piece, found)
        self._order = []
        self._anew = True

    def _ended(self, done: Element, closed: bool = False) -> Element:
        metadata = dict(done.get("metadata") or {})
        usage = done["usage"] if closed else self._summed(done.get("usage"), metadata)
        metadata["attempts"], metadata["replayed"] = self.attempts, self.replayed
        text = self.text
        metadata["truncated"] = len(text) > MAX_TEXT
        return {**done, "text": text[:MAX_TEXT], "usage": usage, "metadata": metadata}

    def _summed(self, told: Mapping[str, Any] | None, metadata: dict[str, Any]) -> Any:
        """What all attempts used; what was not told is guessed, and that is said."""
        if not self._lost or told is None:
            return told
        metadata["estimated"] = True
        prompt = told.get("prompt_tokens") or 0
        completion = told.get("completion_tokens") or 0
        usage = {
            **told,
            "prompt_tokens": prompt * (1 + len(self._lost)),
            "completion_tokens": completion + sum(self._lost),
        }
        if "total_tokens" in told:
            usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
        return usage
