"""A model whose answer comes in few batches: at most ten a second, the first at once.

No eye follows more, and each batch is one commit instead of one for each token. Elements stay what they
were, and one by one; whoever asks slows the model down as before. Must not know what elements mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final, cast

from rxstream.models import Delivered, Element, Model, Question, Tell

EVERY_S: Final = 0.1
"""Seconds between two batches."""

_MOST: Final = 1_000
"""Elements that wait at most before the model does."""


class Gathered:
    """A model asked through here."""

    def __init__(self, model: Model, every_s: float = EVERY_S) -> None:
        self._model = model
        self._every_s = every_s

    @property
    def name(self) -> str:
        """As the model's."""
        return self._model.name

    async def answer(
        self, question: Question, delivered: Delivered | None = None, tell: Tell | None = None
    ) -> AsyncGenerator[Sequence[Element], None]:
        """What the model answers, a batch at a time."""
        # every model's answer is an async generator; the contract's type says less
        answer = cast(
            "AsyncGenerator[Sequence[Element], None]",
            self._model.answer(question, delivered, tell),
        )
        waiting: list[Element] = []
        news, room = asyncio.Event(), asyncio.Event()

        async def read() -> None:
            try:
                async with aclosing(answer):
                    async for batch in answer:
                        waiting.extend(batch)
                        news.set()
                        if len(waiting) >= _MOST:
                            room.clear()
                            await room.wait()
            finally:
                news.set()

        loop = asyncio.get_running_loop()
        reading = loop.create_task(read())
        due = loop.time()
        try:
            while not reading.done() or waiting:
                await news.wait()
                if not reading.done() and len(waiting) < _MOST:
                    # the end is told at once
                    await asyncio.wait([reading], timeout=max(0.0, due - loop.time()))
                news.clear()
                if waiting:
                    batch, waiting[:] = waiting[:], ()
                    room.set()
                    yield batch
                    due = loop.time() + self._every_s
                if reading.done():
                    news.set()
            reading.result()
        finally:
            reading.cancel()
            await asyncio.wait([reading])
