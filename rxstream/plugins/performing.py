"""An action as a `Source`: what the engine opens when a stream of it is started.

Whatever the action gives (a generator of either kind, a coroutine, a value) becomes batches, and whatever
ends the run (its end, a failure, the engine, a token) closes what the action opened. The engine runs it like
any other source, so resuming, cancelling and supervising are the engine's.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, ClassVar, Final

from rxstream.engine.island import CURRENT
from rxstream.engine.unit import BATCH
from rxstream.graph.params import shown
from rxstream.indexed import not_the_same
from rxstream.operator import OperatorSpec
from rxstream.plugins.plugin import Performable
from rxstream.plugins.running import (
    ActionContext,
    CancellationToken,
    Interruption,
    ProgressCallback,
    TellingPort,
)
from rxstream.source import Port, Source, SourcePort
from rxstream.stream import Stream

_QUICK_S: Final = 0.000_5
"""A plain generator fills a batch for so long: an element must not wait for the slow one behind it."""


class ActionSource(Source[Any]):
    """One action with its values, ready to run any number of times."""

    name: ClassVar[str] = "action"

    def __init__(
        self,
        action: Performable,
        values: Mapping[str, Any],
        token: CancellationToken | None = None,
        told: ProgressCallback | None = None,
    ) -> None:
        self._action = action
        self._values = values
        self._token = token
        self._told = told
        described = action.description
        self.by_offset = described.resumable and getattr(action, "context", None) is not None
        self.seekable = described.resumable or (not action.streams and described.idempotent)
        self.endless = None if action.streams else False

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {key: shown(value) for key, value in self._values.items()}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        begin = 0 if self.by_offset or port.start is None else int(port.start)
        if begin and not self._action.streams:
            return  # its one value was stored
        token = CancellationToken()
        follow = self._token.when_cancelled(self._follower(token)) if self._token else None
        context = ActionContext(port, token, self._told)
        if self._told is not None:
            telling: Any = TellingPort(CURRENT.get(), context)  # it stands for the port
            CURRENT.set(telling)
        interruption = Interruption(token)
        unlisten = interruption.listen()
        count = 0
        batches: Any = self._batches(port, context, interruption)
        try:
            async for batch in batches:
                known = max(0, begin - count)
                count += len(batch)
                if self.seekable and not self.by_offset:
                    port.seek_point(max(count, begin))
                if known < len(batch):
                    yield batch[known:]
            if count < begin:
                raise not_the_same(count, begin)
        finally:
            unlisten()
            if follow is not None:
                follow()
            # threads of the action's look at it
            token.cancel("the run is over")
            await batches.aclose()

    def _follower(self, token: CancellationToken) -> Any:
        outer = self._token
        return lambda: token.cancel((outer and outer.reason) or "cancelled")

    async def _batches(
        self, port: SourcePort, context: ActionContext, interruption: Interruption
    ) -> Any:
        with interruption:
            result = self._action.start(self._values, context)
            if inspect.isawaitable(result):
                result = await result
        if isinstance(result, AsyncIterable):
            iterator = aiter(result)
            try:
                while True:
                    with interruption:
                        try:
                            item = await anext(iterator)
                        except StopAsyncIteration:
                            return
                    yield [item]
            finally:
                close = getattr(iterator, "aclose", None)
                if close is not None:
                    await close()
        elif isinstance(result, Iterator) and self._action.streams:
            try:
                error: BaseException | None = None
                while error is None:
                    batch, error = _some(result, port.wanted)
                    if batch:
                        yield batch
                    context.token.check()
                if not isinstance(error, StopIteration):
                    with interruption:
                        raise error
            finally:
                if inspect.isgenerator(result):
                    result.close()
        else:
            yield [result]


def action_stream(
    action: Performable,
    values: Mapping[str, Any],
    token: CancellationToken | None = None,
    told: ProgressCallback | None = None,
) -> Stream[Any]:
    """A stream of an action, that shows its values."""
    origin = ActionSource(action, values, token, told)
    spec = OperatorSpec(
        action.description.id,
        "source",
        make=lambda: origin,
        arguments=origin.arguments,
        told=True,
        resources=action.description.resources,
    )
    if origin.seekable:
        return Stream(spec)

    async def elements() -> AsyncIterator[Any]:
        # without seek points elements need not come one by one, which is many times quicker
        port = CURRENT.get()
        assert port is not None  # it is a node's code that runs
        batches = origin.open(FromBeginning(port))
        try:
            async for batch in batches:
                for item in batch:
                    yield item
        finally:
            await batches.aclose()  # type: ignore[attr-defined]  # it is a generator

    elements.endless = origin.endless  # type: ignore[attr-defined]  # where the linter looks for it
    return Stream(replace(spec, make=lambda: elements))


class FromBeginning:
    """The port of a run that always begins at the beginning; all it says is progress."""

    wanted = BATCH
    start = None

    def __init__(self, port: Port) -> None:
        self.execution_id = port.execution_id
        self.node_id = port.node_id
        self.progress = port.progress

    def seek_point(self, offset: Any) -> None:
        """Nothing is stored of it."""


def _some(iterator: Iterator[Any], most: int) -> tuple[list[Any], BaseException | None]:
    """What comes at once, at least one, and how it ended if it did: what came before an error counts."""
    batch: list[Any] = []
    until = perf_counter() + _QUICK_S
    while True:
        try:
            batch.append(next(iterator))
        except (Exception, SystemExit) as error:
            return batch, error
        if len(batch) >= most or perf_counter() > until:
            return batch, None
