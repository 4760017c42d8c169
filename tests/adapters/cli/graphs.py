"""Graphs the command is given in its tests. Their text is copied into the test's own folder."""

import asyncio
import enum
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from pydantic import Field

import rxstream
from rxstream.testing import ScriptedModel


@rxstream.graph
def count(n: int = 3, delay: float = 0.0) -> Any:
    """Counts."""

    async def numbers() -> AsyncIterator[Any]:
        for i in range(n):
            rxstream.progress(100 * (i + 1) / n, f"number {i}")
            yield i
            if delay:
                await asyncio.sleep(delay)

    return rxstream.source(numbers).named("numbers")


async def _after(seconds: float, item: Any) -> Any:
    await asyncio.sleep(seconds)
    return item


@rxstream.graph
def totals(n: int = 40, delay: float = 0.02) -> Any:
    """Adds up, slowly; can go on after a crash."""
    numbers = rxstream.range(n).map_async(lambda i: _after(delay, i), concurrency=1)
    return numbers.scan(lambda total, i: total + i, 0).named("total")


@rxstream.graph
def talk(words: int = 30) -> Any:
    """Speaks, and reads rows."""

    async def tokens() -> AsyncIterator[Any]:
        for i in range(words):
            yield {"type": "token", "text": f"word{i} "}
            await asyncio.sleep(0.01)

    async def rows() -> AsyncIterator[Any]:
        for i in range(5):
            yield {"row": i}
            await asyncio.sleep(0.02)

    return {
        "model": rxstream.source(tokens).named("model"),
        "rows": rxstream.source(rows).named("rows"),
    }


@rxstream.graph
def breaks() -> Any:
    """Fails after one element."""

    async def numbers() -> AsyncIterator[Any]:
        yield 1
        raise ValueError("no\nmore")

    return rxstream.source(numbers).named("numbers")


@rxstream.graph
def prints() -> Any:
    """Prints where a program reads."""

    async def numbers() -> AsyncIterator[Any]:
        print("noise")
        yield 1

    return rxstream.source(numbers).named("numbers")


@rxstream.graph
def blocks() -> Any:
    """Holds the loop or a thread for a minute."""

    def numbers() -> Iterator[Any]:
        yield 1
        time.sleep(60)
        yield 2

    return rxstream.source(numbers).named("numbers")


@rxstream.graph
def unheard(blocking: bool) -> Any:
    """Waits where the loop's thread is kept from signals, so that the system gives them to another one."""

    async def numbers() -> AsyncIterator[Any]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield 1
        await asyncio.sleep(0.5)
        os.write(2, b"here")
        if blocking:
            time.sleep(60)  # noqa: ASYNC251
        await asyncio.sleep(60)

    return rxstream.source(numbers).named("numbers")


@rxstream.graph
def forks() -> Any:
    """Ends a copy of itself by a signal; tells the copy's status when its own time would be over."""

    async def numbers() -> AsyncIterator[Any]:
        child = os.fork()
        if not child:
            time.sleep(60)  # noqa: ASYNC251
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)  # noqa: ASYNC222
        await asyncio.sleep(2)
        yield os.waitstatus_to_exitcode(status)

    return rxstream.source(numbers).named("numbers")


@rxstream.graph
def refuses_to_close() -> Any:
    """Takes a minute to close."""

    async def numbers() -> AsyncIterator[Any]:
        try:
            yield 1
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(60)

    return rxstream.source(numbers).named("numbers")


@rxstream.graph
def large(n: int) -> Any:
    """Elements of 10,000 characters."""

    async def texts() -> AsyncIterator[Any]:
        for _ in range(n):
            yield "x" * 10_000

    return rxstream.source(texts).named("texts")


bound = count.bind(n=2)


@rxstream.graph
def grouped() -> Any:
    """Groups numbers of which nobody knows how many come."""

    def numbers() -> Iterator[int]:
        yield 1

    source = rxstream.source(numbers).named("numbers")
    return source.group_by(lambda n: n).flat_map(lambda group: group.count())


@rxstream.graph
def slow() -> Any:
    """Makes its source wait for a second and a half."""

    async def classify(number: int) -> int:
        await asyncio.sleep(0.3)
        return number

    numbers = rxstream.source(range(6)).named("numbers")
    return numbers.block(1).map_async(classify).named("classify")


class Choice(enum.Enum):
    """What may become of a draft."""

    KEEP = "keep"
    DROP = "drop"


async def _approve(draft: str) -> Any:
    return [draft, await rxstream.ask(bool, f"publish {draft!r}?", timeout=3_600)]


@rxstream.graph
def approve(drafts: int = 1) -> Any:
    """Asks whether to publish."""
    names = [f"draft {number}" for number in range(1, drafts + 1)]
    return rxstream.from_iterable(names).map_async(_approve, concurrency=8).named("approve")


async def _interview(_: int) -> Any:
    size = Annotated[int, Field(ge=1, le=9)]
    return [
        await rxstream.ask(Choice, "keep it?"),
        await rxstream.ask(str, "why?"),
        await rxstream.ask(size, "how many?"),
        await rxstream.ask(list[int], "which?"),
    ]


@rxstream.graph
def interview() -> Any:
    """Asks for one of each kind."""
    return rxstream.of(1).map_async(_interview).named("interview")


async def _hurry(_: int) -> Any:
    return await rxstream.ask(str, "quick!", timeout=2)


@rxstream.graph
def hurry() -> Any:
    """Asks, and waits for two seconds."""
    return rxstream.of(1).map_async(_hurry).named("hurry")


@rxstream.graph
def chatting() -> Any:
    """An agent that waits for messages."""
    model = ScriptedModel(["hello"], ["so it is"])
    return rxstream.agent("hi", model=model, stay=True).named("agent")
