"""A bounded buffer between any threads that send and the executions that read.

Every element goes to exactly one reader, as with the channels of other languages; who wants every reader
to see everything uses a reactivex Subject. All state is behind one lock, which is never held while
waiting or while code that is not ours runs. Readers and senders may live on different event loops.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from rxstream.errors import AuthorError, BufferOverflow
from rxstream.source import Source, SourcePort

T = TypeVar("T")

ChannelPolicy = Literal["block", "latest", "drop_oldest", "drop_newest", "fail"]
"""What a full channel does with one more element."""

_Waiter = asyncio.Future[None]


@dataclass(frozen=True)
class ChannelStatistics:
    """How full a channel is and what happened to what was sent."""

    depth: int
    capacity: int
    sent: int
    dropped: int
    closed: bool


class Channel(Source[T]):
    """Made outside a graph, read inside one by `rxstream.source(channel)`, sent to from anywhere.

    Elements wait here until an execution reads them, also before the first has started and after the last
    was cancelled. Several executions, or several nodes, share the elements: each goes to one of them. After
    `close` what waits is still read, then every reader ends. It cannot be resumed: what waits here is gone
    with the process.
    """

    name: ClassVar[str] = "channel"

    def __init__(self, capacity: int = 1_024, *, policy: ChannelPolicy = "block") -> None:
        if capacity < 1:
            raise AuthorError(f"a channel needs a capacity of at least 1, not {capacity}")
        if policy not in ("block", "latest", "drop_oldest", "drop_newest", "fail"):
            raise AuthorError(f"a channel knows no policy {policy!r}")
        self._capacity = 1 if policy == "latest" else capacity
        self._policy = policy
        self._items: deque[T] = deque()
        self._sent = 0
        self._dropped = 0
        self._closed = False
        self._error: BaseException | None = None
        self._room = threading.Condition(threading.Lock())
        self._readers: deque[_Waiter] = deque()
        self._putters: deque[_Waiter] = deque()

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"policy": self._policy, "capacity": self._capacity}

    @property
    def statistics(self) -> ChannelStatistics:
        """A consistent look at the counters."""
        with self._room:
            return ChannelStatistics(
                len(self._items), self._capacity, self._sent, self._dropped, self._closed
            )

    # -- sending -------------------------------------------------------------------------------

    def send(self, item: T, timeout: float | None = None) -> bool:
        """Hand over one element from any thread; False when the channel is closed.

        A full channel of policy `block` makes the thread wait, `timeout` seconds at most (then
        TimeoutError). On a thread that runs an event loop it raises `BufferOverflow` instead, as it
        does with policy `fail`: there, `await channel.put(item)`.
        """
        with self._room:
            if self._blocked():
                if _on_a_loop():
                    raise BufferOverflow(
                        f"a channel of {self._capacity} is full and its sender is on an event "
                        "loop, which must not wait: await channel.put(item)"
                    )
                if not self._room.wait_for(lambda: not self._blocked(), timeout):
                    raise TimeoutError(f"the channel was full for {timeout:g} s")
            return self._add(item)

    async def put(self, item: T) -> bool:
        """Like `send`, for coroutines: waits for room without holding up the loop."""
        while True:
            with self._room:
                if not self._blocked():
                    return self._add(item)
                waiter = self._enlist(self._putters)
            await self._turn(waiter, self._putters)

    def close(self) -> None:
        """Nothing follows: readers end when they have read what waits. Idempotent, from any thread."""
        self._end(None)

    def fail(self, error: BaseException) -> None:
        """Like `close`, but readers then fail with `error`."""
        self._end(error)

    # -- reading -------------------------------------------------------------------------------

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[T]]:
        while True:
            with self._room:
                batch = [self._items.popleft() for _ in range(min(port.wanted, len(self._items)))]
                if batch:
                    self._room.notify(len(batch))
                    self._wake(self._putters, len(batch))
                elif self._closed:
                    if self._error is not None:
                        raise self._error
                    return
                else:
                    waiter = self._enlist(self._readers)
            if batch:
                yield batch
            else:
                await self._turn(waiter, self._readers)

    # -- with the lock held --------------------------------------------------------------------

    def _blocked(self) -> bool:
        full = len(self._items) >= self._capacity
        return full and self._policy == "block" and not self._closed

    def _add(self, item: T) -> bool:
        if self._closed:
            return False
        self._sent += 1
        if len(self._items) >= self._capacity:
            if self._policy == "fail":
                raise BufferOverflow(f"a channel of {self._capacity} is full")
            self._dropped += 1
            if self._policy == "drop_newest":
                return True
            self._items.popleft()
        self._items.append(item)
        self._wake(self._readers, 1)
        return True

    def _end(self, error: BaseException | None) -> None:
        with self._room:
            if self._closed:
                return
            self._closed = True
            self._error = error
            self._room.notify_all()
            self._wake(self._readers, len(self._readers))
            self._wake(self._putters, len(self._putters))

    def _enlist(self, waiters: deque[_Waiter]) -> _Waiter:
        waiter = asyncio.get_running_loop().create_future()
        waiters.append(waiter)
        return waiter

    def _wake(self, waiters: deque[_Waiter], count: int) -> None:
        while count > 0 and waiters:
            waiter = waiters.popleft()
            try:
                waiter.get_loop().call_soon_threadsafe(_resolve, waiter)
            except RuntimeError:
                continue  # its loop was closed, so it waits no more
            count -= 1

    async def _turn(self, waiter: _Waiter, waiters: deque[_Waiter]) -> None:
        try:
            await waiter
        finally:
            with self._room:
                if waiter in waiters:
                    waiters.remove(waiter)
                elif waiter.cancelled():
                    # it was its turn but it is gone: the next one's
                    self._wake(waiters, 1)


def _resolve(waiter: _Waiter) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
