"""Units whose outputs go out before an error does, and whose whole state is plain data.

`Draining` puts an error, its own or the input's, behind what is pending. `Expanding` runs a sans-I/O decoder
that gives any number of elements for one chunk: at most a batch of elements and those of one chunk are
pending, further chunks wait as they came. Snapshots are taken between steps and restored before `start`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any, ClassVar

from rxstream.engine.island import CURRENT
from rxstream.engine.op import Changes, Incremental
from rxstream.engine.stored_error import restore_error, store_error
from rxstream.engine.unit import BATCH
from rxstream.operators._passing import Passing
from rxstream.operators._rows import Beside


class Draining(Passing):
    """One input; an error waits until what is pending has gone out."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None
        """What it ends with, once nothing is pending."""
        self.own = False
        """Whether that happened here rather than in the input."""

    def interrupted(self) -> None:
        """The input failed: append to `pending` what was whole before."""

    def break_off(self, error: BaseException, *, own: bool) -> None:
        """Take nothing more and end with this error."""
        self.error, self.own, self.over = error, own, True

    def pass_on(self, error: BaseException) -> None:
        if self.error is None:
            self.interrupted()
            if self.pending:
                self.break_off(error, own=False)
                return
        super().pass_on(error)

    def finish(self) -> None:
        if self.error is None:
            super().finish()
        elif self.own:
            self.fail(self.error)
        else:
            super().pass_on(self.error)

    # -- its state as plain data ---------------------------------------------------------------

    def snapshot(self) -> tuple[Any, ...]:
        """What `Passing` stores, and the error it ends with."""
        return (*super().snapshot(), store_error(self.error), self.own)

    def restore(self, state: tuple[Any, ...]) -> None:
        """Go on from a snapshot; called before `start`."""
        *passing, error, self.own = state
        super().restore(tuple(passing))
        self.error = restore_error(error)


class Decoder:
    """A sans-I/O machine that gives any number of elements for a chunk; `Expanding` runs it."""

    incremental: ClassVar[bool] = False
    """Whether it also has what an `Incremental` operator has."""

    def feed(self, chunk: Any, out: deque[Any]) -> None:
        """Append what the chunk completes; what was appended before it raised goes out."""
        raise NotImplementedError

    def finish(self, out: deque[Any]) -> None:
        """No chunk follows: append what is left."""

    def interrupt(self, out: deque[Any]) -> None:
        """The input failed: append what is known to be whole."""

    def close(self) -> None:
        """It ended, whichever way."""

    def watch(self, on_bad: Callable[[], None]) -> None:
        """Be given what counts an element that was skipped."""

    def pack(self, item: Any) -> Any:
        """An element of its making as plain data."""
        return item

    def unpack(self, item: Any) -> Any:
        """What `pack` was given."""
        return item

    def snapshot(self) -> Any:
        """Its state as plain data."""
        raise NotImplementedError

    def restore(self, state: Any) -> None:
        """Go on from a snapshot."""
        raise NotImplementedError


class Expanding(Draining):
    """Runs a `Decoder` within credit."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.incremental = decoder.incremental
        self._beside = Beside()
        self.chunks: deque[Any] = deque()
        """Taken and not decoded yet; none while nothing is pending."""

    def start(self) -> None:
        self.decoder.watch(self._count_error)

    def _count_error(self) -> None:
        self.out.counters.errors += 1

    def take(self, items: Sequence[Any]) -> None:
        self.chunks.extend(items)
        self._digest()

    def end(self) -> None:
        self.over = True
        try:
            self.decoder.finish(self.pending)
        except Exception as error:
            self.break_off(error, own=True)

    def interrupted(self) -> None:
        self.decoder.interrupt(self.pending)

    def step(self) -> bool:
        moved = False
        while self.chunks and not self.closed:
            if not self.flush():
                return moved
            moved = True
            if not self.pending:
                self._digest()
        return (not self.closed and super().step()) or (moved and not self.closed)

    def _digest(self) -> None:
        begun = perf_counter()
        # a callback of the user's may ask which node it runs in
        token = CURRENT.set(self.runtime.port(self.node))
        try:
            while self.chunks and len(self.pending) < BATCH:
                self.decoder.feed(self.chunks.popleft(), self.pending)
        except Exception as error:
            self.chunks.clear()
            self.break_off(error, own=True)
        finally:
            CURRENT.reset(token)
            self.out.counters.busy_s += perf_counter() - begun

    def dispose(self) -> None:
        super().dispose()
        self.chunks.clear()
        self.decoder.close()

    def pack(self, item: Any) -> Any:
        return self.decoder.pack(item)

    def unpack(self, item: Any) -> Any:
        return self.decoder.unpack(item)

    def state(self) -> Any:
        return (tuple(self.chunks), self.decoder.snapshot())

    def go_on(self, state: Any) -> None:
        chunks: Iterable[Any]
        chunks, held = state
        self.chunks = deque(chunks)
        self.decoder.restore(held)

    # -- its state by what changed, if its machine has it so -------------------------------------

    @property
    def _machine(self) -> Incremental:
        return self.decoder  # type: ignore[return-value]  # asked only where it says that it is `incremental`

    def changes(self) -> Changes | None:
        held = (
            *(tuple(map(self.pack, self.pending)), tuple(self.chunks)),
            *(self.over, store_error(self.error), self.own),
        )
        return self._beside.added(self._machine.changes(), held)

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        rows, held = self._beside.parted(stored)
        self._machine.restore_changes(rows)
        if held is not None:
            pending, chunks, self.over, error, self.own = held
            self.pending = deque(map(self.unpack, pending))
            self.chunks = deque(chunks)
            self.error = restore_error(error)
