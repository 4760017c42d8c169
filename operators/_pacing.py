"""Units that decide by the clock when something goes on: text that is joined, elements that are held back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rxstream.errors import AuthorError
from rxstream.operators._draining import Draining
from rxstream.operators._timing import Timed

_SAME: Final = 1e-9
"""Part of a token that a sum of seconds may lack."""


class Paced(Timed, Draining):
    """One input, one timer, and an error behind what is pending."""


class CoalesceText(Paced):
    """Strings joined until enough is there or it has waited long enough; the rule is in `coalesce_text`."""

    def __init__(self, min_chars: int, max_delay: float, max_bytes: int) -> None:
        super().__init__()
        self.min_chars = min_chars
        self.max_delay = max_delay
        self.max_bytes = max_bytes
        self._parts: list[str] = []
        self._chars = 0
        self._bytes = 0
        self._since = 0.0
        """When the first waiting character came."""
        self._due = False
        """Whether it has waited long enough."""

    def start(self) -> None:
        # restored: what was left of the time is counted from now on
        self._since += self.runtime.now()
        self._plan()

    def wants(self) -> int:
        # one at a time, so that no more is held than fits
        return 0 if self.pending else 1

    def take(self, items: Sequence[Any]) -> None:
        for text in items:
            if isinstance(text, str):
                self._add(text)
                continue
            self._let_go()
            error = AuthorError(
                f"coalesce_text takes str, not {type(text).__name__}: see decode_utf8",
                code="wrong_element",
            )
            self.break_off(error, own=True)

    def step(self) -> bool:
        released = self._release()
        return (super().step() or released) and not self.closed

    def rang(self) -> None:
        self._due = True

    def end(self) -> None:
        self.over = True
        self._let_go()

    def interrupted(self) -> None:
        self._let_go()

    # -- the rule ------------------------------------------------------------------------------

    def delay(self) -> float:
        """How long the first character may wait, in seconds, with as many as there are."""
        if self._chars >= self.min_chars:
            return 0.0
        return self.max_delay * (1 - (self._chars - 1) / (2 * (self.min_chars - 1)))

    def _add(self, text: str) -> None:
        length = size(text)
        if self._bytes + length > self.max_bytes:
            self._let_go()
            cut = pieces(text, self.max_bytes) if length > self.max_bytes else [text]
            self.pending.extend(cut[:-1])
            text = cut[-1]
            length = size(text)
        if not text:
            return
        if not self._parts:
            self._since = self.runtime.now()
        self._parts.append(text)
        self._chars += len(text)
        self._bytes += length
        self._plan()
        self._release()

    def _plan(self) -> None:
        """Have the timer ring when what is there is due."""
        if not self._parts or self._due:
            return
        left = self._since + self.delay() - self.runtime.now()
        if left > 0:
            self.alarm(left)
        else:
            self.quiet()
            self._due = True

    def _release(self) -> bool:
        """Let it go on if it is due and there is room; until then more may join it."""
        if not self._due or self.pending or self.credit() <= 0:
            return False
        self._let_go()
        return True

    def _let_go(self) -> None:
        self.quiet()
        if self._parts:
            self._give("".join(self._parts))
        self._parts, self._chars, self._bytes, self._due = [], 0, 0, False

    def _give(self, text: str) -> None:
        """This goes on."""
        self.pending.append(text)

    # -- its state -----------------------------------------------------------------------------

    def state(self) -> Any:
        waited = self.runtime.now() - self._since if self._parts else 0.0
        return ("".join(self._parts), waited, self._due)

    def go_on(self, state: Any) -> None:
        text, waited, self._due = state
        self._parts = [text] if text else []
        self._chars, self._bytes, self._since = len(text), size(text), -waited


class RateLimit(Paced):
    """Elements as tokens allow: `burst` at most, one more each `interval` seconds."""

    def __init__(self, interval: float, burst: int) -> None:
        super().__init__()
        self.interval = interval
        self.burst = burst
        self._full_at = 0.0
        """When every token will be back."""

    def start(self) -> None:
        # restored: the seconds that were left are counted from now on
        self._full_at += self.runtime.now()

    def tokens(self) -> int:
        """How many elements may go on now."""
        missing = max(0.0, self._full_at - self.runtime.now()) / self.interval
        return int(self.burst - missing + _SAME)

    def wants(self) -> int:
        return min(self.credit(), self.tokens())

    def take(self, items: Sequence[Any]) -> None:
        self._full_at = max(self._full_at, self.runtime.now()) + len(items) * self.interval
        self.pending.extend(items)

    def step(self) -> bool:
        moved = super().step()
        if not self.closed and len(self.edge) and self._handle is None and self.tokens() < 1:
            due = self._full_at - (self.burst - 1) * self.interval
            self.alarm(due - self.runtime.now())
        return moved

    def state(self) -> Any:
        return max(0.0, self._full_at - self.runtime.now())

    def go_on(self, state: Any) -> None:
        self._full_at = state


def size(text: str) -> int:
    """Its bytes in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def pieces(text: str, limit: int) -> list[str]:
    """The text in pieces of at most so many bytes of UTF-8, cut between characters."""
    data = text.encode("utf-8", "surrogatepass")
    found = []
    start = 0
    while start < len(data):
        end = min(start + limit, len(data))
        # a byte of the form 10xxxxxx goes on with a character
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        found.append(data[start:end].decode("utf-8", "surrogatepass"))
        start = end
    return found
