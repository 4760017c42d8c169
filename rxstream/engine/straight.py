"""How a line runs: one generated function between the source and the observer, without a graph.

So a subscription costs a few objects and an element the calls of the user's functions. The rules of the
driver it takes the place of hold: on an event loop it runs for a few milliseconds at a time; an error is told
after what came before it, and says its node; an observer that raises has left. What needs a graph to be said,
the name of a node, draws one then.
"""

from __future__ import annotations

import inspect
import sys
from abc import abstractmethod
from asyncio import _get_running_loop  # None, not an exception, where there is no loop
from collections.abc import Callable, Iterable, Iterator
from contextvars import Token
from enum import Enum
from itertools import chain, islice
from time import perf_counter
from types import FrameType
from typing import Any, Final

import structlog
from reactivex import abc

from rxstream.engine.fusion import FILENAME
from rxstream.engine.island import CURRENT, ordinary
from rxstream.engine.line import Line
from rxstream.engine.reporting import report
from rxstream.engine.unit import BATCH
from rxstream.errors import blame
from rxstream.failures import located
from rxstream.graph.build import make_plan
from rxstream.graph.plan import Plan
from rxstream.source import Port
from rxstream.stream import Stream

SLICE_S: Final = 0.002
"""How long a line runs before the loop gets its turn, in seconds."""

_QUICK_S: Final = 0.000_5
"""What takes longer than this is done in smaller bites, in seconds."""

_AT_ONCE: Final = 1_024
"""Elements between two looks at whether anybody still listens, where there is no loop to give a turn to."""

_END: Final = object()

_log = structlog.get_logger("rxstream.engine")


class Came(Enum):
    """How much of its elements a run has seen."""

    ALL = "all"
    MORE = "more are there, and it is the turn of others"
    NONE_YET = "what follows is not there yet"


class Run(abc.DisposableBase):
    """One subscription of a line; disposing it ends it. How elements come in is a subclass's."""

    __slots__ = ("_line", "_loop", "_observer", "_stream", "_turns", "closed")

    def __init__(self, stream: Stream[Any], line: Line, observer: abc.ObserverBase[Any]) -> None:
        self.closed = False
        self._stream = stream
        self._line = line
        self._observer = observer
        self._loop = line.loop()
        self._turns = _get_running_loop()
        """The event loop it was subscribed on, None without one."""

    # -- what a subclass does ------------------------------------------------------------------

    @abstractmethod
    def _advance(self, on_next: Callable[[Any], None]) -> Came:
        """Run elements through the loop, called from here, until none is there or the time is up."""

    @abstractmethod
    def _let_go(self) -> None:
        """The run has ended, whichever way; called once. Must not raise."""

    # -- running -------------------------------------------------------------------------------

    def drive(self) -> None:
        """Run to the end, or on an event loop for a few milliseconds."""
        if self.closed:
            return
        error: Exception | None = None
        port = _RunPort(self)
        token = CURRENT.set(port)
        port.outer = None if token.old_value is Token.MISSING else token.old_value
        try:
            came = self._advance(self._observer.on_next)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as raised:
            came = Came.ALL
            stage = self._line.compiled.stage_of(raised, 2)
            if stage == len(self._line.positions) and isinstance(raised, Exception):
                self.dispose()  # the observer has left; its error belongs to whoever runs it
                raise
            error = ordinary(raised)
            if not self.closed:
                self._locate(error, stage)
        finally:
            CURRENT.reset(token)
        if self.closed or came is Came.NONE_YET:
            return
        if came is Came.MORE and self._turns is not None:
            self._turns.call_soon(self.drive)
        else:
            self._end(error)

    def _locate(self, error: BaseException, stage: int = -1) -> None:
        """Say of an error which node it is from: that of a stage, or the source."""
        plan = self.plan()
        within = 0 <= stage < len(self._line.positions)
        node = plan.nodes[self._line.positions[stage] if within else 0]
        blame(error, node.id, node.where)
        named = plan.by_id.get(getattr(error, "node", None) or "")
        located(error, named.operator if named else None)

    def _close_failed(self, error: Exception) -> None:
        """What the source raised when it was let go of: too late to fail, so it is logged."""
        _log.warning(
            "error while closing", execution_id="", node=self.plan().nodes[0].id, error=repr(error)
        )

    def plan(self) -> Plan:
        """The line as a graph, drawn to say what a node is called."""
        return make_plan("explored", {"output": self._stream})

    def _end(self, error: BaseException | None) -> None:
        self.closed = True
        try:
            if error is None:
                self._observer.on_completed()
            else:
                self._observer.on_error(error)  # type: ignore[arg-type]  # reactivex narrows it
        finally:
            self._let_go()

    def dispose(self) -> None:
        """End it without a word."""
        if not self.closed:
            self.closed = True
            self._let_go()

    def observing(self) -> bool:
        """Whether what calls this is called by the observer."""
        frame: FrameType | None = sys._getframe(1)
        lines, observer = self._line.compiled.lines, len(self._line.positions)
        while frame is not None:
            if frame.f_code.co_filename == FILENAME and frame.f_locals.get("run") is self:
                return lines[frame.f_lineno] == observer
            frame = frame.f_back
        return False


class Pulled(Run):
    """Of a plain iterable or a generator function: an element is pulled when the one before is told."""

    __slots__ = ("_bite", "_iterator", "_open")

    def __init__(
        self,
        stream: Stream[Any],
        line: Line,
        open_source: Callable[[], Iterable[Any]],
        observer: abc.ObserverBase[Any],
    ) -> None:
        super().__init__(stream, line, observer)
        self._open = open_source
        self._iterator: Iterator[Any] | None = None
        self._bite = 0

    def _advance(self, on_next: Callable[[Any], None]) -> Came:
        until = perf_counter() + SLICE_S
        iterator = self._iterator
        if iterator is None:
            iterator = self._iterator = iter(self._open())
        while not self.closed:
            first = next(iterator, _END)
            if first is _END:
                break
            if self._turns is None:
                self._loop(chain((first,), islice(iterator, _AT_ONCE)), on_next, self)
                continue
            begun = perf_counter()
            self._loop(chain((first,), islice(iterator, self._bite)), on_next, self)
            ended = perf_counter()
            quick = ended - begun < _QUICK_S
            self._bite = min(2 * self._bite + 1, BATCH) if quick else self._bite // 2
            if ended > until:
                return Came.MORE
        return Came.ALL

    def _let_go(self) -> None:
        iterator, self._iterator = self._iterator, None
        # one that is running now (its own code ended the run) is closed when it is let go of
        if inspect.isgenerator(iterator) and not iterator.gi_running:
            try:
                iterator.close()
            except Exception as error:
                self._close_failed(error)


class _RunPort:
    """What the code of a line may see and say; nobody listens.

    The observer runs inside the same function, but is no code of a node: what it says is said as if the line
    were not there.
    """

    __slots__ = ("_run", "outer")

    execution_id = ""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.outer: Port | None = None

    @property
    def node_id(self) -> str:
        return self._run.plan().outputs["output"]

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None:
        if self._run.observing():
            report(self.outer, percentage, message, status)
        elif percentage is not None:
            float(percentage)  # what cannot be one is refused as in a graph
