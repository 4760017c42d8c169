"""The units where elements enter within credit: pulled iterators and pulled asynchronous ones.

A pulled source is opened at its first credit and advanced only while there is more. A plain iterator is
pulled in batches that grow from 1 to 64 while a pull takes under half a millisecond. An asynchronous one
has one task for its whole life, which waits where the room ends. What pushes is in `pushing`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any, Final

from reactivex import Observable

from rxstream.engine.island import CURRENT, ordinary
from rxstream.engine.port import SeekPort
from rxstream.engine.pushing import PushUnit, Subscribed
from rxstream.engine.stored_error import restore_error, store_error
from rxstream.engine.unit import BATCH, Unit
from rxstream.operator import Buffer
from rxstream.source import Changes, PushSource, Source

_BESIDE: Final = ""
"""The name of the row of what is not an offset."""

_QUICK_PULL_S: Final = 0.000_5
_QUICK_STEP_S: Final = 0.004


def unit_for(origin: Any, buffer: Buffer | None = None) -> Unit:
    """The unit that runs whatever a source was made of; one that is a unit already runs itself."""
    if isinstance(origin, Unit):
        return origin
    if isinstance(origin, Source):
        return TaskUnit(origin)
    if isinstance(origin, PushSource):
        return PushUnit(origin, buffer)
    if isinstance(origin, Observable):
        return PushUnit(Subscribed(origin), buffer)
    if hasattr(origin, "from_offset"):
        return PullUnit(origin)
    bare = origin
    while isinstance(bare, partial):
        bare = bare.func
    if callable(bare) and not inspect.isroutine(bare) and not inspect.isclass(bare):
        bare = type(bare).__call__
    if inspect.isgeneratorfunction(bare):
        return PullUnit(origin)
    if inspect.isasyncgenfunction(bare):
        return TaskUnit(_Items(origin))
    if isinstance(origin, AsyncIterable):
        return TaskUnit(_Items(lambda: origin))
    if isinstance(origin, Iterable):
        return PullUnit(lambda: origin)
    return TaskUnit(_Items(partial(_called, origin)))


async def _called(function: Callable[[], Any]) -> AsyncIterator[Any]:
    """What a function gives: the elements of an (asynchronous) iterator, or one value, awaited."""
    result = function()
    if inspect.isawaitable(result):
        result = await result
        yield result
    elif isinstance(result, AsyncIterable):
        async for item in result:
            yield item
    elif isinstance(result, Iterator):
        for item in result:
            yield item
    else:
        yield result


class PullUnit(Unit):
    """A plain iterator, advanced on the event loop."""

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        self._make = make
        self._from_offset: Callable[[int], Iterable[Any]] | None = getattr(
            make, "from_offset", None
        )
        self._offset = 0
        """Elements pulled so far."""
        self._iterator: Iterator[Any] | None = None
        self._batch = 1

    def step(self) -> bool:
        count = min(self._batch, self.credit())
        if count <= 0:
            return False
        items: list[Any] = []
        error: Exception | None = None
        begun = perf_counter()
        token = CURRENT.set(self.runtime.port(self.node))
        try:
            if self._iterator is None:
                self.runtime.node_started(self.node)
                self._iterator = iter(self._open())
            # what came before an exception stays in the list
            items.extend(islice(self._iterator, count))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as raised:
            error = ordinary(raised)
        finally:
            CURRENT.reset(token)
        pulled = perf_counter()
        self.out.counters.busy_s += pulled - begun
        self._offset += len(items)
        if items:
            self.emit(items)
        if error is not None:
            self.fail(error)
        elif len(items) < count:
            self.finish()
        elif pulled - begun > _QUICK_PULL_S or perf_counter() - begun > _QUICK_STEP_S:
            self._batch = max(1, self._batch // 2)
        else:
            self._batch = min(BATCH, self._batch * 2)
        return not self.closed

    def _open(self) -> Iterable[Any]:
        if self._offset and self._from_offset is not None:
            return self._from_offset(self._offset)
        return self._make()

    def snapshot(self) -> Any:
        """How many elements were pulled, where it can go on after them."""
        return None if self._from_offset is None else self._offset

    def restore(self, state: Any) -> None:
        self._offset = state

    def dispose(self) -> None:
        iterator, self._iterator = self._iterator, None
        # one that is running now (its own code ended the run) is closed when it is let go of
        if inspect.isgenerator(iterator) and not iterator.gi_running:
            iterator.close()


class _Items:
    """Something asynchronous that gives one element at a time."""

    def __init__(self, make: Callable[[], AsyncIterable[Any]]) -> None:
        self.make = make


class TaskUnit(Unit):
    """An asynchronous iterator, advanced by one task."""

    def __init__(self, origin: Source[Any] | _Items) -> None:
        self._origin = origin
        self._inbox: deque[Any] = deque()
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._over = False
        self._error: Exception | None = None
        self.wanted = 1
        self.start_offset: Any = None
        """Where what is opened next begins."""
        self.next_offset: Any = None
        """Where it would go on after the batch that comes next."""
        self._offset: Any = None
        """Where it would go on after all that came."""
        self.incremental = isinstance(origin, Source) and origin.incremental
        self._told: Any = None
        """What is known of it beside the rows of its offset."""

    def step(self) -> bool:
        credit = self.credit()
        # what came before a restart goes on first, as the batch it was, not as one with what follows
        if self._task is None and not self._over and not self._inbox:
            if credit > 0:
                self.wanted = min(BATCH, credit)
                self.runtime.node_started(self.node)
                self._task = self.runtime.spawn(self, self._pump())
            return False
        count = min(credit, len(self._inbox), BATCH)
        if count > 0:
            items = [self._inbox.popleft() for _ in range(count)]
            self.emit(items)
            credit -= count
        if self.closed or self._inbox:
            return count > 0
        if self._over:
            if self._error is None:
                self.finish()
            else:
                self.fail(self._error)
        else:
            if self.limited:
                credit = self.credit()
            self.wanted = min(BATCH, max(1, credit))
            if credit > 0 and self._room is not None and not self._room.done():
                self._room.set_result(None)
        return count > 0 and not self.closed

    async def _pump(self) -> None:
        try:
            if isinstance(self._origin, Source):
                await self._pump_batches(self._origin)
            else:
                await self._pump_items(self._origin)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._error = RuntimeError("what the source awaited was cancelled")
        except Exception as error:
            if self.closed:  # it was told to let go
                raise
            self._error = error
        self._over = True
        self.ready()

    async def _pump_batches(self, source: Source[Any]) -> None:
        iterator = source.open(_SourcePort(self))
        try:
            async for batch in iterator:
                self._inbox.extend(batch)
                self._offset = self.next_offset
                self.is_timed = callable(self._offset)
                if self._over:
                    break
                await self._taken()
        finally:
            await _close(iterator)

    async def _pump_items(self, origin: _Items) -> None:
        iterator = aiter(origin.make())
        quick_until = perf_counter() + _QUICK_STEP_S
        try:
            async for item in iterator:
                self._inbox.append(item)
                self.ready()
                if self._over:
                    break
                if len(self._inbox) >= self.wanted:
                    await self._taken()
                    quick_until = perf_counter() + _QUICK_STEP_S
                elif perf_counter() > quick_until:
                    await asyncio.sleep(0)
                    quick_until = perf_counter() + _QUICK_STEP_S
        finally:
            await _close(iterator)

    async def _taken(self) -> None:
        """Wait until all is pushed on and there is room for more."""
        self._room = asyncio.get_running_loop().create_future()
        self.ready()
        await self._room

    def external(self) -> bool:
        # a task that waits for room is woken by a step, not from outside
        waits = self._room is not None and not self._room.done()
        return self._task is not None and not self._over and not waits

    def stop(self) -> None:
        if self._task is None and not self._inbox:
            self.finish()
            return
        if self._task is None:  # what came before a restart still goes on
            self._over = True
            self.ready()
            return
        self._over = True
        if self._task is not asyncio.current_task():
            self._task.cancel()
        self.ready()

    def dispose(self) -> None:
        self._inbox.clear()

    def snapshot(self) -> Any:
        """Where it would go on, what came and is not pushed on, whether nothing follows, and why."""
        if not isinstance(self._origin, Source):
            return None
        offset = self._offset() if callable(self._offset) else self._offset
        return (offset, *self._beside())

    def restore(self, state: Any) -> None:
        self._offset, *beside = state
        self.start_offset = self.next_offset = self._offset
        self._go_on(beside)

    def changes(self) -> Changes | None:
        """Of one whose offset is told in rows: those that changed, and the rest as one more."""
        rows = None if self._offset is None else self._offset.changes()
        beside = self._beside()
        if rows is None and beside == self._told:
            return None
        wiped, found, gone = rows or (False, {}, [])
        if wiped or beside != self._told:
            found = {**found, _BESIDE: beside}
        self._told = beside
        return wiped, found, gone

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        """Go on from what was stored; the source tells no row again that is among it."""
        rows = dict(stored)
        self._told = rows.pop(_BESIDE)
        self.start_offset = rows or None
        self._go_on(self._told)

    def _beside(self) -> tuple[Any, ...]:
        return (tuple(self._inbox), self._over, store_error(self._error))

    def _go_on(self, beside: Sequence[Any]) -> None:
        inbox, self._over, error = beside
        self._inbox = deque(inbox)
        self._error = restore_error(error)


async def _close(iterator: AsyncIterator[Any]) -> None:
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()


class _SourcePort(SeekPort):
    """What a running `Source` may see and say."""

    def __init__(self, unit: TaskUnit) -> None:
        super().__init__(unit)
        self._unit = unit

    @property
    def wanted(self) -> int:
        return self._unit.wanted
