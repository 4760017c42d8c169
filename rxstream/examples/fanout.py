"""A thousand deliveries, of which some fail at first and some for good.

    rxstream run rxstream.examples.fanout:pipeline --log events.db

Every tenth is refused twice and goes well at the third attempt; every fiftieth never does and becomes a line
of `dead-letters.jsonl`, and the others go on. Kill it and give the same command again: it goes on where it
was, no delivery that had ended is made again, and every dead letter is in the file once.

`-p data.count=200` makes fewer, `-p data.seconds=0` faster ones, `-p data.dead_letters=PATH` writes the dead
letters elsewhere.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final

from rxstream import DeadLetters, Pipeline, Result, Retry, Step, Streaming
from rxstream.adapters import sinks

COUNT: Final = 1_000
SECONDS: Final = 0.1
"""What a delivery takes."""


async def orders(data: dict[str, Any]) -> dict[str, Any]:
    """What is to be delivered."""
    cities = ("Bern", "Lima", "Oslo", "Pune")
    return {
        "orders": [
            {"order": number, "city": cities[number % len(cities)]}
            for number in range(data.get("count", COUNT))
        ]
    }


class Deliver(Step):
    """Delivers one order, in a world in which that may fail: which ones do is written here."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        order, city = data["item"]["order"], data["item"]["city"]
        await asyncio.sleep(data.get("seconds", SECONDS))
        if order % 50 == 7:
            raise ValueError(f"nobody lives there: order {order} to {city}")
        if order % 10 == 3 and self.attempt < 3:
            raise ConnectionError(f"{city} does not answer")
        return {"city": city, "attempts": self.attempt}


async def receipt(data: dict[str, Any]) -> Any:
    """What came of it, city by city."""
    delivered = Counter(each["city"] for each in data["deliver"])
    for city, number in sorted(delivered.items()):
        yield f"{number} orders to {city}"
    yield Result(
        {
            "delivered": delivered.total(),
            "late": sum(each["attempts"] > 1 for each in data["deliver"]),
            "dead": len(data["deliver_dead_letters"]),
        }
    )


def dead_letters(data: dict[str, Any]) -> Any:
    """The file that dead letters go to."""
    return sinks.jsonl(data.get("dead_letters", "dead-letters.jsonl"))


pipeline = Pipeline(
    "fanout",
    description="A thousand deliveries, some of which fail at first and some for good.",
    streaming=Streaming(enabled=True),
    resumable=True,
    result="receipt",
)
pipeline.add(orders)
pipeline.add(
    Deliver,
    after="orders",
    each="orders",
    concurrency=32,
    retry=Retry(3, first=0.05, only="transient"),
    dead_letters=DeadLetters(share=0.05, to=dead_letters),
)
pipeline.add(receipt, after="deliver")
