"""Shows a run on a terminal while it happens.

At most ten redraws a second, and none while the terminal has not taken the one before. What is printed or
logged meanwhile appears above the picture.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from typing import IO, Final, cast

from rich.console import Console, RenderableType
from rich.live import Live

from rxstream.adapters.terminal.outlet import Outlet
from rxstream.adapters.terminal.state import RunState
from rxstream.adapters.terminal.view import render
from rxstream.events import StreamEvent

INTERVAL: Final = 0.1
"""Seconds between two redraws."""

_CLOCK_INTERVAL: Final = 1.0
_UNWRITTEN_LIMIT: Final = 256 * 1024


class _Screen(io.TextIOBase):
    """The file rich writes to; each flush is handed on in one piece."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._parts: list[str] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if self._size < _UNWRITTEN_LIMIT:
            self._parts.append(text)
            self._size += len(text)
        return len(text)

    def flush(self) -> None:
        # while the terminal is held, what people print is kept up to the limit
        if self._parts and not self._outlet.busy:
            text = "".join(self._parts)
            self._parts.clear()
            self._size = 0
            self._outlet.write(text.encode(errors="replace"))


class LiveDisplay:
    """A picture of the run on a terminal's descriptor, kept up to date. Use as a context manager."""

    def __init__(
        self,
        state: RunState,
        descriptor: int,
        *,
        redirect_stdout: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state = state
        self._clock = clock
        self._outlet = Outlet(descriptor)
        self._screen = _Screen(self._outlet)
        self._console = Console(file=cast("IO[str]", self._screen), force_terminal=True)
        self._redirect_stdout = redirect_stdout
        self._live = self._region()
        self._paused = False
        self._drawn_at = 0.0
        self._stale = True

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop()
        finally:
            self._outlet.close()

    def pause(self) -> None:
        """Leave the terminal to somebody else; the picture stays above."""
        self._paused = True
        self._stop()

    def go_on(self) -> None:
        """Draw again, below what came in between."""
        self._live = self._region()
        self._live.start()
        self._paused = False
        self._stale = True

    def _region(self) -> Live:
        return Live(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=self._redirect_stdout,
            redirect_stderr=True,
        )

    def _stop(self) -> None:
        try:
            self._outlet.wait(0.5)
            self._live.update(self._picture())
            self._live.stop()
            self._screen.flush()
            self._outlet.wait(0.5)
        except OSError:
            pass  # the terminal is gone, and with it whoever could read this

    def take(self, events: Sequence[StreamEvent]) -> None:
        """Take events in; they are seen at the next redraw."""
        for event in events:
            self.state.apply(event)
        self._stale = self._stale or bool(events)

    def redraw(self) -> None:
        """Draw if something changed, or the clock did, and the last drawing was taken."""
        now = time.monotonic()
        due = INTERVAL if self._stale else _CLOCK_INTERVAL
        if self._paused or now - self._drawn_at < due or self._outlet.busy:
            return
        self._drawn_at = now
        self._stale = False
        self._live.update(self._picture(), refresh=True)
        self._screen.flush()

    def _picture(self) -> RenderableType:
        width, height = self._console.size
        return render(self.state, now=self._clock(), width=width, height=height)
