"""Calls of tools as a person follows them: what was asked, the end of what the tool says, how it ended.

The same elements always give the same calls. Bounded: so many calls, and of the output of each its last
lines. What is kept is as it came; whoever shows it makes it printable. Must not know how it is drawn.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from rxstream.adapters.terminal.text import brief

LINES: Final = 8
"""Lines of a call's output that are kept, the last ones."""

MOST: Final = 256
"""Calls under way that are known; of more the oldest are forgotten."""

_LINE: Final = 1_000
_ASKED: Final = 200

CallState = Literal["running", "done", "failed", "cancelled"]

KINDS: Final = frozenset({"tool_call", "tool_output", "tool_result"})
"""The types of elements that are about calls."""


@dataclass(eq=False)
class CallView:
    """What is known of one call."""

    node: str
    name: str
    asked: str
    began: float | None
    state: CallState = "running"
    ended: float | None = None
    doing: str = ""
    percentage: float | None = None
    gave: str = ""
    """What came of it, in a few words."""
    lines: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=LINES))
    """The end of its output: channels and lines."""
    _open: bool = False
    """Whether the last line may still grow."""

    def say(self, channel: str, text: str) -> None:
        """More output."""
        for piece in text[-LINES * _LINE :].splitlines(keepends=True):
            before = ""
            if self._open and self.lines and self.lines[-1][0] == channel:
                before = self.lines.pop()[1]
            # what a command draws over is not shown
            self._open = not piece.endswith("\n")
            fresh = "" if before.endswith("\r") else before
            self.lines.append((channel, (fresh + piece.rstrip("\n"))[:_LINE]))

    def seconds(self, now: float) -> float | None:
        """How long it took, or has taken."""
        if self.began is None:
            return None
        return max((now if self.ended is None else self.ended) - self.began, 0.0)

    def end(self, element: Mapping[str, Any], at: float) -> None:
        """Its result is there."""
        self.ended = at
        error, result = element.get("error"), element.get("result")
        if isinstance(error, Mapping):
            self.state = "cancelled" if error.get("code") == "cancelled" else "failed"
            self.gave = str(error.get("message") or error.get("code") or "failed")
        elif failed := how_it_failed(result):
            self.state, self.gave = "failed", failed
        else:
            self.state = "done"
            well = isinstance(result, Mapping) and result.get("exit_code") == 0
            self.gave = "" if well else _words(element.get("brief"), result)

    def give_up(self, at: float) -> None:
        """The run has ended, and it with it."""
        self.ended, self.state = at, "cancelled"


def how_it_failed(result: Any) -> str:
    """In a few words, of a result that says itself that what was wanted failed: a command's."""
    if not isinstance(result, Mapping):
        return ""
    if isinstance(reason := result.get("ended_by"), str):
        return "it was cancelled" if reason == "cancelled" else f"ended by its limit of {reason}"
    code = result.get("exit_code")
    return f"exit code {code}" if isinstance(code, int) and code else ""


class Calls:
    """The calls of a run that are under way, oldest first."""

    def __init__(self) -> None:
        self._running: OrderedDict[tuple[str, str], CallView] = OrderedDict()

    def __iter__(self) -> Iterator[CallView]:
        return iter(self._running.values())

    def take(self, node: str, element: Mapping[str, Any], at: float) -> CallView | None:
        """The next element about a call; the call, once it has ended."""
        key = (node, str(element.get("id")))
        kind = element["type"]
        if kind == "tool_call":
            self._begin(key, element, at)
            return None
        call = self._running.get(key) or self._begin(key, element, None)
        if kind == "tool_result":
            call.end(element, at)
            return self._running.pop(key)
        channel, text = str(element.get("channel")), str(element.get("text") or "")
        if channel == "progress":
            percentage = element.get("percentage")
            call.percentage = percentage if isinstance(percentage, int | float) else None
            call.doing = text
        else:
            call.say(channel, text)
        return None

    def give_up(self, at: float) -> list[CallView]:
        """The run has ended: those that had not."""
        left = list(self)
        for call in left:
            call.give_up(at)
        self._running.clear()
        return left

    def _begin(
        self, key: tuple[str, str], element: Mapping[str, Any], at: float | None
    ) -> CallView:
        name = str(element.get("name") or f"call {key[1]}")
        call = self._running[key] = CallView(key[0], name, _asked(element.get("arguments")), at)
        if len(self._running) > MOST:
            self._running.popitem(last=False)
        return call


def _asked(arguments: Any) -> str:
    """What it was given: one text as it is, of several each with its name."""
    if arguments is None:
        return ""
    if not isinstance(arguments, Mapping):
        return brief(arguments, _ASKED)
    values = list(arguments.items())
    if len(values) == 1 and isinstance(values[0][1], str):
        return brief(values[0][1], _ASKED)
    return brief(" ".join(f"{name}={brief(value, 80)}" for name, value in values), _ASKED)


def _words(told: Any, result: Any) -> str:
    if isinstance(told, str) and told.strip():
        return told.strip().partition("\n")[0]
    return "" if result is None else brief(result, _ASKED)
