"""All that an agent knows of its run, and what of it changed since it was stored: key by key.

    given      how many messages it was begun with    m000003    a message behind those
    turn       where it stands                        t000001    a piece of the answer that is coming
    c000000    a call of this turn                    d000000    where that call stands
    s000002    what was sent and has not taken effect
    out        elements that wait to be given on      spent      what its models and its time have used

Messages only grow, and a piece is what came between two cuts, so a run of any length stores each of its
characters once or twice. Pure: no engine, no model, no time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rxstream.agent.call import AgentCall
from rxstream.agent.transcript import turn_messages
from rxstream.engine.op import Changes
from rxstream.models import Delivered, Element, Message

if TYPE_CHECKING:
    from rxstream.agent.unit import AgentUnit

Phase = Literal["asking", "answered", "settled", "idle", "over"]


@dataclass(eq=False)
class Sent:
    """Something somebody sent while the agent works."""

    number: int
    value: dict[str, Any]
    recorded: bool = False
    """Only then it may take effect."""


class Memory:
    """One run of an agent."""

    def __init__(self, given: Sequence[Message], stays: bool) -> None:
        self.messages: list[Message] = list(given)
        waits = stays and (not given or given[-1]["role"] not in ("user", "tool"))
        self.turn = 0 if waits else 1
        self.phase: Phase = "idle" if waits else "asking"
        self.ended: dict[str, Any] = {"more": False} if waits else {}
        """How the last answer ended: its text, finish reason and metadata, and whether more follows."""
        self.usage: dict[str, float] = {}
        """Of all answers."""
        self.factor = 1.0
        """How many times its estimate the last question was."""
        self.first_token_s: float | None = None
        self.error: tuple[Any, ...] | None = None
        """With what it failed, as it is stored."""
        self.called = 0
        """Calls of all turns."""
        self.calls: list[AgentCall] = []
        self.sent: deque[Sent] = deque()
        self.out: deque[Element] = deque()
        self.tokens = 0
        """Elements the text of this answer came in."""
        self._texts: dict[str, list[str]] = {"token": [], "reasoning": []}
        self._given = len(given)
        self._next_sent = 0
        self._pieces = range(0)
        """Numbers of the pieces that are stored."""
        self._fresh = (0, 0, 0)
        """How many parts of text, of reasoning and tokens are stored."""
        self._dirty: set[str] = set()
        self._gone: set[str] = set()
        self._known = self._out_known = False

    # -- the answer that is coming -------------------------------------------------------------

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._joined("token")

    @property
    def delivered(self) -> Delivered | None:
        """What of this answer was given on, if anything."""
        calls = tuple(call.piece for call in self.calls)
        found = Delivered(self.text, self._joined("reasoning"), calls, self.tokens)
        return found or None

    def _joined(self, kind: str) -> str:
        parts = self._texts[kind]
        return "".join(parts)

    def heard(self, kind: str, text: str) -> None:
        """A piece of the answer, or of what was thought before."""
        self._texts[kind].append(text)
        self.tokens += kind == "token"

    def restarted(self) -> None:
        """What came of the answer does not count."""
        self._forget_pieces()

    def begin_call(self, call: AgentCall) -> None:
        """The model called a tool."""
        self.calls.append(call)
        self.called += 1
        self._dirty |= {"turn", *_keys(call)}
        self._gone -= _keys(call)

    def changed(self, call: AgentCall) -> None:
        """A call stands elsewhere."""
        self._dirty.add(f"d{call.index:06}")

    # -- the conversation ----------------------------------------------------------------------

    def stand(self, phase: Phase) -> None:
        """It stands elsewhere, or something of where it stands changed."""
        self.phase = phase
        self._dirty.add("turn")

    def add(self, message: Message) -> None:
        """One more message."""
        self._dirty.add(f"m{len(self.messages):06}")
        self.messages.append(message)

    def settle(self) -> None:
        """The answer and the results of its calls are messages now."""
        results = {call.id: call.told for call in self.calls}
        for message in turn_messages(self.text, [call.piece for call in self.calls], results):
            self.add(message)
        for call in self.calls:
            self._gone |= _keys(call)
            self._dirty -= _keys(call)
        self.calls = []
        self._forget_pieces()

    def _forget_pieces(self) -> None:
        self._gone |= {f"t{number:06}" for number in self._pieces}
        self._pieces = range(self._pieces.stop, self._pieces.stop)
        self._texts = {"token": [], "reasoning": []}
        self.tokens = 0
        self._fresh = (0, 0, 0)

    # -- what was sent -------------------------------------------------------------------------

    def receive(self, value: dict[str, Any]) -> Sent:
        """Keep what was sent."""
        sent = Sent(self._next_sent, value)
        self._next_sent += 1
        self.sent.append(sent)
        self._dirty.add(f"s{sent.number:06}")
        return sent

    def waiting(self, kind: str, call_id: str | None = None) -> list[Sent]:
        """What was sent of a kind and waits to take effect, or to have done so."""
        return [
            each
            for each in self.sent
            if each.value["type"] == kind and call_id in (None, each.value.get("id"))
        ]

    def take(self, sent: Sent) -> None:
        """It has taken effect."""
        self.sent.remove(sent)
        self._gone.add(f"s{sent.number:06}")
        self._dirty.discard(f"s{sent.number:06}")

    # -- as plain data -------------------------------------------------------------------------

    def changes(self, spent: tuple[Any, ...]) -> Changes:
        """What changed since the last call; of the first, everything."""
        whole, self._known = not self._known, True
        if whole:
            self._tell_all()
        found = {key: self._value(key) for key in self._dirty}
        gone = sorted(self._gone)
        self._dirty, self._gone = set(), set()
        piece = self._piece()
        if piece is not None:
            found[f"t{self._pieces.stop:06}"] = piece
            self._pieces = range(self._pieces.start, self._pieces.stop + 1)
        if self.out or self._out_known:
            found["out"] = tuple(self.out)
            self._out_known = bool(self.out)
        found["spent"] = spent
        return whole, found, gone

    def _tell_all(self) -> None:
        self._gone, self._pieces, self._fresh = set(), range(0), (0, 0, 0)
        self._dirty = {"turn"}
        self._dirty |= {f"m{n:06}" for n in range(self._given, len(self.messages))}
        self._dirty |= {f"s{each.number:06}" for each in self.sent}
        for call in self.calls:
            self._dirty |= _keys(call)

    def _piece(self) -> tuple[Any, ...] | None:
        """What came of the answer since it was asked last."""
        texts, reasons = self._texts["token"], self._texts["reasoning"]
        text, reasoning, tokens = self._fresh
        self._fresh = (len(texts), len(reasons), self.tokens)
        if self._fresh == (text, reasoning, tokens):
            return None
        return ("".join(texts[text:]), "".join(reasons[reasoning:]), self.tokens - tokens)

    def _value(self, key: str) -> Any:
        kind, number = key[0], key[1:]
        if key == "turn":
            return (
                *(self.turn, self.phase, self.ended, self.usage, self.factor),
                *(self.first_token_s, self.called, self.error, self._given),
            )
        if kind == "m":
            return self.messages[int(number)]
        if kind == "s":
            return next(each.value for each in self.sent if each.number == int(number))
        call = self.calls[int(number)]
        return call.piece if kind == "c" else call.store()

    def restore(self, stored: Mapping[str, Any], unit: AgentUnit) -> tuple[Any, ...]:
        """Go on from what was stored; returns what was spent."""
        self.turn, self.phase, self.ended, self.usage, self.factor, *more = stored["turn"]
        self.first_token_s, self.called, self.error, self._given = more
        del self.messages[self._given :]
        for key in sorted(stored):
            value = stored[key]
            match key[0], key:
                case "m", _:
                    self.messages.append(value)
                case "t", name if name != "turn":
                    text, reasoning, tokens = value
                    self._texts["token"].append(text)
                    self._texts["reasoning"].append(reasoning)
                    self.tokens += tokens
                case "c", _:
                    self.calls.append(AgentCall(unit, int(key[1:]), value))
                case "d", _:  # behind all "c", by its letter
                    self.calls[int(key[1:])].restore(value)
                case "s", name if name != "spent":
                    self.sent.append(Sent(int(key[1:]), value, recorded=True))
        self._next_sent = max((each.number + 1 for each in self.sent), default=0)
        self.out.extend(stored.get("out", ()))
        spent: tuple[Any, ...] = stored["spent"]
        return spent


def _keys(call: AgentCall) -> set[str]:
    return {f"c{call.index:06}", f"d{call.index:06}"}
