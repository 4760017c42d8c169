"""Functions over elements in child processes: one child for each thread of the node, for all its calls.

A child gets an element through a pipe, calls the function and answers. Which element a child was working on
when it died is therefore known, and said. Elements, results and errors are pickled between these processes
and nobody else. A child leads a session of its own: an interrupt from the terminal does not reach it. It ends
itself when its parent is gone. What the function has started ends with it, and the node has closed when all
of them are gone.
"""

from __future__ import annotations

import inspect
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any, Final

from rxstream.engine.island import CURRENT, ordinary
from rxstream.engine.tasks import CLOSE_S
from rxstream.errors import AuthorError, GraphError, WorldError
from rxstream.operators._family import Family
from rxstream.operators._mapping import MISSING
from rxstream.operators._threads import PATIENCE_S, MapThread
from rxstream.source import Port

_LEAVE_S: Final = 1.0
"""How long a child may take to end by itself, in seconds."""

_PROCESSES: Final = get_context("spawn")
"""A copy of a process with threads and a loop, as `fork` makes it, may not work."""


def refuse_unsendable(function: Callable[..., Any]) -> None:
    """Raise `GraphError` for a function that a child process could not import, saying why."""
    bare: Any = function
    while isinstance(bare, partial):
        bare = bare.func
    name = getattr(bare, "__qualname__", None) or type(bare).__qualname__
    if inspect.iscoroutinefunction(bare) or inspect.isgeneratorfunction(bare):
        raise GraphError(
            f"{name} is a coroutine or generator function, and map_process calls plain ones: "
            "map_async awaits, merge_map reads generators"
        )
    module = sys.modules.get(getattr(bare, "__module__", None) or "")
    why = None
    if "<lambda>" in name:
        why = "is a lambda, which has no name to import"
    elif "<locals>" in name:
        why = "is defined inside another function, so it has no name to import"
    elif module is sys.modules["__main__"] and getattr(module, "__file__", None) is None:
        why = "is defined in a notebook or at a prompt, where there is no file to import"
    else:
        try:
            ForkingPickler.dumps(function)
        except Exception as error:  # whatever its parts raise when they are pickled
            why = f"cannot be pickled ({error})"
    if why is not None:
        raise GraphError(
            f"{name} {why}, so no child process can call it: define it at the top level of a module, "
            "or use map_thread"
        )


class Child:
    """One child process, used by one thread."""

    def __init__(self, function: Callable[[Any], Any], port: Port) -> None:
        self.busy = False
        """Whether it is to be told to end rather than left to; set before it works."""
        self._answered = False
        self._function = function
        self._port = port
        self._pipe, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(
            target=serve, args=(theirs,), name=f"rxstream {port.node_id}", daemon=True
        )
        try:
            self._process.start()
        finally:
            theirs.close()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self._family = Family(self.pid)
        self._reaped = False
        """Its id may be that of another process by now."""
        with suppress(OSError):  # it has died, which `call` finds out
            self._pipe.send((function, port.execution_id, port.node_id))

    def call(self, item: Any) -> Any:
        """The function's result. Raises what it raised, or `WorldError` when the child dies."""
        try:
            self._pipe.send(item)
        except OSError:  # it has died, which is seen below
            pass
        except Exception as error:
            raise AuthorError(
                f"an element of type {type(item).__name__} cannot be sent to a child process: {error}",
                code="not_sendable",
            ) from error
        while True:
            try:
                kind, *said = self._pipe.recv()
            except (EOFError, OSError):
                raise self._died(item) from None
            self._answered = True
            if kind == "result":
                return said[0]
            if kind == "error":
                raise said[0]
            self._port.progress(*said)

    def _died(self, item: Any) -> WorldError:
        self._reap()
        code = self._process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
        if code == 1 and not self._answered:
            how += " before it could begin (a script must not start a graph where it is imported: put that "
            how += 'under if __name__ == "__main__":)'
        name = getattr(self._function, "__qualname__", repr(self._function))
        return WorldError(
            f"the child process of {self._port.node_id!r} that ran {name} ended {how}, "
            f"and gave no result for an element of type {type(item).__name__}",
            code="process_died",
            detail={"element": item},
        )

    def close(self) -> None:
        """Let it end, or end it, with all it has started."""
        if not self._reaped:
            self._family.look()  # while it can be asked what it has started
            self._pipe.close()
            self._reap()
        self._pipe.close()
        self._process.close()

    def _reap(self) -> None:
        wait([self._process.sentinel], _LEAVE_S)
        self._family.end(signal.SIGKILL, 0)
        self._process.join()
        self._family.end(signal.SIGKILL, CLOSE_S)
        self._reaped = True


class MapProcess(MapThread):
    """The result of a function, called in a child process, for each element."""

    def __init__(self, function: Callable[[Any], Any], concurrency: int, ordered: bool) -> None:
        super().__init__(function, concurrency, ordered)
        self._mine = threading.local()
        self._children: list[Child] = []

    def call(self, item: Any) -> Any:
        child: Child | None = getattr(self._mine, "child", None)
        if child is None:
            child = self._mine.child = Child(self.function, self.runtime.port(self.node))
            self._children.append(child)
        child.busy = True
        try:
            # whoever closes this sets `closed` first and looks for busy children then
            return MISSING if self.closed else child.call(item)
        except WorldError:
            if self.closed:  # it was killed
                return MISSING
            raise
        finally:
            child.busy = False

    def leave(self) -> None:
        child: Child | None = getattr(self._mine, "child", None)
        if child is not None:
            child.close()
            self._children.remove(child)

    def dispose(self) -> None:
        super().dispose()
        busy = [child.pid for child in tuple(self._children) if child.busy]
        if busy:
            self.begin_thread(partial(_end, Family(*busy)), "ending")


def _end(family: Family) -> None:
    if not family.end(signal.SIGTERM, PATIENCE_S):
        family.end(signal.SIGKILL, CLOSE_S)


# -- in the child ------------------------------------------------------------------------------


class _Parent:
    """The node as the function sees it in the child."""

    def __init__(self, pipe: Connection, execution_id: str, node_id: str) -> None:
        self._pipe = pipe
        self.execution_id = execution_id
        self.node_id = node_id

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None:
        self._pipe.send(("progress", percentage, message, status))


def serve(pipe: Connection) -> None:
    """Call the function that comes first with each element that follows, until the pipe is closed."""
    os.setsid()
    try:
        try:
            function, execution_id, node_id = pipe.recv()
        except EOFError:
            raise
        except Exception as error:  # importing its module raised
            pipe.send(("error", _portable(error)))
            return
        CURRENT.set(_Parent(pipe, execution_id, node_id))
        while True:
            _answer(pipe, function)
    except (EOFError, OSError):  # nobody listens any more
        return


def _answer(pipe: Connection, function: Callable[[Any], Any]) -> None:
    try:
        item = pipe.recv()
    except (EOFError, OSError):
        raise
    except Exception as error:  # the element's type would not be made again
        pipe.send(("error", _portable(error)))
        return
    try:
        result = function(item)
    except BaseException as error:
        pipe.send(("error", _portable(ordinary(error))))
        return
    try:
        pipe.send(("result", result))
    except OSError:
        raise
    except Exception as error:
        refused = AuthorError(
            f"a result of type {type(result).__name__} cannot be sent from a child process: {error}",
            code="not_sendable",
        )
        pipe.send(("error", refused))


def _portable(error: Exception) -> Exception:
    """The error, or one that says the same where it could not be made again; with its traceback as a note."""
    said = "".join(traceback.format_exception(error)).rstrip()
    try:
        again = ForkingPickler.loads(ForkingPickler.dumps(error))  # pyright: ignore[reportAttributeAccessIssue]  # it has it
        if type(again) is not type(error):
            raise TypeError
        found = error
    except Exception:  # whatever its class raises
        found = RuntimeError(f"{type(error).__name__}: {error}")
    found.add_note(f"in the child process:\n{said}")
    return found
