"""Runs one agent: gives on what its turns say, owns their tasks, and keeps its state by key.

The turns are led by one task, each call of a tool runs in one of its own; both say what they have to say
through `say`, which holds them back where nobody takes it. What was said and what is stored of it change in
one moment, so no cut parts them: nothing shown is shown again. See `memory` for what is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from rxstream.agent.call import AgentCall
from rxstream.agent.memory import Memory, Sent
from rxstream.agent.settings import AgentSettings
from rxstream.agent.steering import understood
from rxstream.agent.turns import Turns
from rxstream.engine.op import Changes
from rxstream.engine.stored_error import restore_error, store_error
from rxstream.engine.unit import BATCH, Unit
from rxstream.errors import AlreadyEnded, AuthorError
from rxstream.models import Element
from rxstream.models.ledger import Ledger, Spent


class AgentUnit(Unit):
    """One agent in one execution."""

    incremental: ClassVar[bool] = True
    is_timed = True
    ledger: Ledger

    def __init__(self, settings: AgentSettings) -> None:
        self.settings = settings
        self.endless = None if settings.stay else False
        self.memory = Memory(settings.messages, settings.stay)
        self.spent = Spent()
        """What was used before the answer that is coming."""
        self.turns = Turns(self)
        self.places = asyncio.Semaphore(settings.concurrency)
        """For calls that run at once."""
        self.stopping = False
        self.leading = False
        """Whether the turns are led."""
        self._began = self._restored = False
        self._error: Exception | None = None
        """What it ends with, once all that came before is given on."""
        self._waiting = 0
        """Tasks that wait for room."""
        self._room = asyncio.Event()

    # -- moving --------------------------------------------------------------------------------

    def start(self) -> None:
        """What was asked and not answered can be answered before the call has asked again."""
        runtime = self.runtime
        if runtime.steering is not None:
            runtime.steering.listen(self)
        elif self.settings.stay:
            raise AuthorError(
                "an agent that stays is sent its messages: run it in an engine, or leave out stay=True"
            )
        for call in self.memory.calls:
            for question in call.questions or ():
                question.changed = self.touch
                if runtime.asker is not None and not question.answered:
                    runtime.asker.asked(self.node.id, question, fresh=False)

    def step(self) -> bool:
        credit = self.credit()
        if not self._began:
            if credit > 0:
                self._begin()
            return False
        out = self.memory.out
        count = min(credit, len(out), BATCH)
        if count > 0:
            self.emit([out.popleft() for _ in range(count)])
        if len(out) < BATCH:
            self._room.set()
        if not (self.closed or self.leading or out):
            if self._error is None:
                self.finish()
            else:
                self.fail(self._error)
        return count > 0 and not self.closed

    def _begin(self) -> None:
        self._began = True
        self._count_from(self.spent)
        self.runtime.node_started(self.node)
        self._error = restore_error(self.memory.error)  # of an earlier life
        if self.memory.phase == "over" or self._error is not None:
            self.ready()
            return
        self.leading = True
        self.spawn(self._led())

    async def _led(self) -> None:
        try:
            await self.turns.lead()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._fail(RuntimeError("what the model awaited was cancelled"))
        except Exception as error:
            self._fail(error)
        self.leading = False
        self.ready()

    def _fail(self, error: Exception) -> None:
        self._error = error
        self.memory.error = store_error(error)
        self.memory.stand(self.memory.phase)

    def _count_from(self, spent: Spent) -> None:
        counters = self.out.counters
        self.ledger = Ledger(self.settings.budget, spent=spent, tell=counters.tally)

    # -- what turns and calls use --------------------------------------------------------------

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something of it; it is cancelled when the agent closes."""
        return self.runtime.spawn(self, coroutine)

    async def say(self, elements: Sequence[Element]) -> None:
        """Give elements on; returns once there is room for more."""
        if elements:
            self.memory.out.extend(elements)
            self.ready()
        while len(self.memory.out) >= BATCH:
            self._room.clear()
            self._waiting += 1
            try:
                await self._room.wait()
            finally:
                self._waiting -= 1

    async def stored(self) -> None:
        """Wait until what it knows now is stored, where somebody stores it."""
        self.touch()
        if self.runtime.steering is not None:
            await self.runtime.steering.stored()

    def settle_spent(self) -> None:
        """An answer has ended: what it used is known."""
        self.spent = self.ledger.spent

    def pause(self) -> Callable[[], None]:
        """Time that passes until the result is called is nobody's."""
        before = self.spent = self.ledger.spent

        def go_on() -> None:
            self._count_from(before)

        return go_on

    def tell(self, percentage: float | None, message: str, status: str = "running") -> None:
        """Say what it does."""
        self.runtime.port(self.node).progress(percentage, message, status)

    # -- steering ------------------------------------------------------------------------------

    def accept(self, value: Any) -> Callable[[], None]:
        """See `engine.steering.Listener`."""
        if self.memory.phase == "over" or self.stopping:
            raise AlreadyEnded("the agent has answered: what is sent now would have no effect")
        sent = self.memory.receive(understood(value, self.memory.calls))
        self.touch()

        def recorded() -> None:
            sent.recorded = True
            self.act(sent)

        return recorded

    def act(self, sent: Sent) -> None:
        """Let what was sent take effect; a message does so with the next turn.

        What cancels is kept until that has ended which it cancels, so that a crash does not undo it.
        """
        value, memory = sent.value, self.memory
        if value["type"] == "cancel_call":
            running = [e for e in memory.calls if e.id == value["id"] and e.state != "done"]
            if not running:
                memory.take(sent)
            for call in running:
                call.cancel(value["reason"])
        elif value["type"] == "cancel_turn":
            if memory.phase in ("asking", "answered"):
                self.turns.cancel(value["reason"])
            else:
                memory.take(sent)
        self.touch()
        self.turns.news.set()

    # -- its life ------------------------------------------------------------------------------

    def external(self) -> bool:
        # there may be room already for a task that waits for it and has not run yet
        return self.leading and (not self._waiting or self._room.is_set())

    def writing(self) -> bool:
        """A call that may have effects is worth a moment: its outcome would else be unknown."""
        return any(call.state == "started" for call in self.memory.calls)

    async def thawed(self) -> None:
        """Wait for ever where the execution is being put away: nothing is to begin any more."""
        if self.runtime.ended:
            await asyncio.get_running_loop().create_future()

    def stop(self) -> None:
        """End after the turn that is under way."""
        self.stopping = True
        if self._began or self._restored:
            self.turns.news.set()
        else:
            self.finish()

    def dispose(self) -> None:
        if self.runtime.steering is not None:
            self.runtime.steering.leave(self)
        for call in self.memory.calls:
            call.token.cancel("the run has ended")

    # -- its state as plain data ---------------------------------------------------------------

    def changes(self) -> Changes | None:
        """What changed since the last call, by key."""
        counts = self._began and self.memory.phase != "idle"
        spent = replace(self.spent, seconds=self.ledger.spent.seconds) if counts else self.spent
        return self.memory.changes(
            (
                *(spent.prompt, spent.completion, spent.replayed),
                *(spent.attempts, spent.answers, spent.seconds),
            )
        )

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        """Go on from what was stored; called before `start`."""
        self.spent = Spent(*self.memory.restore(stored, self))
        self._restored = True

    def changed(self, call: AgentCall) -> None:
        """A call stands elsewhere."""
        self.memory.changed(call)
        super().touch()

    def touch(self) -> None:
        """A question of a call changed, if nothing else did."""
        for call in self.memory.calls:
            if call.questions:
                self.memory.changed(call)
        super().touch()
