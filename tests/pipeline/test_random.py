"""Random pipelines give what plain Python gives, streaming or not, and after a crash anywhere."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rxstream.pipeline import Pipeline, Result, Retry, Step, Streaming
from rxstream.testing import crash_everywhere
from tests.pipeline.parts import events_of


class Adds(Step):
    """Shows a few items and adds up what it finds."""

    def __init__(self, name: str, pause: float, items: int) -> None:
        self.name, self.pause, self.items = name, pause, items  # type: ignore[misc]  # one name an object

    async def run(self, data: dict[str, Any]) -> AsyncIterator[Any]:
        for number in range(self.items):
            await asyncio.sleep(self.pause)
            yield [self.name, data.get("index"), number]
        await asyncio.sleep(self.pause)
        yield Result(self.result(data))

    def result(self, data: dict[str, Any]) -> dict[str, Any]:
        """What it gives, said without waiting."""
        return {self.name or "": 1 + sum(v for v in data.values() if isinstance(v, int))}


class Breaks(Adds):
    """Fails after it has shown its items."""

    async def run(self, data: dict[str, Any]) -> AsyncIterator[Any]:
        async for item in super().run(data):
            if not isinstance(item, Result):
                yield item
        raise OSError("always")


def drawn(seed: int, streaming: Streaming) -> tuple[Pipeline, dict[str, Any]]:
    """A pipeline, and its result by a plain loop over its steps."""
    chance = random.Random(seed)
    pipeline = Pipeline("random", streaming=streaming, resumable=True)
    given: dict[str, Any] = {"numbers": [1, 2, 3], "one": 1}
    behind: dict[str, set[str]] = {}
    results: dict[str, dict[str, Any]] = {}
    for number in range(chance.randint(2, 6)):
        name = f"s{number}"
        after = sorted(chance.sample(sorted(behind), chance.randint(0, min(2, number))))
        behind[name] = {*after, *(far for near in after for far in behind[near])}
        step = chance.choice([Adds, Adds, Breaks])(name, chance.choice([0.1, 0.2, 0.25]), 2)
        when, each = chance.choice([None, None, "one", "none"]), chance.choice([None, "numbers"])
        fallback: Any = {name: -1} if isinstance(step, Breaks) else None
        if fallback and chance.random() < 0.5:
            fallback = Adds(name, 0.1, 1)
        retry = Retry(chance.randint(1, 2), first=0.15, jitter="none")
        settings = {"fallback": fallback} if fallback else {}
        pipeline.add(
            step, after=after, when=when, each=each, concurrency=2, retry=retry, **settings
        )
        data = dict(given)
        for near in results:
            data.update(results[near] if near in behind[name] else {})
        if when == "none":
            results[name] = {}
            continue
        parts = [{**data, "item": i, "index": at} for at, i in enumerate(given["numbers"])]
        gives = fallback if isinstance(fallback, dict) else None
        made = [gives or step.result(part) for part in (parts if each else [data])]
        results[name] = {name: made} if each else made[0]
    for result in results.values():
        given = {**given, **result}
    return pipeline, given


@pytest.mark.parametrize("seed", range(12))
def test_a_random_pipeline_gives_the_same_however_it_is_run(seed: int) -> None:
    data = {"numbers": [1, 2, 3], "one": 1}
    for streaming in (Streaming(), Streaming(True), Streaming(True, flush_interval_ms=0)):
        pipeline, expected = drawn(seed, streaming)
        last = events_of(pipeline, data)[-1]
        assert last.data.get("result") == expected, last

    def in_any_order(seen: Any) -> Any:
        return {node: sorted(map(str, items)) for node, items in seen.items()}

    assert crash_everywhere(pipeline.graph.bind(data=data), by=in_any_order, most=12)
