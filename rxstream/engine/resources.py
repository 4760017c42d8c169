"""Named resources for a part of an execution: `async with engine.resources.acquire(gpu=1): …`.

Amounts are taken all at once, in turn with the executions that wait for the same, and given back on every way
out. Who holds some may not wait for more, because two that do so could wait for each other for ever. An
execution that was started with resources has them to itself: its calls take turns at those, and at no others.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from typing import Final
from weakref import WeakValueDictionary

from rxstream.engine.island import CURRENT
from rxstream.engine.queue import Queue
from rxstream.engine.requirements import unavailable
from rxstream.engine.scheduling import Request, Scheduler
from rxstream.errors import AuthorError


class _Holding:
    """What a call holds, as long as it does. A generator may end in another context than it began."""

    def __init__(self, amounts: Mapping[str, int]) -> None:
        self.amounts = amounts


_HOLDING: Final[ContextVar[_Holding | None]] = ContextVar("rxstream_holding", default=None)

_of_execution: Final[WeakValueDictionary[str, Resources]] = WeakValueDictionary()
"""Where running executions get resources."""


def acquire(**amounts: int) -> AbstractAsyncContextManager[None]:
    """Hold resources of the engine inside a block of a node's code: `async with rxs.acquire(gpu=1): …`.

    See `Resources.acquire`. Raises `AuthorError` outside the code of a node that an engine runs.
    """
    port = CURRENT.get()
    resources = None if port is None else _of_execution.get(port.execution_id)
    if resources is None:
        raise AuthorError(
            "acquire() was called outside a node that an engine runs: call it in a function given to a "
            "source or an operator, and start the graph with Engine(resources=…)"
        )
    return resources.acquire(**amounts)


def acquire_missing(amounts: Mapping[str, int]) -> AbstractAsyncContextManager[None]:
    """`acquire` for code that is called by others' code: nothing is taken that the call holds already.

    Nor is anything where no engine runs the code, because then there is nothing to share.
    """
    port, outer = CURRENT.get(), _HOLDING.get()
    resources = None if port is None else _of_execution.get(port.execution_id)
    has = {} if outer is None else outer.amounts
    if resources is None or all(has.get(name, 0) >= amount for name, amount in amounts.items()):
        return nullcontext()
    return resources.acquire(**amounts)


class Resources:
    """What there is of everything, and the way to some of it."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._order = itertools.count()
        self._own: dict[str, Queue] = {}

    @property
    def totals(self) -> Mapping[str, int]:
        """All there is, by name."""
        return self._queue.scheduler.resources

    def free(self, name: str) -> int:
        """How much of it nobody holds now."""
        return self._queue.scheduler.free(name)

    @asynccontextmanager
    async def acquire(self, **amounts: int) -> AsyncIterator[None]:
        """Hold these amounts inside the block; waits until all of them can be had.

        Raises `AuthorError` for what can never be had, and for a call inside another's block; `Overloaded`
        when too many wait.
        """
        queue, user = self._of_current()
        problem = unavailable(amounts, queue.scheduler.resources)
        if problem and queue is not self._queue:
            problem += " (which is what its execution was started with)"
        if problem:
            raise AuthorError(f"resources: {problem}", code="no_such_resource")
        outer = _HOLDING.get()
        if outer is not None and outer.amounts:
            raise AuthorError(
                f"this call holds {', '.join(outer.amounts)} and asks for {', '.join(amounts)}, so two could "
                "wait for each other for ever: acquire all of it at once",
                code="nested_acquire",
            )
        if not amounts:
            yield
            return
        call = Request(f"call {next(self._order)}", user, resources=amounts, place=False)
        await queue.acquire(call)
        holding = _Holding(amounts)
        _HOLDING.set(holding)
        try:
            yield
        finally:
            holding.amounts = {}
            queue.release(call.id)

    def _of_current(self) -> tuple[Queue, str]:
        """Where the code that runs now gets resources, and the execution it belongs to."""
        port = CURRENT.get()
        if port is None:
            return self._queue, ""
        own = self._queue.scheduler.holds(port.execution_id)
        if not own:
            return self._queue, port.execution_id
        queue = self._own.get(port.execution_id)
        if queue is None:
            scheduler = Scheduler(places=0, resources=own)
            queue = self._own[port.execution_id] = Queue(scheduler, self._queue.run)
        return queue, port.node_id

    def serve(self, execution_id: str) -> None:
        """The execution runs now, and its code may ask."""
        _of_execution[execution_id] = self

    def forget(self, execution_id: str) -> None:
        """The execution has ended."""
        _of_execution.pop(execution_id, None)
        self._own.pop(execution_id, None)
