"""A chat that runs: its conversation, the log it is kept in, and the engine that answers.

One execution for each question. What is shown was committed, so a process that is killed in the middle of an
answer finds it again: it goes on where the graph can, else the answer is ended as broken off and asked for
anew. Must not know who shows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from rxstream.adapters.logs import SQLiteLog
from rxstream.adapters.terminal.chat import answering
from rxstream.adapters.terminal.chat.answering import Asking
from rxstream.adapters.terminal.chat.blocks import Call
from rxstream.adapters.terminal.chat.conversation import Conversation
from rxstream.adapters.terminal.chat.turn import Turn
from rxstream.engine import Engine, Execution
from rxstream.engine.resuming import WHOLE, CannotResume
from rxstream.engine.takeover import interrupt
from rxstream.errors import AlreadyEnded, BadRequest, RxStreamError, UnknownRequest, classify
from rxstream.events import StreamEvent
from rxstream.graph import BoundGraph
from rxstream.log import EventLog, ExecutionRecord, MemoryLog
from rxstream.models import Message
from rxstream.replay import Replay

QUESTION_LIMIT: Final = 200_000
"""Characters a question may have."""

_PAGE: Final = 1_000
_RING: Final = 512
"""Recent events kept in memory; all others are read from the file when they are asked for."""

_PAUSE_S: Final = 3.0
"""The longest silence of a replay."""


class Session:
    """One chat. Use as an asynchronous context manager; `changed` is called after whatever changed."""

    def __init__(
        self,
        path: Path | None,
        asking: Asking,
        model: str | None = None,
        tools: Sequence[str] = (),
        *,
        system: str | None = None,
        addresses: MutableMapping[str, str] | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = path
        self.model = model or answering.DEFAULT_MODEL
        """Who answers; of a chat that goes on without one given, who did last."""
        self.tools = list(tools)
        self.conversation = Conversation(system)
        self._given = model
        self._addresses: MutableMapping[str, str] = {} if addresses is None else addresses
        """Servers of providers, shared with who asks; of a chat that goes on those it had, too."""
        self.shown: list[Turn] = []
        """What there is to see, in order: the turns, and replays of them between."""
        self.changed = changed
        self._asking = asking
        log: EventLog = MemoryLog() if path is None else SQLiteLog(path, ring_events=_RING)
        self._engine = Engine(log, max_running=1, grace_s=0.0)
        self._execution: Execution | None = None
        self._unfinished: tuple[ExecutionRecord, Turn] | None = None
        self._work: asyncio.Task[None] | None = None
        self._turn: Turn | None = None

    # -- life ----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self._engine.open()
        try:
            await self._load()
        except BaseException:
            await self._engine.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cancel()
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])
        await self._engine.close()

    async def _load(self) -> None:
        records = await self._records()
        for record in records:
            params = _params(record)
            turn = Turn(str(params.get("question")), str(params.get("model")), record.execution_id)
            while events := await self._engine.log.read(turn.execution_id, turn.after, _PAGE):
                for event in events:
                    turn.apply(event)
            self._add(turn)
        if records:
            # one that cannot go on was ended as interrupted when the log was opened
            if not turn.ended or turn.status == "interrupted":
                self._unfinished = records[-1], turn
            last = _params(records[-1])
            self.model = self._given or str(last.get("model"))
            self.tools = self.tools or list(last.get("tools") or ())
            for provider, address in (last.get("addresses") or {}).items():
                self._addresses.setdefault(provider, address)
            self.conversation.system = self.conversation.system or last.get("system")

    async def _records(self) -> list[ExecutionRecord]:
        found: list[ExecutionRecord] = []
        while True:
            after = found[-1].execution_id if found else None
            page = await self._engine.records(graph=answering.NAME, limit=100, after=after)
            found += page
            if len(page) < 100:
                return found[::-1]

    def _add(self, turn: Turn) -> None:
        self.conversation.turns.append(turn)
        self.shown.append(turn)

    # -- asking --------------------------------------------------------------------------------

    @property
    def turn(self) -> Turn | None:
        """The turn, or replay, that is under way."""
        return self._turn

    @property
    def unfinished(self) -> Turn | None:
        """The turn that was under way when an earlier process died."""
        return self._unfinished[1] if self._unfinished else None

    def ask(self, question: str) -> Turn:
        """Begin a turn. Raises `BadRequest` for a question that is too long, or while one is under way."""
        if len(question) > QUESTION_LIMIT:
            raise BadRequest(
                f"a question may have {QUESTION_LIMIT:,} characters, this one has {len(question):,}"
            )
        turn = Turn(question, self.model)
        self._begin(turn, self._ask(turn, self.conversation.messages(question)))
        return turn

    async def go_on(self) -> Turn:
        """Go on with the unfinished turn, or end it as broken off and ask anew; the turn to look at.

        Raises `LogError`.
        """
        assert self._unfinished is not None
        record, turn = self._unfinished
        messages = self._before(turn)
        graph = self._graph(turn, messages, _params(record).get("tools") or [])
        try:
            if turn.ended:
                raise CannotResume("interrupted", "its graph cannot go on")
            execution = await self._engine.resume(record.execution_id, graph)
        except CannotResume as reason:
            await self._break_off(record, turn, reason)
            again = Turn(turn.question, turn.model)
            self._begin(again, self._ask(again, messages))
            return again
        self._unfinished = None
        turn.wakes()
        self._run(turn, self._follow(turn))
        self._execution = execution
        return turn

    async def give_up(self) -> None:
        """End the unfinished turn as it is. Raises `LogError`."""
        assert self._unfinished is not None
        reason = CannotResume("given_up", "nobody wanted it to go on")
        await self._break_off(*self._unfinished, reason)

    async def _break_off(self, record: ExecutionRecord, turn: Turn, reason: CannotResume) -> None:
        self._unfinished = None
        if turn.ended:
            return
        await interrupt(self._engine.log, record, reason)
        for event in await self._engine.log.read(turn.execution_id, turn.after):
            turn.apply(event)
        self.changed()

    def _begin(self, turn: Turn, work: Coroutine[Any, Any, None]) -> None:
        try:
            self._run(turn, work)
        except BadRequest:
            work.close()
            raise
        self._add(turn)

    def _run(self, turn: Turn, work: Coroutine[Any, Any, None]) -> None:
        if self._turn is not None:
            work.close()
            raise BadRequest("an answer is under way: stop it first")
        self._turn = turn
        self._work = asyncio.get_running_loop().create_task(self._guard(turn, work))

    async def _guard(self, turn: Turn, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            # whatever it is, the chat goes on
            turn.broken(classify(error)["message"])
        finally:
            if self._turn is turn:
                self._turn = None
            self._execution = None
            self.changed()

    async def _ask(self, turn: Turn, messages: list[Message]) -> None:
        graph = self._graph(turn, messages, self.tools)
        self._execution = execution = await self._engine.start(graph)
        turn.execution_id = execution.id
        await self._follow(turn)

    def _graph(self, turn: Turn, messages: list[Message], tools: Sequence[str]) -> BoundGraph:
        return answering.bound(
            self._asking,
            messages,
            turn.question,
            turn.model,
            tools,
            self.conversation.system,
            # one that has a password in it is given anew each time
            {name: url for name, url in self._addresses.items() if "@" not in url},
        )

    def _before(self, turn: Turn) -> list[Message]:
        """What the model of a turn was asked."""
        earlier = Conversation(self.conversation.system)
        turns = self.conversation.turns
        earlier.turns = turns[: turns.index(turn)]
        return earlier.messages(turn.question)

    async def _follow(self, turn: Turn) -> None:
        reader = await self._engine.log.follow(turn.execution_id, turn.after or None)
        while not reader.ended:
            for event in await reader.next():
                turn.apply(event)
            self.changed()

    # -- meanwhile -----------------------------------------------------------------------------

    def cancel(self) -> bool:
        """End the answer under way, keeping what came; whether there was one."""
        if self._turn is None:
            return False
        if self._execution is None:
            if self._work is not None:
                self._work.cancel()
            self._turn.broken("stopped", cancelled=True)
            return True
        with suppress(AlreadyEnded):
            self._execution.cancel("stopped by the person who asked")
        return True

    async def send(self, text: str) -> bool:
        """Let a message join the answer under way; False where it cannot and has to come next."""
        return await self._send(text)

    @property
    def calls(self) -> list[Call]:
        """The calls of tools that run or wait."""
        return [] if self._turn is None or self._turn.replayed else self._turn.calls

    async def stop_call(self, call: Call) -> bool:
        """End a call, of which the model is told; False where it has ended."""
        return await self._send({"type": "cancel_call", "id": call.id})

    async def _send(self, value: Any) -> bool:
        if self._execution is None or self._turn is None:
            return False
        try:
            await self._execution.send(value, by="chat")
        except RxStreamError:
            return False  # it has ended meanwhile, or nothing in it listens
        return True

    async def answer(self, request_id: str, value: Any) -> None:
        """Answer a question of the turn's. Raises `InvalidParameters`, `UnknownRequest`, `LogError`."""
        if self._execution is None:
            raise UnknownRequest("nothing is asked any more")
        await self._execution.answer(request_id, value, by="chat")

    def replay(self, turn: Turn, speed: float = 1.0) -> Turn:
        """Show an answer again as it came. Raises `BadRequest`."""
        again = Turn(turn.question, turn.model, turn.execution_id)
        again.replayed = True
        playing = Replay(self._engine.log, turn.execution_id, speed=speed, max_pause_s=_PAUSE_S)
        self._run(again, self._play(again, playing))
        self.shown.append(again)
        return again

    async def _play(self, turn: Turn, playing: Replay) -> None:
        while not playing.ended:
            for event in await playing.next():
                turn.apply(event)
            self.changed()

    async def recorded(self, turn: Turn, after: int) -> list[StreamEvent]:
        """What was recorded of a turn after that number, a page of it."""
        return await self._engine.log.read(turn.execution_id, after, _PAGE)

    async def wait(self) -> None:
        """Wait until nothing is under way."""
        while self._work is not None and not self._work.done():
            await asyncio.wait([self._work])


def _params(record: ExecutionRecord) -> Mapping[str, Any]:
    """What a turn was started with."""
    whole: Mapping[str, Any] = record.detail.get(WHOLE, record.params)
    return whole
