"""What a person wants to know of a run, reduced from its events one by one.

The same events always give the same state, whether they come from an engine in this process or from a
server. It stays small however long the run is: a bounded number of nodes, a tail of each text, the last
few outputs. Must not know how it is drawn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from rxstream.adapters.terminal.calls import KINDS, Calls
from rxstream.adapters.terminal.remaining import TimeLeft
from rxstream.events import EventType, Progress, StreamEvent

MAX_NODES: Final = 1_000
"""Nodes beyond this many are counted, not kept."""

TEXT_TAIL: Final = 4_000
"""Characters of a node's tokens that are kept."""

RECENT: Final = 5
"""Outputs that are kept."""

_RATE_WINDOW: Final = 5

_UNSEEN: Final = frozenset({"reasoning", "done"})
"""Types of elements that say nothing a person looks for here."""

StepState = Literal["waiting", "running", "completed", "failed"]

_ENDINGS: Final = {
    EventType.PIPELINE_COMPLETE: "completed",
    EventType.PIPELINE_ERROR: "failed",
    EventType.PIPELINE_CANCELLED: "cancelled",
}


class Rate:
    """Elements a second over the last five seconds."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._seconds: deque[tuple[int, int]] = deque(maxlen=_RATE_WINDOW + 1)

    def add(self, at: float) -> None:
        """Count one element at a time given in seconds."""
        second = int(at)
        if self._since is None:
            self._since = at
        if self._seconds and self._seconds[-1][0] >= second:
            latest, count = self._seconds.pop()
            self._seconds.append((latest, count + 1))
        else:
            self._seconds.append((second, 1))

    def at(self, now: float) -> float:
        """The rate as seen at `now`."""
        if self._since is None:
            return 0.0
        begin = int(now) - _RATE_WINDOW
        count = sum(count for second, count in self._seconds if second >= begin)
        return count / max(now - max(self._since, begin), 1.0)


@dataclass
class StepView:
    """What is known of one node."""

    id: str
    state: StepState = "waiting"
    count: int = 0
    rate: Rate = field(default_factory=Rate)
    progress: Progress | None = None
    left: TimeLeft = field(default_factory=TimeLeft)
    error: str | None = None
    asks: dict[str, str] = field(default_factory=dict)
    """What it asks a person and has no answer to, by request."""
    duration_ms: float | None = None
    text: str = ""
    """The end of its tokens, if it emits any."""


class RunState:
    """The run so far. `apply` is the only way to change it."""

    def __init__(self, nodes: Iterable[str] = ()) -> None:
        self.execution_id = ""
        self.graph = ""
        self.status = "queued"
        self.nodes: dict[str, StepView] = {}
        self.unlisted = 0
        """Events of nodes beyond the limit."""
        self.recent: deque[tuple[str, Any]] = deque(maxlen=RECENT)
        """Outputs by node, and calls of tools that have ended."""
        self.calls = Calls()
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.last_at: float | None = None
        self.missed = 0
        """Events that a gap said are no longer available."""
        self.result: Any = None
        self.error: dict[str, Any] | None = None
        self.reason: str | None = None
        self.expect(nodes)

    def expect(self, nodes: Iterable[str]) -> None:
        """Say which nodes there will be, in the order they are to be shown."""
        for node in nodes:
            self._node(node)

    @property
    def ended(self) -> bool:
        """Whether the terminal event was seen."""
        return self.ended_at is not None

    def elapsed(self, now: float) -> float:
        """Seconds it has run, or ran."""
        if self.started_at is None:
            return 0.0
        return (self.ended_at if self.ended_at is not None else now) - self.started_at

    def apply(self, event: StreamEvent) -> None:
        """Take the next event in."""
        # parsed here and dropped: the event may be shared with a log that keeps a million of them
        fields = orjson.loads(event.json)
        data = fields["data"] if isinstance(fields["data"], dict) else {}
        kind = event.event_type
        self.execution_id = self.execution_id or event.execution_id
        if kind == EventType.GAP:
            self.missed += data.get("missed") or 0
            return
        at = datetime.fromisoformat(fields["timestamp"]).timestamp()
        self.last_at = at
        if self.started_at is None:
            self.started_at = at
        if kind in _ENDINGS:
            self._end(kind, data, at)
        elif kind == EventType.PIPELINE_START:
            self.status = "running"
            self.started_at = at  # it may have waited, and said so
            self.graph = str(data.get("graph", ""))
        elif fields["step_id"] is not None:
            self._step(kind, fields["step_id"], fields["data"], at)

    def _end(self, kind: str, data: dict[str, Any], at: float) -> None:
        self.ended_at = at
        self.recent.extend((call.node, call) for call in self.calls.give_up(at))
        for node in self.nodes.values():
            node.asks.clear()
        self.status = _ENDINGS[EventType(kind)]
        self.result = data.get("result")
        self.error = data.get("error")
        self.reason = data.get("reason")
        if self.error is not None and self.error.get("code") == "interrupted":
            self.status = "interrupted"

    def _step(self, kind: str, step_id: str, data: Any, at: float) -> None:
        node = self._node(step_id)
        if node is None:
            self.unlisted += 1
            return
        if kind == EventType.STEP_OUTPUT:
            self._output(node, data, at)
        elif kind == EventType.STEP_START:
            node.state = "running"
        elif kind == EventType.STEP_PROGRESS:
            node.state = "running" if node.state == "waiting" else node.state
            node.progress = Progress(
                data.get("percentage"), data.get("message"), data.get("status")
            )
            node.left.add(at, node.progress.percentage)
        elif kind == EventType.STEP_COMPLETE:
            node.state = "completed"
            node.count = data.get("count", node.count)
            node.duration_ms = data.get("duration_ms")
            node.asks.clear()
            if "output" in data:
                node.error = None  # a step of a pipeline, which another attempt or the others saved
        elif kind == EventType.INPUT_REQUESTED:
            node.asks[data["request_id"]] = str(data["message"])
        elif kind == EventType.INPUT_RECEIVED:
            node.asks.pop(data["request_id"], None)
        elif kind == EventType.STEP_ERROR:
            node.error = str(data["error"]["message"])
            goes_on = data.get("will_retry") or data.get("handled")
            node.state = "running" if goes_on else "failed"

    def _output(self, node: StepView, data: Any, at: float) -> None:
        node.count += 1
        node.rate.add(at)
        if node.state == "waiting":
            node.state = "running"
        kind = data.get("type") if isinstance(data, dict) else None
        if kind == "token":
            node.text = (node.text + str(data.get("text", "")))[-TEXT_TAIL:]
        elif kind == "restarted":
            node.text = ""  # what came of the answer before does not count
        elif kind == "turn":
            node.text += "\n\n" if node.text else ""
        elif kind in KINDS:
            if (ended := self.calls.take(node.id, data, at)) is not None:
                self.recent.append((node.id, ended))
        elif kind not in _UNSEEN:
            self.recent.append((node.id, data))

    def _node(self, step_id: str) -> StepView | None:
        node = self.nodes.get(step_id)
        if node is None and len(self.nodes) < MAX_NODES:
            node = self.nodes[step_id] = StepView(step_id)
        return node
