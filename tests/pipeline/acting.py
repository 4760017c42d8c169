"""A plugin for steps: actions of each kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

import rxstream as rxs
from rxstream.plugins import ActionContext, Plugin, action


class Row(BaseModel):
    number: int


@dataclass
class Pair:
    left: int
    right: int


class Acting(Plugin):
    """Acts."""

    closed: Any = None
    begun: ClassVar[list[Any]] = []
    """Where runs of `last` began."""

    @action(resumable=True)
    async def count(
        self, context: ActionContext, to: Annotated[int, Field(ge=0)], every: float = 1.0
    ) -> AsyncIterator[int]:
        """Counts."""
        for number in range(context.start or 0, to):
            context.progress(100 * (number + 1) / to, f"number {number}")
            context.seek_point(number + 1)
            yield number
            await asyncio.sleep(every)

    @action(resumable=True, returns="last")
    async def last(
        self, context: ActionContext, to: int, fail_at: int | None = None
    ) -> AsyncIterator[dict[str, int]]:
        """Numbers up to the last; fails once at one of them."""
        begin = context.start or 0
        self.begun.append(begin)
        for number in range(begin, to):
            if number == fail_at and not begin:
                raise OSError("it fails")
            context.seek_point(lambda: number + 1)  # noqa: B023  # it is asked before the next
            yield {"last": number}
            await asyncio.sleep(1)

    @action(resumable=True, returns="last")
    def sums(self, numbers: list[int]) -> Iterator[dict[str, int]]:
        """The sum so far, for each number."""
        total = 0
        for number in numbers:
            total += number
            yield {"total": total}

    @action(idempotent=True)
    async def square(self, number: int) -> int:
        """A number times itself."""
        rxs.progress(50, "multiplies")
        return number * number

    @action
    async def rows(self) -> AsyncIterator[Row | Pair]:
        """A row and a pair."""
        yield Row(number=1)
        yield Pair(1, 2)

    @action
    async def confirm(self, what: str) -> bool:
        """Asks a person."""
        return await rxs.ask(bool, f"{what}?")

    @action
    async def wait(self, context: ActionContext) -> AsyncIterator[int]:
        """Waits for ever, and keeps how it ended."""
        try:
            yield 1
            await asyncio.sleep(1e9)
        finally:
            type(self).closed = context.token
