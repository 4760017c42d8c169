"""Steps that files name."""

from __future__ import annotations

from typing import Any

from rxstream.pipeline import Step

CONSTANT = 3


class Add(Step):
    """Adds a number to `n`."""

    def __init__(self, by: int = 1) -> None:
        self.by = by

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"n": data.get("n", 0) + self.by}


class Nested:
    """Holds a step."""

    Add = Add


async def double(data: dict[str, Any]) -> dict[str, Any]:
    return {"doubled": 2 * int(data["item"] if "item" in data else data["n"])}


async def refuse(data: dict[str, Any]) -> dict[str, Any]:
    raise OSError("refused")


def is_small(data: dict[str, Any]) -> bool:
    return bool(data["n"] < 10)
