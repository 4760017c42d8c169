"""The unit that writes a stream to a sink: one task that takes, writes, and takes again.

A batch is taken only when the one before is written, so a slow sink fills its queue and then holds back
what feeds it. The sink is left (flushed, released) before the graph has ended. A batch of which it was not
known, when the process died, that it was written is written again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from rxstream.engine.island import ordinary
from rxstream.engine.port import SeekPort
from rxstream.engine.unit import BATCH, Unit
from rxstream.errors import blame
from rxstream.sink import Sink


class SinkUnit(Unit):
    """A root of the graph."""

    def __init__(self, sink: Sink[Any]) -> None:
        self._sink = sink
        self._more: asyncio.Future[None] | None = None
        self._writing = True
        """Whether the task runs or is about to; kept by whoever wakes it, not by the task."""
        self._batch: tuple[Any, ...] = ()
        """What is being written."""
        self.start_offset: Any = None
        """Where the sink would go on after all that was written."""
        self.next_offset: Any = None

    def start(self) -> None:
        self.runtime.add_root()
        self.runtime.spawn(self, self._write())

    def step(self) -> bool:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
            self._writing = True
        return False

    def external(self) -> bool:
        return self._writing

    def writing(self) -> bool:
        return bool(self._batch)

    def snapshot(self) -> Any:
        """What is being written, and where the sink would go on before that."""
        return (self._batch, self.start_offset)

    def restore(self, state: Any) -> None:
        self._batch, self.start_offset = state
        self.next_offset = self.start_offset

    def _take(self) -> Sequence[Any]:
        return () if self.runtime.ended else self.inputs[0].take(BATCH)

    async def _write(self) -> None:
        edge = self.inputs[0]
        counters = self.out.counters
        loop = asyncio.get_running_loop()
        try:
            async with self._sink.open(SeekPort(self)) as write:
                while self._batch or not edge.exhausted:
                    items = self._batch or self._take()
                    if items:
                        self._batch = tuple(items)
                        await write(items)
                        counters.elements_in += len(items)
                        counters.elements_out += len(items)
                        self._batch, self.start_offset = (), self.next_offset
                        self.touch()
                        continue
                    self._more = loop.create_future()
                    self._writing = False
                    await self._more
                if edge.error is not None:
                    # the sink is told too, so that it does not finish what is not the whole
                    raise edge.error
        except BaseException as raised:
            task = asyncio.current_task()
            if isinstance(raised, KeyboardInterrupt | SystemExit) or (task and task.cancelling()):
                raise
            error = ordinary(raised)
            if raised is edge.error:
                counters.ended("failed")
                self.runtime.failed(error)
                return
            blame(error, self.node.id, self.node.where)
            counters.errors += 1
            self.runtime.node_failed(self.node, error)
            counters.ended("failed")
            self.runtime.failed(error, self.node)
            return
        finally:
            self._writing = False
        counters.ended("completed")
        self.runtime.root_ended()
        self.close()
