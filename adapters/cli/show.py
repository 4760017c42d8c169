"""How a command shows the events of one execution: as JSON lines, live on a terminal, or in plain lines.

`run`, `watch` and `demo` share these, so an execution looks the same in the process that runs it and from
another machine. A show is given batches and says when it can take the next one; it never holds more.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import orjson

from rxstream.adapters.cli import failure, stdout

if TYPE_CHECKING:
    from rxstream.events import StreamEvent

Pressure = Callable[["StreamEvent"], Awaitable[bool]]

_LOOK_AGAIN: Final = 0.05

_LONG_S: Final = 1.0
"""Seconds some node has to have made others wait before a person is told."""

TERMINALS_THAT_CANNOT: Final = ("dumb", "unknown")


class Show(ABC):
    """Use as an asynchronous context manager around the events of one execution."""

    tells_result: bool = True
    """Whether the result is still to be printed when everything was shown."""

    def begin(self, nodes: Iterable[str]) -> None:
        """Say which nodes there will be, when that is known."""
        return None

    async def __aenter__(self) -> Show:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        return None

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Leave the terminal to somebody else meanwhile."""
        yield

    @abstractmethod
    async def show(self, events: Sequence[StreamEvent]) -> None:
        """Show a batch; done when the next can be taken. Raises BrokenPipeError."""


class JsonLines(Show):
    """Every event as its JSON, one a line, handed on batch by batch."""

    tells_result = False

    def __init__(self, descriptor: int, all_must_wait: Pressure | None = None) -> None:
        from rxstream.adapters.terminal.outlet import Outlet

        self._descriptor = descriptor
        self._outlet = Outlet(descriptor)
        self._all_must_wait = all_must_wait
        self._task: asyncio.Task[Any] | None = None
        self._reader_left = False

    async def __aenter__(self) -> JsonLines:
        if stdout.is_pipe(self._descriptor):
            # a pipe's writing end becomes readable when its reader leaves: no need to wait for an event
            self._task = asyncio.current_task()
            asyncio.get_running_loop().add_reader(self._descriptor, self._leave)
        return self

    def _leave(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self._reader_left = True
        if self._task is not None:
            self._task.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with suppress(ValueError, OSError):
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._outlet.close()
        if not self._reader_left or self._task is None:
            return
        # as asyncio.timeout does: the cancellation was ours, unless somebody else asked for one too
        if self._task.uncancel() == 0 and kind in (None, asyncio.CancelledError):
            raise BrokenPipeError

    async def show(self, events: Sequence[StreamEvent]) -> None:
        self._outlet.write(b"".join(event.json + b"\n" for event in events))
        while True:
            if self._all_must_wait is not None and await self._all_must_wait(events[-1]):
                # blocks the loop, and with it whoever produces
                self._outlet.wait()
                return
            try:
                async with asyncio.timeout(_LOOK_AGAIN):
                    return await self._outlet.drain()
            except TimeoutError:
                continue


class Live(Show):
    """A picture on the terminal behind stderr, redrawn as events come and once a second.

    What is `past` is shown at the time of its last event, so that rates and durations are those of then.
    """

    def __init__(self, *, past: bool = False) -> None:
        from rxstream.adapters.terminal.live import INTERVAL, LiveDisplay
        from rxstream.adapters.terminal.state import RunState

        self._interval = INTERVAL
        state = RunState()
        self._display = LiveDisplay(
            state,
            stdout.STDERR,
            redirect_stdout=os.isatty(stdout.STDOUT),
            clock=(lambda: state.last_at or time.time()) if past else time.time,
        )
        self._ticking: asyncio.Task[None] | None = None

    def begin(self, nodes: Iterable[str]) -> None:
        self._display.state.expect(nodes)

    async def __aenter__(self) -> Live:
        self._display.__enter__()
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking
        self._display.__exit__()

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """The picture stays as it is; another is drawn below what came in between."""
        self._display.pause()
        try:
            yield
        finally:
            self._display.go_on()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                self._display.redraw()
            except OSError:
                return  # the terminal was closed: the work goes on without it

    async def show(self, events: Sequence[StreamEvent]) -> None:
        self._display.take(events)


class Plain(Show):
    """Lines on stderr, for a log file or a pipe."""

    def __init__(self) -> None:
        from rxstream.adapters.terminal.lines import PlainLines

        self._lines = PlainLines()

    async def show(self, events: Sequence[StreamEvent]) -> None:
        for event in events:
            for line in self._lines.lines(event):
                failure.tell(line)


def choose(
    json_to: int | None, all_must_wait: Pressure | None = None, *, past: bool = False
) -> Show:
    """JSON lines to a descriptor if one is given; else live where a person sees it, else plain lines.

    `all_must_wait` is asked, with the last event given, when a reader of JSON lines is slow: where the
    log forgets, a slow reader has to slow the producers down. `past` is for what was recorded before.
    """
    if json_to is not None:
        return JsonLines(json_to, all_must_wait)
    return Live(past=past) if on_terminal() else Plain()


def on_terminal() -> bool:
    """Whether stderr is a terminal that can be drawn on."""
    return sys.stderr.isatty() and os.environ.get("TERM", "unknown") not in TERMINALS_THAT_CANNOT


def conclude(terminal: StreamEvent, *, tell_result: bool) -> int:
    """Print the result of an execution on stdout or its error on stderr; returns the status."""
    data = terminal.data
    execution = terminal.execution_id
    if terminal.event_type == "pipeline_complete":
        if tell_result:
            print(orjson.dumps(data.get("result")).decode(), flush=True)
        return 0
    if terminal.event_type == "pipeline_cancelled":
        return ended_badly(execution, "cancelled", {"message": data.get("reason")})
    return ended_badly(execution, "failed", data.get("error"))


def tell_bottleneck(sentence: str, blocked_s: float) -> None:
    """Say on stderr which node made the others wait, where that took long enough to matter."""
    if blocked_s >= _LONG_S:
        failure.say(sentence)


def ended_badly(execution_id: str, status: str, error: Any) -> int:
    """Say in one line how an execution ended; returns the status."""
    message = error.get("message") if isinstance(error, dict) else None
    kind = error.get("kind") if isinstance(error, dict) else None
    failure.say(
        f"execution {execution_id} {status}"
        + (f" ({kind} error)" if kind else "")
        + (f": {message}" if message else "")
    )
    return failure.FAILED
