"""Runs one call of a tool: its arguments are checked, its output comes as it comes, its result ends it.

Whatever happens, a call that is read to its end ends with one `tool_result`. It is stopped by its token, by
its time, or by whoever stops reading; then the tool's task is cancelled, its own token too, and what it still
does to close is waited for. Must not know who wanted the call.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, closing, suppress
from typing import Any, Final

import orjson
import structlog

from rxstream.errors import ExecutionCancelled, ExecutionTimeout, InvalidParameters, RxStreamError
from rxstream.models.contract import Element
from rxstream.plugins.running import CancellationToken
from rxstream.tools.declaring import Tool, Way
from rxstream.tools.inbox import Inbox
from rxstream.tools.running import CannotStream, ToolContext, ToolResult
from rxstream.tools.telling import LIMITS, Limits, failure, success
from rxstream.tools.threads import threaded

PATIENCE_S: Final = 3.0
"""How long a call that was stopped may take to close, in seconds, before it is left behind."""

_log: Final = structlog.get_logger("rxstream.tools")

_left_behind: Final[set[asyncio.Task[Any]]] = set()
"""Tasks that resist; kept, because the loop does not keep them."""


async def perform(
    tool: Tool,
    arguments: Mapping[str, Any] | str,
    *,
    call_id: str = "",
    stream: bool = True,
    token: CancellationToken | None = None,
    timeout: float | None = None,
    limits: Limits = LIMITS,
) -> AsyncGenerator[list[Element], None]:
    """Call a tool; gives batches of elements, the last of which is its `tool_result`.

    `arguments` are values by name, or the text of a model that is no JSON object, which is an error the
    result tells. Without `stream` there is no live output, and a tool that has one is called by its plain
    variant. `timeout` in seconds holds beside the tool's own. Closing it stops the call.
    """
    try:
        values = tool.check(as_object(arguments))
        if token is not None:
            token.check()  # of one that is stopped already nothing is begun
    except RxStreamError as error:
        yield [failure(call_id, tool.name, error)]
        return
    run = _Run(tool, values, call_id, stream, limits)
    try:
        run.begin(token, timeout)
        while run.under_way:
            batch = run.inbox.take()
            if batch:
                yield batch
            else:
                await run.inbox.wait()
        yield [*run.inbox.take(last=True), run.outcome()]
    finally:
        await run.close()


def as_object(arguments: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """Arguments as values by name. Raises `InvalidParameters`."""
    if isinstance(arguments, Mapping):
        return arguments
    found: Any = None
    if not str(arguments).strip():
        return {}
    with suppress(orjson.JSONDecodeError):
        found = orjson.loads(arguments)
    if isinstance(found, dict):
        return found
    message = f"the arguments are no JSON object: {arguments[:200]!r}"
    detail = [{"name": "arguments", "message": message, "expected": "a JSON object"}]
    raise InvalidParameters(message, detail=detail)


class _Run:
    """One call under way."""

    def __init__(
        self, tool: Tool, values: Mapping[str, Any], call_id: str, stream: bool, limits: Limits
    ) -> None:
        self._tool = tool
        self._values = values
        self._call_id = call_id
        self._stream = stream
        self._limits = limits
        self.inbox = Inbox(call_id, limits, silent=not stream)
        self._token = CancellationToken()
        self._context = ToolContext(call_id, self._token, self.inbox.report if stream else None)
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[ToolResult] | None = None
        self._why: RxStreamError | None = None
        """Why it was stopped."""
        self._abandoned = False
        self._timers: list[asyncio.TimerHandle] = []
        self._unlisten: Callable[[], None] = lambda: None

    # -- from outside --------------------------------------------------------------------------

    def begin(self, token: CancellationToken | None, timeout: float | None) -> None:
        """Start the tool's task, and what may stop it."""
        limits = [each for each in (timeout, self._tool.settings.timeout) if each is not None]
        if limits:
            seconds = min(limits)
            said = f"tool {self._tool.name!r} was not done within {seconds:g} s"
            late = ExecutionTimeout(said, code="tool_timeout")
            self._timers.append(self._loop.call_later(seconds, self._stop, late))
        self._task = self._loop.create_task(self._go(), name=f"rxstream tool {self._tool.name}")
        self._task.add_done_callback(lambda _: self.inbox.wake())
        if token is not None:
            self._unlisten = token.when_cancelled(lambda: self._cancelled(token))

    @property
    def under_way(self) -> bool:
        """Whether something may still come."""
        return self._task is not None and not self._task.done() and not self._abandoned

    def outcome(self) -> Element:
        """The `tool_result`."""
        task, name = self._task, self._tool.name
        assert task is not None
        if self._abandoned:
            assert self._why is not None
            said = f"{self._why.message}; it did not stop and was left behind"
            return failure(self._call_id, name, type(self._why)(said, code=self._why.code))
        if not task.cancelled() and task.exception() is None:
            return success(self._call_id, name, task.result(), self._limits)
        error = None if task.cancelled() else task.exception()
        return failure(self._call_id, name, self._why or error or _stray())

    async def close(self) -> None:
        """Let go of everything; waits for the tool's task as long as it may take."""
        self._unlisten()
        self._token.cancel("the call is over")
        task = self._task
        try:
            if task is not None and not task.done():
                if not self._abandoned:
                    task.cancel()
                    await asyncio.wait([task], timeout=PATIENCE_S)
                if not task.done():
                    self._leave_behind(task)
        finally:
            self.inbox.close()
            for timer in self._timers:
                timer.cancel()

    def _leave_behind(self, task: asyncio.Task[ToolResult]) -> None:
        _log.warning("a tool did not stop", tool=self._tool.name, call=self._call_id)
        task.cancel()
        _left_behind.add(task)
        task.add_done_callback(_left_behind.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _cancelled(self, token: CancellationToken) -> None:
        error = ExecutionCancelled(token.reason or "cancelled")
        try:
            self._loop.call_soon_threadsafe(self._stop, error)
        except RuntimeError:  # the loop is closed, and the call with it
            return

    def _stop(self, why: RxStreamError) -> None:
        if self._why is not None or self._task is None or self._task.done():
            return
        self._why = why
        self._token.cancel(why.message)
        self._task.cancel()
        self._timers.append(self._loop.call_later(PATIENCE_S, self._give_up))

    def _give_up(self) -> None:
        if self._task is not None and not self._task.done():
            self._abandoned = True
            self.inbox.wake()

    # -- the tool's task -----------------------------------------------------------------------

    async def _go(self) -> ToolResult:
        plain = self._tool.plain_way
        if plain is not None and not self._stream:
            return await self._called(plain)
        try:
            return await self._called(self._tool)
        except Exception as error:
            harmless = isinstance(error, CannotStream) or self._tool.settings.idempotent
            if plain is None or not harmless or self._why is not None:
                raise
            self.inbox.report(None, f"goes on without streaming: {error}"[:500])
        return await self._called(plain)

    async def _called(self, way: Way | Tool) -> ToolResult:
        kind = way.way.kind if isinstance(way, Tool) else way.kind
        if kind in ("async_generator", "coroutine"):
            made = way.start(self._values, self._context)
        elif kind == "generator":
            made = self._from_thread(lambda give: self._run_generator(way, give))
        else:
            made = self._from_thread(lambda give: way.start(self._values, self._context))
        if inspect.isawaitable(made):
            made = await made
        return await self._drained(made) if isinstance(made, AsyncIterator) else _result(made)

    async def _drained(self, items: AsyncIterator[Any]) -> ToolResult:
        try:
            async for item in items:
                if isinstance(item, ToolResult):
                    return item
                await self.inbox.put(item)
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()
        return ToolResult(self.inbox.text)

    async def _from_thread(
        self, work: Callable[[Callable[[Any], None]], Any]
    ) -> AsyncIterator[Any]:
        async with aclosing(threaded(work, f"tool {self._tool.name}")) as items:
            async for last, item in items:
                if not last:
                    yield item
                elif isinstance(item, AsyncIterator):
                    async for each in item:
                        yield each
                elif item is not _NO_RESULT:
                    yield _result(await item if inspect.isawaitable(item) else item)

    def _run_generator(self, way: Way | Tool, give: Callable[[Any], None]) -> Any:
        with closing(way.start(self._values, self._context)) as items:
            for item in items:
                if isinstance(item, ToolResult):
                    return item
                give(item)
        return _NO_RESULT


_NO_RESULT: Final = object()
"""What a generator in a thread gives that ended without a result."""


def _result(value: Any) -> ToolResult:
    return value if isinstance(value, ToolResult) else ToolResult(value)


def _stray() -> Exception:
    return RuntimeError("what the tool awaited was cancelled")
