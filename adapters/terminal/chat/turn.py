"""One question and its answer, folded from the events of one execution.

The same events always give the same turn, live, after a crash or in a replay; an event that was folded
already is passed over, so nothing is shown twice. Sans-I/O: must not know logs, engines or screens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from rxstream.adapters.terminal.calls import how_it_failed
from rxstream.adapters.terminal.chat.blocks import Block, Call, Note, Request, Text
from rxstream.adapters.terminal.chat.toolbox import SIDE_BY_SIDE
from rxstream.events import EventType, StreamEvent
from rxstream.tools.telling import told

TurnStatus: TypeAlias = Literal[
    "queued", "running", "waiting", "completed", "failed", "cancelled", "interrupted"
]

_SILENCE_S: Final = 10.0
"""Seconds between two pieces in which nobody spoke."""

_TURN: Final = re.compile(r"turn \d+: \S+$")

_TOKEN_CHARACTERS: Final = 4
"""About as many characters has a token; only for what is counted before the model said its number."""

_ENDINGS: Final[Mapping[str, TurnStatus]] = {
    "interrupted": "interrupted",
    "graph_changed": "interrupted",
    "given_up": "cancelled",
}
"""How a turn ended whose process died, by the error's code."""

_ENDED: Final = frozenset({"completed", "failed", "cancelled", "interrupted"})


class Turn:
    """What a person asked and what came. `apply` is the only way to change it."""

    def __init__(self, question: str, model: str = "", execution_id: str = "") -> None:
        self.question = question
        self.model = model
        self.execution_id = execution_id
        self.status: TurnStatus = "queued"
        self.blocks: list[Block] = []
        self.requests: dict[str, Request] = {}
        """Questions to the person that are open, oldest first."""
        self.joining: list[str] = []
        """What the person sent meanwhile and the model was not told yet."""
        self.doing = ""
        """What it is busy with, in words of the model's or a tool's."""
        self.percentage: float | None = None
        self.error: str | None = None
        self.usage: dict[str, int] = {}
        self.seconds: float | None = None
        """How long all of it took."""
        self.after = 0
        """The number of the event folded last."""
        self.version = 0
        self.replayed = False
        """Whether it is shown again."""
        self._characters = 0
        self._characters_counted = 0
        """Of them those whose tokens the model has told."""
        self._speaking_s = 0.0
        self._spoke_at: float | None = None
        self._answer = 0
        """Where the blocks of the model's present answer begin."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in _ENDED

    @property
    def text(self) -> str:
        """The answer's text, without thoughts and tools."""
        said = [
            block.text for block in self.blocks if isinstance(block, Text) and block.kind == "text"
        ]
        return "\n\n".join(said)

    @property
    def tokens(self) -> int:
        """What the model wrote, in its own count; about, until it has said it."""
        uncounted = self._characters - self._characters_counted
        return self.usage.get("completion_tokens", 0) + round(uncounted / _TOKEN_CHARACTERS)

    @property
    def exact(self) -> bool:
        """Whether the model itself said how many tokens it wrote."""
        return self._characters == self._characters_counted

    @property
    def tokens_per_second(self) -> float | None:
        """While it spoke; None until there is something to say."""
        return self.tokens / self._speaking_s if self._speaking_s > 0.25 else None

    def broken(self, message: str, *, cancelled: bool = False) -> None:
        """It ended without an event that says so."""
        if not self.ended:
            self.error = None if cancelled else message
            self._end("cancelled" if cancelled else "failed", None)
            self.version += 1

    def wakes(self) -> None:
        """Another process goes on with it."""
        self.doing, self.percentage, self._spoke_at = "", None, None
        self.version += 1

    # -- events --------------------------------------------------------------------------------

    def apply(self, event: StreamEvent) -> bool:
        """Take the next event in; whether it was new."""
        if event.sequence is not None:
            if event.sequence <= self.after:
                return False
            self.after = event.sequence
        self.version += 1
        data: Any = event.data
        kind = event.event_type
        if kind == EventType.STEP_OUTPUT:
            if isinstance(data, dict):
                self.element(data, event.timestamp.timestamp())
        elif kind == EventType.STEP_PROGRESS:
            said = str(data.get("message") or "")
            # which of the turns and who answers is seen
            self.doing = "" if _TURN.match(said) else said
            self.percentage = data.get("percentage")
        elif kind == EventType.PIPELINE_START:
            self.status = "running"
        elif kind == EventType.INPUT_REQUESTED:
            request = Request(data["request_id"], data["message"], data.get("schema") or {})
            self.requests[request.id] = request
            self.status = "waiting"
            self._line_up()
        elif kind == EventType.INPUT_RECEIVED:
            self._answered(data)
        elif kind == EventType.PIPELINE_COMPLETE:
            self._end("completed", data.get("duration_ms"))
        elif kind == EventType.PIPELINE_CANCELLED:
            self._end("cancelled", None)
        elif kind == EventType.PIPELINE_ERROR:
            error = data.get("error") or {}
            self.error = _without_place(str(error.get("message", "it failed")))
            self._end(_ENDINGS.get(str(error.get("code")), "failed"), None)
        return True

    def element(self, element: Mapping[str, Any], at: float = 0.0) -> None:
        """Take one element of the answer in, which came at a time in seconds."""
        kind = element.get("type")
        if kind == "token":
            self._say("text", str(element.get("text", "")), at)
        elif kind == "reasoning":
            self._say("reasoning", str(element.get("text", "")), at)
        elif kind == "tool_call":
            self._close()
            call = Call(str(element.get("id")), str(element.get("name")), element.get("arguments"))
            call.carry = element.get("carry")
            self.blocks.append(call)
            self._line_up()
        elif kind in ("tool_output", "tool_result"):
            self._tool(kind, element)
        elif kind == "restarted":
            # what came of this answer before does not count
            del self.blocks[self._answer :]
            self.blocks.append(
                Note("info", str(element.get("message") or "the answer begins anew"))
            )
            self._answer = len(self.blocks)
        elif kind == "message":
            del self.joining[:1]
            self._close()
            self.blocks.append(Note("user", str(element.get("content", ""))))
            self._answer = len(self.blocks)
        elif kind in ("turn", "done"):
            self._close()
            self._answered_whole(kind, element)

    def _say(self, kind: Literal["text", "reasoning"], text: str, at: float) -> None:
        last = self.blocks[-1] if self.blocks else None
        if not isinstance(last, Text) or last.kind != kind or last.finished:
            self._close()
            last = Text(kind)
            self.blocks.append(last)
            self._spoke_at = self._spoke_at or at
        self._characters += len(text)
        self.doing = ""  # what it waited for has come
        if self._spoke_at is not None:
            passed = at - self._spoke_at
            # the clock was put back, or the process was away
            passed = passed if 0 <= passed <= _SILENCE_S else 0.0
            self._speaking_s += passed
            last.seconds += passed
        self._spoke_at = at
        last.add(text)

    def _close(self) -> None:
        """Whatever comes next is no more of the text that grew."""
        if self.blocks and isinstance(self.blocks[-1], Text) and not self.blocks[-1].finished:
            self.blocks[-1].finish()

    def _tool(self, kind: str, element: Mapping[str, Any]) -> None:
        call = self.call(str(element.get("id")))
        if call is None:
            return
        if kind == "tool_result":
            outcome, error = how_it_failed(element.get("result")), element.get("error")
            if error is not None and error.get("kind") == "cancelled":
                call.end("cancelled", told(element))
            elif outcome or error is not None:
                call.end("failed", told(element), outcome)
            else:
                call.end("done", told(element))
            # one that was stopped meanwhile, or waited for too long, asks no more
            self.requests = {k: r for k, r in self.requests.items() if r.call_id != call.id}
            self._asked_no_more()
            self._spoke_at = None
            self._answer = len(self.blocks)
        elif element.get("channel") == "progress":
            call.tell(element.get("percentage"), str(element.get("text") or ""))
        else:
            call.say(str(element.get("text", "")))

    def _line_up(self) -> None:
        """Which calls wait: for a person, or for calls before them."""
        asked = {request.call_id for request in self.requests.values()}
        before: list[Call] = []
        for call in self.calls:
            others = [each for each in before if not {each.name, call.name} <= SIDE_BY_SIDE]
            if call.id in asked:
                call.wait("your answer")
            elif others and not call.output:
                call.wait(others[0].name)
            else:
                call.wait("")
            before.append(call)

    @property
    def calls(self) -> list[Call]:
        """Calls that run or wait, in order."""
        return [each for each in self.blocks if isinstance(each, Call) and each.under_way]

    def call(self, call_id: str) -> Call | None:
        """A call by its id; the newest, where a model gave one twice."""
        for block in reversed(self.blocks):
            if isinstance(block, Call) and block.id == call_id:
                return block
        return None

    def _answered_whole(self, kind: str, element: Mapping[str, Any]) -> None:
        for name, value in (element.get("usage") or {}).items():
            if isinstance(value, int):
                # `done` tells the sum of all answers
                before = self.usage.get(name, 0) if kind == "turn" else 0
                self.usage[name] = before + value
        if kind == "done" and element.get("finish_reason") == "length":
            self.blocks.append(Note("info", "cut: the longest answer that was allowed"))
        if kind == "done" and (skipped := (element.get("metadata") or {}).get("malformed")):
            pieces = "piece" if skipped == 1 else "pieces"
            self.blocks.append(Note("info", f"{skipped} {pieces} could not be read and left out"))
        if "completion_tokens" in self.usage:
            self._characters_counted = self._characters
        self._answer = len(self.blocks)
        self._spoke_at = None

    def _answered(self, data: Mapping[str, Any]) -> None:
        request = self.requests.pop(str(data.get("request_id")), None)
        if request is not None:
            said = data.get("value")
            shown = {True: "yes", False: "no"}.get(said, said) if isinstance(said, bool) else said
            # what was asked about is seen beside it
            asked = request.message.partition("\n")[0]
            self.blocks.append(Note("info", f"{asked} {shown}"))
            self._asked_no_more()
        elif data.get("request_id") is None and isinstance(data.get("value"), str):
            self.joining.append(data["value"])

    def _asked_no_more(self) -> None:
        """A question needs no answer any more."""
        self._line_up()
        if not self.requests and self.status == "waiting":
            self.status = "running"

    def _end(self, status: TurnStatus, duration_ms: float | None) -> None:
        self._close()
        for block in self.blocks:
            if isinstance(block, Call) and block.under_way:
                block.end("cancelled")
        self.status = status
        self.requests.clear()
        self.doing, self.percentage = "", None
        self.seconds = None if duration_ms is None else duration_ms / 1_000


def _without_place(message: str) -> str:
    """An error without the node it happened in, which says nothing to whoever chats."""
    if message.startswith("node ") and ": " in message:
        return message.partition(": ")[2]
    return message
