"""A log's file seen from outside: read while another process writes it, or when nobody does.

Nothing is locked and nothing is written. Who follows an execution looks at the file twenty times a second,
for as long as the process that signed the lock lives; then what is there is all there is. Must not know how
events are written.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ClassVar, Concatenate, Final, NoReturn, ParamSpec, Self, TypeVar

import apsw
import orjson

from rxstream.adapters.logs import reading, schema
from rxstream.adapters.logs.asked import FileLog
from rxstream.adapters.logs.counting import LogStatistics, statistics
from rxstream.adapters.logs.pruning import planned
from rxstream.adapters.logs.verifying import Verified, verify
from rxstream.errors import AuthorError, LogError
from rxstream.log import pruning
from rxstream.log.retention import PruneReport, Retention
from rxstream.log.values import Commit

P = ParamSpec("P")
R = TypeVar("R")

LOOK_S: Final = 0.05
"""Seconds between two looks at a file that another process writes."""


class LogView(FileLog):
    """The log at a path or `sqlite:` URL, for reading only.

    `threaded=False` reads on the event loop, which waits meanwhile: for a loop on virtual time, whose clock
    does not wait for threads.
    """

    durable: ClassVar[bool] = True

    def __init__(self, path: str | os.PathLike[str], *, threaded: bool = True) -> None:
        super().__init__()
        text = os.fspath(path)
        if text in ("memory", "memory:"):
            raise AuthorError("a log in memory can be seen only by the process that holds it")
        self.path = os.path.realpath(text.removeprefix("sqlite:"))
        self._threaded = threaded
        self._thread: ThreadPoolExecutor | None = None
        self._connection: apsw.Connection | None = None
        self._over: dict[str, LogError] = {}

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _open(self) -> None:
        if self._threaded:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="rxstream log view")
        try:
            await self._in_thread(self._open_file)
        except BaseException:
            self._stop_thread()
            raise

    def _open_file(self) -> None:
        if not os.path.isfile(self.path):
            raise LogError(
                f"there is no event log at {self.path}: name its file with --log or log=",
                code="log_missing",
            )
        try:
            connection = schema.connect(self.path)
            try:
                self.epoch = schema.recognized(self.path, connection)
            except BaseException:
                connection.close()
                raise
        except apsw.Error as error:
            raise schema.explained(self.path, error) from error
        self._connection = connection

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._in_thread(connection.close)
        self._stop_thread()

    def _stop_thread(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    def _commit(self, commit: Commit) -> NoReturn:
        raise LogError(f"{self.path} was opened for reading only", code="log_invalid")

    async def _checkpoint(self, execution_id: str) -> NoReturn:
        raise LogError(f"{self.path} was opened for reading only", code="log_invalid")

    async def _prune(self, retention: Retention, graph: str | None, dry_run: bool) -> PruneReport:
        if not dry_run:
            raise LogError(f"{self.path} was opened for reading only", code="log_invalid")
        return pruning.report(await self._ask(planned, retention, graph))

    async def verify(self) -> Verified:
        """Read everything and say what is not as it was written."""
        return await self._ask(verify)

    async def statistics(self) -> LogStatistics:
        """What the log holds, counted; reads all of its pages."""
        return await self._ask(statistics)

    # -- following -----------------------------------------------------------------------------

    async def wait(self, execution_id: str, after: int, timeout: float | None = None) -> bool:
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while self.is_open:
            # in this order, because a writer's last commit comes before its end
            lives = writer_lives(self.path)
            head = await self.head(execution_id)
            if head.last > after or head.ended:
                return True
            if not lives:
                self._over[execution_id] = LogError(
                    f"nobody writes {self.path} any more", code="log_unowned"
                )
                return True
            left = LOOK_S if deadline is None else deadline - loop.time()
            if left <= 0:
                return False
            await asyncio.sleep(min(left, LOOK_S))
        return True

    def abandoned(self, execution_id: str) -> LogError | None:
        return self._over.get(execution_id)

    # -- reading -------------------------------------------------------------------------------

    async def _in_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._thread is None:
            return function(*args, **kwargs)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))

    async def _ask(
        self,
        question: Callable[Concatenate[apsw.Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        connection = self._connection
        if connection is None:
            raise LogError("the event log is not open", code="log_closed")

        return await self._in_thread(
            lambda: reading.answered(self.path, connection, question, *args, **kwargs)
        )


def writer_lives(path: str) -> bool:
    """Whether whoever signed the log's lock may still write it; the lock itself is not touched."""
    try:
        with open(f"{path}.lock", "rb") as file:
            told = orjson.loads(file.read(4_096))
        if told["host"] != socket.gethostname():
            return True  # of another machine nothing is known
        with suppress(PermissionError):  # another user's process, but there
            os.kill(int(told["pid"]), 0)
        return True
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return False
