"""Asks a person at the terminal what an execution asks, while it runs; elsewhere says how to answer.

Questions are asked one after the other, oldest first; each until an answer fits, its time is over, or
somebody else has answered. What was typed before a question was shown is no answer to it. Where nobody sits
at a terminal, each question is one line on stderr. Must not know where the execution runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from rxstream.adapters.cli import answers, failure
from rxstream.adapters.cli.answers import Asked, NotAnAnswer
from rxstream.adapters.terminal.keyboard import Keyboard, at_a_terminal
from rxstream.adapters.terminal.text import duration, one_line, printable
from rxstream.events import TERMINAL, EventType, StreamEvent

if TYPE_CHECKING:
    from rxstream.adapters.cli.show import Show

_SOON: Final = 0.05
_LONGEST: Final = 2.0
"""Seconds between two looks for a question that was told and cannot be answered yet."""

_NOTICED: Final = frozenset({EventType.INPUT_REQUESTED, EventType.INPUT_RECEIVED, *TERMINAL})

_LATE: Final = "too late: its time is over"

_MESSAGE: Final = 8_000
"""Characters of a question that are shown."""


class Unanswered(Exception):
    """The answer was not taken. `again`: it did not fit, and another may."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class Answerable(Protocol):
    """An execution, wherever it runs."""

    async def questions(self) -> Sequence[Asked]:
        """What can be answered now, oldest first."""
        ...

    async def answer(self, request_id: str, value: object) -> None:
        """Answer. Raises `Unanswered`."""
        ...

    def elsewhere(self, asked: Asked) -> str:
        """How somebody who is not at a terminal answers."""
        ...


class Asking:
    """Use as an asynchronous context manager around the events of one execution, inside its display."""

    def __init__(self, execution: Answerable, display: Show) -> None:
        self._execution = execution
        self._display = display
        self._pending: dict[str, Asked] = {}
        """Questions that were told, of which no answer was."""
        self._told: set[str] = set()
        """Those that are not to be asked here: somebody was told how to answer."""
        self._changed = asyncio.Event()
        self._over: tuple[str, Callable[[str], None]] | None = None
        """The question that is asked now, and who is told why it needs no answer any more."""
        self._task: asyncio.Task[None] | None = None
        self._keyboard = Keyboard() if at_a_terminal() else None

    async def __aenter__(self) -> Asking:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def notice(self, events: Sequence[StreamEvent]) -> None:
        """Take events in."""
        for event in events:
            if event.event_type not in _NOTICED:
                continue
            if event.event_type == EventType.INPUT_REQUESTED:
                asked = Asked.told(event.data)
                self._pending[asked.request_id] = asked
                self._changed.set()
            elif event.event_type == EventType.INPUT_RECEIVED:
                self._gone(event.data["request_id"], "somebody else has answered")
            else:
                for request_id in list(self._pending):
                    self._gone(request_id, "the execution has ended")

    def _gone(self, request_id: str, why: str) -> None:
        self._pending.pop(request_id, None)
        if self._over is not None and self._over[0] == request_id:
            self._over[1](why)

    async def _run(self) -> None:
        wait = _SOON
        while True:
            asked = await self._next() if self._pending else None
            if asked is not None:
                wait = _SOON
                await self._ask(asked)
                continue
            self._changed.clear()
            # one that is told may not be open yet: its step is being started again
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait if self._pending else None)
            wait = min(wait * 2, _LONGEST)

    async def _next(self) -> Asked | None:
        self._pending = {
            key: asked for key, asked in self._pending.items() if (asked.left() or 0) > -_LONGEST
        }
        for asked in await self._execution.questions():
            if asked.request_id in self._pending and asked.request_id not in self._told:
                return asked
        return None

    async def _ask(self, asked: Asked) -> None:
        if self._keyboard is None:
            self._told.add(asked.request_id)
            failure.say(
                f"{asked.node} asks for {answers.wanted(asked.schema)}: "
                f"{self._execution.elsewhere(asked)}"
            )
            return
        async with self._display.aside():
            await self._ask_here(asked, self._keyboard)

    async def _ask_here(self, asked: Asked, keyboard: Keyboard) -> None:
        _show(asked)
        while True:
            line = await self._line(asked, keyboard)
            if line is None:
                return
            try:
                await self._execution.answer(asked.request_id, answers.read(line, asked.schema))
            except (NotAnAnswer, Unanswered) as error:
                failure.tell(f"  {one_line(str(error))}")
                if not getattr(error, "again", True):
                    self._pending.pop(asked.request_id, None)
                    return
            else:
                self._pending.pop(asked.request_id, None)
                return

    async def _line(self, asked: Asked, keyboard: Keyboard) -> str | None:
        """What was typed; None where the question needs no answer any more, or nobody types."""
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def end(why: str) -> None:
            if not over.done():
                over.set_result(why)

        self._over = (asked.request_id, end)
        if asked.request_id not in self._pending:
            end("somebody else has answered")
        try:
            return await _first(keyboard.line(), over, asked.left())
        except TimeoutError:
            self._pending.pop(asked.request_id, None)
            failure.tell(f"\n  {_LATE}")
        except asyncio.CancelledError:
            # the execution has ended, perhaps by the answer that somebody else gave
            failure.tell(f"\n  {_why(asked, over.result())}" if over.done() else "")
            raise
        except _Over as reason:
            failure.tell(f"\n  {_why(asked, str(reason))}")
        except EOFError:
            self._keyboard = None
            failure.tell("")  # the next question, and this one, are told as where nobody types
        finally:
            self._over = None
        return None


def _why(asked: Asked, reason: str) -> str:
    """Why it needs no answer any more; an execution may end because nobody answered in time."""
    left = asked.left()
    return _LATE if left is not None and left <= 0 else reason


class _Over(Exception):
    """A question needs no answer any more."""


async def _first(line: Awaitable[str], over: asyncio.Future[str], timeout: float | None) -> str:
    """The line. Raises `_Over`, `TimeoutError`."""
    reading = asyncio.ensure_future(line)
    try:
        async with asyncio.timeout(None if timeout is None else max(timeout, 0)):
            await asyncio.wait([reading, over], return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            return reading.result()
        raise _Over(over.result())
    finally:
        reading.cancel()
        await asyncio.wait([reading])


def _show(asked: Asked) -> None:
    """The question, and what can be answered."""
    failure.tell(f"\n{one_line(asked.node, 80)} asks: {printable(asked.message)[:_MESSAGE]}")
    listed = answers.choices(asked.schema)
    for number, value in enumerate(listed, 1):
        failure.tell(f"  {number}) {one_line(value if isinstance(value, str) else repr(value))}")
    left = asked.left()
    until = "" if left is None else f", within {duration(left)}"
    wanted = "one of these, or its number" if listed else answers.wanted(asked.schema)
    failure.tell(f"  ({one_line(wanted)}{until})")
