"""Where a workload process dies: its own functions, wrapped, kill it at the n-th time they are reached.

Each process has at most one place to die at and counts how often every place is passed, so that whoever
chooses the next place knows what can be reached. Nothing of the product has a hook for this.
"""

from __future__ import annotations

import functools
import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import apsw

from rxstream.adapters.logs import folding, lock, schema, sqlite, writer
from rxstream.adapters.sinks import files
from rxstream.engine import cut, edge, engine, execution, recorder, runtime, sources

POINTS: Final = (
    "log.locked",
    "log.opened",
    "log.shown",
    "log.told",
    "writer.begin",
    "writer.events",
    "writer.states",
    "writer.commit",
    "writer.committed",
    "fold.begin",
    "fold.read",
    "fold.half",
    "fold.exchanged",
    "disk.write",
    "disk.sync",
    "recorder.begin",
    "recorder.acknowledged",
    "recorder.record",
    "recorder.recorded",
    "execution.end",
    "cut.begin",
    "cut.half",
    "cut.taken",
    "resume.states",
    "resume.planned",
    "resume.half",
    "resume.restored",
    "resume.over",
    "source.sought",
    "edge.taken",
    "rest.begin",
    "rest.frozen",
    "rest.done",
    "sink.half",
    "sink.written",
)
"""Every place, about in the order of a process's life."""

VFS: Final = "dying"

Killing = Callable[[], None]


class Failpoints:
    """Counts what is passed; at the n-th time at the place that was chosen, the process is no more."""

    def __init__(self, chosen: str | None, nth: int, last_words: Callable[[bytes], None]) -> None:
        self.passed: Counter[str] = Counter()
        self._chosen = chosen
        self._nth = nth
        self._last_words = last_words

    def due(self, point: str) -> bool:
        """Pass a place; whether this is where to die."""
        self.passed[point] += 1
        return point == self._chosen and self.passed[point] == self._nth

    def die(self) -> None:
        """Now, in the middle of whatever it is."""
        self._last_words(str(self._chosen).encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, point: str) -> None:
        if self.due(point):
            self.die()

    # -- putting them in place -----------------------------------------------------------------

    def install(self) -> None:
        """Wrap the functions of this process."""
        self._around(lock.FileLock, "acquire", after="log.locked")
        self._around(schema, "open_writer", after="log.opened")
        self._around(sqlite.SQLiteLog, "_delivered", before="log.told", after="log.shown")
        self._around(writer.Writer, "_transaction", before="writer.begin", after="writer.committed")
        self._around(writer.Writer, "_store_events", after="writer.events")
        self._around(writer.Writer, "_store_states", after="writer.states")
        self._around(folding, "folded", before="fold.begin", after="fold.read")
        self._around(folding, "store_states", before="fold.half")
        self._around(folding, "exchange", after="fold.exchanged")
        self._before_commit()
        self._around(recorder.Recorder, "_begin", before="recorder.begin")
        self._around(recorder.Recorder, "_committed", after="recorder.acknowledged")
        self._awaiting(recorder.Recorder, "record", "recorder.record", "recorder.recorded")
        self._awaiting(execution.Execution, "_end", "execution.end", None)
        self._around(cut.Cut, "take", before="cut.begin", after="cut.taken")
        self._around(cut.Cut, "_look", after="cut.half")
        self._awaiting(sqlite.SQLiteLog, "states", None, "resume.states")
        self._around(engine, "plan_of", after="resume.planned")
        self._while_restoring()
        self._awaiting(engine.Engine, "_take_over", None, "resume.over")
        self._awaiting(engine.Engine, "drain", "rest.begin", "rest.done")
        self._awaiting(runtime.Runtime, "freeze", None, "rest.frozen")
        self._around(sources._SourcePort, "seek_point", after="source.sought")
        self._around(edge.Edge, "take", after="edge.taken")
        self._around(files._JsonLines, "write", after="sink.written")
        self._half_a_line()

    def _around(
        self, where: Any, name: str, *, before: str | None = None, after: str | None = None
    ) -> None:
        function = getattr(where, name)

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if before is not None:
                self(before)
            result = function(*args, **kwargs)
            if after is not None:
                self(after)
            return result

        setattr(where, name, wrapped)

    def _awaiting(self, where: Any, name: str, before: str | None, after: str | None) -> None:
        function = getattr(where, name)

        @functools.wraps(function)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            if before is not None:
                self(before)
            result = await function(*args, **kwargs)
            if after is not None:
                self(after)
            return result

        setattr(where, name, wrapped)

    def _before_commit(self) -> None:
        init = writer.Writer.__init__

        @functools.wraps(init)
        def wrapped(made: Any, connection: Any, *args: Any) -> None:
            watched: Any = _Watched(connection, self)
            init(made, watched, *args)

        setattr(writer.Writer, "__init__", wrapped)  # noqa: B010  # mypy refuses the plain form

    def _while_restoring(self) -> None:
        self._around(cut, "_restore_unit", after="resume.half")
        whole = cut.Cut.restore

        @functools.wraps(whole)
        def restore(made: Any, *args: Any) -> set[str]:
            goes_on = bool(made._stored)
            ended = whole(made, *args)
            if goes_on:
                self("resume.restored")
            return ended

        setattr(cut.Cut, "restore", restore)  # noqa: B010  # the same

    def _half_a_line(self) -> None:
        append = files._JsonLines._append

        @functools.wraps(append)
        def wrapped(made: Any, data: bytes) -> None:
            if self.due("sink.half"):
                append(made, data[: len(data) // 2])
                self.die()
            append(made, data)

        setattr(files._JsonLines, "_append", wrapped)  # noqa: B010  # the same

    def file_layer(self) -> apsw.VFS:
        """A layer under SQLite that dies half way through a write, or before the disk has it."""
        return _Disk(self)


class _Watched:
    """The writer's connection, whose COMMIT is seen coming."""

    def __init__(self, connection: apsw.Connection, passed: Failpoints) -> None:
        self._connection = connection
        self._passed = passed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *args: Any) -> Any:
        if statement == "COMMIT":
            self._passed("writer.commit")
        return self._connection.execute(statement, *args)


class _Disk(apsw.VFS):
    def __init__(self, passed: Failpoints) -> None:
        self._passed = passed
        super().__init__(VFS, base="")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _DiskFile(self._passed, name, flags)


class _DiskFile(apsw.VFSFile):
    def __init__(
        self, passed: Failpoints, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__("", name, flags)
        self._passed = passed

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._passed.due("disk.write"):
            super().xWrite(data[: len(data) // 2], offset)
            self._passed.die()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._passed("disk.sync")
        super().xSync(flags)
