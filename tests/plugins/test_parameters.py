"""What an action takes: values of the declared types, as Python or JSON has them, and no others."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest

import rxstream as rxs
from rxstream.errors import InvalidParameters
from rxstream.plugins import Plugin, PluginManager, action


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int = 0


class Takes(Plugin):
    """Gives back what it was given."""

    @action
    async def whole(self, n: int) -> Any:
        return n

    @action
    async def number(self, n: float) -> Any:
        return n

    @action
    async def truth(self, n: bool) -> Any:
        return n

    @action
    async def text(self, n: str) -> Any:
        return n

    @action
    async def raw(self, n: bytes) -> Any:
        return n

    @action
    async def maybe(self, n: int | None = None) -> Any:
        return n

    @action
    async def numbers(self, n: list[float]) -> Any:
        return n

    @action
    async def pair(self, n: tuple[int, str]) -> Any:
        return n

    @action
    async def point(self, n: Point) -> Any:
        return n

    @action
    async def colour(self, n: Colour) -> Any:
        return n

    @action
    async def moment(self, n: datetime) -> Any:
        return n

    @action
    async def span(self, n: timedelta) -> Any:
        return n

    @action
    async def amount(self, n: Decimal) -> Any:
        return n

    @action
    async def mark(self, n: UUID) -> Any:
        return n

    @action
    async def path(self, n: Path) -> Any:
        return n

    @action
    async def either(self, n: Literal["a", 1]) -> Any:
        return n

    @action
    async def function(self, n: type[Any]) -> Any:
        return n

    @action
    async def secret(self, n: list[rxs.Secret]) -> Any:
        return n[0].get_secret_value()

    @action
    async def several(self, a: int, b: bool, c: str) -> Any:
        return a, b, c


@pytest.fixture
def plugins() -> PluginManager:
    manager = PluginManager()
    manager.load(Takes)
    return manager


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("whole", "3"),
        ("whole", True),
        ("whole", 3.0),
        ("number", "1.5"),
        ("number", True),
        ("truth", 1),
        ("truth", "true"),
        ("text", 3),
        ("text", b"x"),
        ("maybe", "3"),
        ("numbers", ["1"]),
        ("pair", ["1", "a"]),
        ("point", {"x": "1"}),
        ("moment", 0),
        ("span", 1.5),
        ("either", "1"),
        ("function", "int"),
    ],
)
def test_a_value_of_another_type_is_refused(plugins: PluginManager, name: str, given: Any) -> None:
    with pytest.raises(InvalidParameters) as refused:
        plugins.stream(f"takes.{name}", {"n": given})
    assert [entry["name"] for entry in refused.value.detail] == ["n"]


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("number", 1, 1.0),
        ("raw", "x", b"x"),
        ("raw", b"x", b"x"),
        ("maybe", None, None),
        ("numbers", (1, 2.5), [1.0, 2.5]),
        ("pair", [1, "a"], (1, "a")),
        ("point", {"x": 1}, Point(1)),
        ("point", Point(1), Point(1)),
        ("colour", "red", Colour.RED),
        ("moment", "2026-01-02T00:00:00Z", datetime(2026, 1, 2, tzinfo=UTC)),
        ("span", timedelta(seconds=1), timedelta(seconds=1)),
        ("amount", "1.5", Decimal("1.5")),
        ("mark", str(UUID(int=1)), UUID(int=1)),
        ("path", "x", Path("x")),
        ("path", Path("x"), Path("x")),
        ("either", 1, 1),
        ("function", int, int),
        ("secret", ["hush"], "hush"),
    ],
)
async def test_a_value_may_be_as_python_or_as_json_has_it(
    plugins: PluginManager, name: str, given: Any, taken: Any
) -> None:
    assert await plugins.call(f"takes.{name}", {"n": given}) == taken


def test_everything_that_is_wrong_is_said_by_name(plugins: PluginManager) -> None:
    with pytest.raises(InvalidParameters) as refused:
        plugins.stream("takes.several", {"a": "3", "b": 1, "d": 0})
    said = [entry["name"] for entry in refused.value.detail]
    assert sorted(said) == ["a", "b", "c", "d"]
