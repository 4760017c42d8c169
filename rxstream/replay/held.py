"""A log that holds each commit until somebody has looked at it, so that producers wait for whoever looks.

One execution writes it and one reader takes its commits in turn. Nothing is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rxstream.errors import LogError
from rxstream.events import StreamEvent, unseal_all
from rxstream.log import Commit, MemoryLog


class HeldLog(MemoryLog):
    """Holds each commit until somebody has looked at its events, so that producers wait for them."""

    def __init__(self) -> None:
        super().__init__(ring_events=1)
        self._held: tuple[Sequence[StreamEvent], asyncio.Future[int], int] | None = None
        self._more = asyncio.Event()
        self._refusal: LogError | None = None

    def _published(self, execution_id: str, first: int, lines: Sequence[bytes]) -> None:
        super()._published(execution_id, first, lines)
        self._latest = unseal_all(lines, execution_id, first)

    def _commit(self, commit: Commit) -> asyncio.Future[int]:
        done = super()._commit(commit)
        held: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self._refusal is not None:
            held.set_exception(self._refusal)
            return held
        self._held = (self._latest, held, done.result())
        self._more.set()
        return held

    async def next(self) -> Sequence[StreamEvent]:
        """The events of the next commit; the one before is let go."""
        self._release()
        await self._more.wait()
        assert self._held is not None  # set before the event
        return self._held[0]

    def _release(self) -> None:
        self._more.clear()
        if self._held is not None:
            _, held, last = self._held
            self._held = None
            if not held.done():  # whoever committed may have gone
                held.set_result(last)

    def let_go(self, refusal: LogError | None = None) -> None:
        """Nobody looks any more."""
        self._refusal = refusal
        self._release()
