"""Leads an agent from turn to turn: asks the model, has its calls made, tells it the results, asks again.

A call begins the moment the model has said it. A turn is over when the answer is and every call has its
result; then messages that were sent join, and the model is asked again until it calls no tool and nobody has
sent anything. Going on after a crash is the same loop entered where the memory says. Must not know how a call
is made, nor what is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rxstream.agent.call import AgentCall
from rxstream.agent.calling import make_call
from rxstream.agent.history import Shown
from rxstream.errors import WorldError, classify
from rxstream.models import BudgetSpent, Element, Entry, Model, Question
from rxstream.models.ledger import estimated_prompt

if TYPE_CHECKING:
    from rxstream.agent.unit import AgentUnit


class Turns:
    """The turns of one agent."""

    def __init__(self, unit: AgentUnit) -> None:
        self._unit = unit
        self._memory = unit.memory
        self._model: Model | None = None
        self._watch: asyncio.Timeout | None = None
        """What the answer is waited for in."""
        self._shown: Shown | None = None
        self._speaks = False
        """Whether it is told that the answer comes."""
        self.news = asyncio.Event()
        """Set when something was sent, or the agent is to stop."""

    async def lead(self) -> None:
        """From where the memory stands to the end of the run."""
        unit, memory = self._unit, self._memory
        for sent in [each for each in memory.sent if each.recorded]:
            unit.act(sent)
        for call in memory.calls:
            if call.state != "done":
                unit.spawn(make_call(unit, call))
        while memory.phase != "over":
            if memory.phase == "idle":
                await self._wait()
                continue
            try:
                async with unit.ledger.limit():
                    more = await self._turn()
            except BudgetSpent as error:
                said = classify(error)
                await unit.say([{"type": "error", **said, "retryable": False}])
                raise
            if not more:
                await self._finish()

    @property
    def _cancelled(self) -> str | None:
        """Why the turn that is under way is to end, if it is."""
        sent = self._memory.waiting("cancel_turn")
        return next((each.value["reason"] for each in sent if each.recorded), None)

    def cancel(self, reason: str) -> None:
        """End the turn that is under way; what came of it stays."""
        for call in self._memory.calls:
            if call.state != "done":
                call.cancel(reason)
        if self._watch is not None and self._watch.when() is None:
            self._watch.reschedule(asyncio.get_running_loop().time())

    # -- one turn ------------------------------------------------------------------------------

    async def _turn(self) -> bool:
        """Ask, and wait for the results; whether there is another turn."""
        unit, memory = self._unit, self._memory
        if memory.phase == "asking":
            await self._ask()
        if memory.phase == "answered":
            await self._results()
            self._settle()
        await self._join()
        if unit.stopping:
            memory.ended["finish_reason"] = "stopped"
            return False
        if memory.ended["more"]:
            self._begin_turn()
        return memory.phase == "asking"

    async def _results(self) -> None:
        """Wait until every call has its result."""
        while left := [call for call in self._memory.calls if call.state != "done"]:
            names = ", ".join(dict.fromkeys(call.name for call in left))
            self._unit.tell(None, f"turn {self._memory.turn}: {names}"[:200])
            await left[0].ended.wait()

    def _settle(self) -> None:
        """The turn is over."""
        memory = self._memory
        cancelled = self._cancelled
        for sent in memory.waiting("cancel_turn"):
            if sent.recorded:
                memory.take(sent)
        if cancelled is not None:
            memory.ended["finish_reason"] = "cancelled"
        memory.ended |= {"text": memory.text, "more": cancelled is None and bool(memory.calls)}
        memory.settle()
        memory.stand("settled")
        self._unit.touch()

    def _begin_turn(self) -> None:
        self._memory.turn += 1
        skipped = self._memory.ended.get("metadata", {}).get("malformed", 0)
        self._memory.ended = {"metadata": {"malformed": skipped}} if skipped else {}
        self._memory.stand("asking")
        self._unit.touch()

    async def _ask(self) -> None:
        unit, memory, settings = self._unit, self._memory, self._unit.settings
        self._model = self._model or settings.open_model()
        specs = tuple(settings.tools.specs)
        self._shown = shown = settings.history.shown(memory.messages, specs, memory.factor)
        doing = f"turn {memory.turn}: {self._model.name}"
        if shown.trimmed:
            less = f"{shown.before} tokens of history are {shown.after} by {shown.strategy}"
            unit.tell(None, f"{doing}, {less}", "trimmed")
        else:
            unit.tell(None, doing)
        question = Question(
            list(shown.messages),
            specs,
            settings.max_tokens,
            settings.temperature,
            settings.options,
        )
        self._speaks = False
        entry = unit.ledger.answer(estimated_prompt(shown.messages))
        try:
            async with asyncio.timeout(None) as self._watch:
                if self._cancelled is None:  # before a crash
                    await self._listen(self._model, question, entry)
        except TimeoutError:
            if self._watch is None or not self._watch.expired():
                raise
        finally:
            self._watch = None
            entry.end()
            unit.settle_spent()
            unit.touch()
        if memory.phase != "asking":
            return
        if self._cancelled is None:
            raise WorldError(
                f"the answer of {self._model.name} ended without its end: ask again",
                code="truncated",
            )
        await unit.say([self._answered({"finish_reason": "cancelled"})])

    async def _listen(self, model: Model, question: Question, entry: Entry) -> None:
        answer = model.answer(question, self._memory.delivered, self._unit.tell)
        try:
            async for batch in answer:
                given = entry.fitting(batch)
                await self._hear(given)
                entry.take(given)
        finally:
            close = getattr(answer, "aclose", None)
            if close is not None:
                await close()

    async def _hear(self, batch: Sequence[Element]) -> None:
        """Take what the model says, and give it on."""
        unit, memory = self._unit, self._memory
        said: list[Element] = []
        for element in batch:
            kind = element["type"]
            if kind in ("token", "reasoning"):
                memory.heard(kind, element["text"])
                self._first()
            elif kind == "tool_call":
                element = self._called(element)
            elif kind == "restarted":
                memory.restarted()
            elif kind == "done":
                element = self._answered(element)
            said.append(element)
        await unit.say(said)

    def _first(self) -> None:
        if not self._speaks:
            self._speaks = True
            self._unit.tell(None, f"turn {self._memory.turn}: answering")
        if self._memory.first_token_s is None:
            self._memory.first_token_s = self._unit.ledger.spent.seconds
            self._memory.stand(self._memory.phase)

    def _called(self, element: Element) -> Element:
        """Begin a call; its id is made one that no other call of the run has."""
        unit, memory = self._unit, self._memory
        known = {call.id for call in memory.calls}
        known |= {str(each.get("tool_call_id")) for each in memory.messages}
        call_id = str(element.get("id") or "") or f"call-{memory.called + 1}"
        while call_id in known:
            call_id = f"{call_id}-{memory.called + 1}"
        call = AgentCall(unit, len(memory.calls), {**element, "id": call_id})
        memory.begin_call(call)
        if self._cancelled is not None:  # just now
            call.cancel(self._cancelled)
        unit.spawn(make_call(unit, call))
        return {**element, "id": call_id}

    def _answered(self, done: Element) -> Element:
        """An answer is whole."""
        memory = self._memory
        usage = {k: v for k, v in (done.get("usage") or {}).items() if isinstance(v, int | float)}
        memory.usage = {
            name: memory.usage.get(name, 0) + usage.get(name, 0)
            for name in {**memory.usage, **usage}
        }
        shown, metadata = self._shown, done.get("metadata") or {}
        if shown is not None:
            prompt = usage.get("prompt_tokens") or 0
            memory.factor = self._unit.settings.history.corrected(memory.factor, prompt, shown)
        kept = {k: v for k, v in metadata.items() if k in ("model", "cut")}
        skipped = memory.ended.get("metadata", {}).get("malformed", 0)
        if skipped := skipped + metadata.get("malformed", 0):  # of all turns
            kept["malformed"] = skipped
        memory.ended = {"finish_reason": done.get("finish_reason"), "metadata": kept}
        memory.stand("answered")
        return {
            "type": "turn",
            "turn": memory.turn,
            "usage": usage or None,
            "timings": done.get("timings") or {},
            "finish_reason": done.get("finish_reason"),
            "history": None if shown is None else shown.describe(),
        }

    # -- between turns -------------------------------------------------------------------------

    async def _join(self) -> None:
        """Let messages that were sent join, each once it is recorded."""
        unit, memory = self._unit, self._memory
        while found := memory.waiting("message"):
            sent = found[0]
            if not sent.recorded:
                self.news.clear()
                await self.news.wait()
                continue
            memory.take(sent)
            message = {"role": "user", "content": sent.value["content"]}
            memory.add(message)
            memory.ended["more"] = True
            memory.stand(memory.phase)
            await unit.say([{"type": "message", **message}])

    async def _wait(self) -> None:
        """Wait for a message, in time that is nobody's."""
        unit, memory = self._unit, self._memory
        go_on = unit.pause()
        unit.tell(None, "waits for a message", "idle")
        while not (memory.waiting("message") or memory.ended["more"] or unit.stopping):
            self.news.clear()
            await self.news.wait()
        go_on()
        await self._join()
        if memory.ended["more"]:
            self._begin_turn()
        elif unit.stopping:
            memory.stand("over")

    async def _finish(self) -> None:
        """The run is over, or waits for another message."""
        unit, memory = self._unit, self._memory
        stays = unit.settings.stay and not unit.stopping
        memory.ended["more"] = False
        memory.stand("idle" if stays else "over")
        if not stays and unit.runtime.steering is not None:
            unit.runtime.steering.leave(unit)
        done = self._done()
        unit.tell(100, f"answered in {memory.turn} turn{'s' if memory.turn > 1 else ''}")
        unit.touch()
        await unit.say([done])

    def _done(self) -> dict[str, Any]:
        unit, memory = self._unit, self._memory
        spent = unit.ledger.spent
        timings: dict[str, float] = {"duration_ms": round(spent.seconds * 1_000, 3)}
        if memory.first_token_s is not None:
            timings["first_token_ms"] = round(memory.first_token_s * 1_000, 3)
        metadata = {**memory.ended.get("metadata", {}), "calls": memory.called}
        if unit.settings.budget.prices is not None:
            metadata["cost"] = spent.cost
        return {
            "type": "done",
            "text": memory.ended.get("text", ""),
            "usage": memory.usage or None,
            "timings": timings,
            "finish_reason": memory.ended.get("finish_reason"),
            "turns": memory.turn,
            "metadata": metadata,
        }
