"""The output of a subprocess, as lines or chunks.

The process leads a session of its own. When the stream ends, however it ends, so does everything the
process started: TERM to the group and to descendants that left it, then KILL after a grace. Its output
is read only while it is wanted, so a process that writes without end waits in its own `write`.
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from rxstream.adapters.sources.child import STDERR, STDOUT, Child
from rxstream.adapters.sources.splitting import MAX_LINE_BYTES, LineSplitter, checked_encoding
from rxstream.errors import AuthorError, WorldError
from rxstream.source import Source, SourcePort
from rxstream.stream import Stream, source

Channel = Literal["stdout", "stderr", "both"]
"""What is emitted: the elements of one channel, or those of both, tagged."""

_NAMES: Mapping[int, str] = {STDOUT: "stdout", STDERR: "stderr"}
_WANTED: Mapping[str, tuple[int, ...]] = {
    "stdout": (STDOUT,),
    "stderr": (STDERR,),
    "both": (STDOUT, STDERR),
}
_SHOWN_LINES = 3


class ProcessSource(Source[Any]):
    """What a subprocess writes; see `subprocess`."""

    name: ClassVar[str] = "subprocess"

    def __init__(
        self,
        args: Sequence[str],
        *,
        lines: bool,
        channel: Channel,
        cwd: str | None,
        env: Mapping[str, str] | None,
        stdin: bytes | None,
        check: bool,
        grace: float,
        encoding: str,
        errors: str,
        max_line: int,
    ) -> None:
        self._args = tuple(args)
        self._lines = lines
        self._channel = channel
        self._cwd = cwd
        self._env = env
        self._stdin = stdin
        self._check = check
        self._grace = grace
        self._encoding = checked_encoding(encoding, errors)
        self._errors = errors
        self._max_line = max_line

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"command": shlex.join(self._args), "channel": self._channel}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        wanted = _WANTED[self._channel]
        splitters = {fd: self._splitter(fd) for fd in wanted} if self._lines else {}
        child = Child(wanted)
        try:
            await child.start(self._args, cwd=self._cwd, env=self._env, stdin=self._stdin)
            while (chunk := await child.read(self._grace)) is not None:
                fd, data = chunk
                if not self._lines:
                    yield self._tagged(fd, "data", [data])
                    continue
                splitter = splitters[fd]
                splitter.feed(data)
                while splitter.ready:
                    yield self._tagged(fd, "text", splitter.take(port.wanted))
            for fd, splitter in splitters.items():
                splitter.end()
                if splitter.ready:
                    yield self._tagged(fd, "text", splitter.take(1))
            status = await child.wait()
            if status != 0 and self._check:
                raise self._failed(status, child.last_errors)
        finally:
            await child.end(self._grace)

    def _splitter(self, fd: int) -> LineSplitter:
        return LineSplitter(
            f"the {_NAMES[fd]} of {self._args[0]}",
            encoding=self._encoding,
            errors=self._errors,
            limit=self._max_line,
        )

    def _tagged(self, fd: int, key: str, items: Sequence[Any]) -> Sequence[Any]:
        if self._channel != "both":
            return items
        return [{"channel": _NAMES[fd], key: item} for item in items]

    def _failed(self, status: int, said: Sequence[str]) -> WorldError:
        how = (
            f"ended with status {status}"
            if status >= 0
            else f"was ended by {_signal_name(-status)}"
        )
        last = " / ".join(said[-_SHOWN_LINES:])
        return WorldError(
            f"{self._args[0]} {how}" + (f": {last}" if last else " and wrote nothing to stderr"),
            code="process_failed",
            detail={"status": status, "stderr": list(said)},
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return f"signal {number}"


def subprocess(
    *args: str | os.PathLike[str],
    lines: bool = True,
    channel: Channel = "stdout",
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes | None = None,
    check: bool = True,
    grace: float = 2.0,
    encoding: str = "utf-8",
    errors: str = "replace",
    max_line: int = MAX_LINE_BYTES,
) -> Stream[Any]:
    """The output of a program, which is started without a shell: lines as str, or chunks as bytes.

    With `channel="both"` elements are `{"channel": "stdout" or "stderr", "text": line}` (chunks: `data`),
    in the order they were read. `env` replaces the environment; `stdin` is written and closed. Another
    exit status than 0 fails with a `WorldError` that shows the last lines of stderr, unless `check=False`.

    The stream ends when the program has ended and its output is read; what it left running may go on
    writing until it is silent for `grace` seconds, and is then ended. Disposed early, everything it started
    is sent TERM and, `grace` seconds later, KILL. Only what became a session of its own and outlived its
    parents escapes.

    It cannot be resumed: a program run again need not say the same. For one that does, and has no effects,
    give `rxstream.source(function, repeatable=True)` a function that runs it.
    """
    if not args:
        raise AuthorError("subprocess needs a program to run")
    if channel not in _WANTED:
        raise AuthorError(f"subprocess knows no channel {channel!r}: stdout, stderr or both")
    return source(
        ProcessSource(
            [os.fspath(arg) for arg in args],
            lines=lines,
            channel=channel,
            cwd=None if cwd is None else os.fspath(cwd),
            env=env,
            stdin=stdin.encode() if isinstance(stdin, str) else stdin,
            check=check,
            grace=grace,
            encoding=encoding,
            errors=errors,
            max_line=max_line,
        )
    )
