"""Plugins bring operators, sources, sinks and state types, which are then found beside ours."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from rxstream import operators as ops
from rxstream import statecodec
from rxstream.plugins import Plugin, PluginError, PluginManager
from rxstream.stream import Stream
from rxstream.testing import SlowSink, virtual_time


def doubled() -> Any:
    return ops.map(lambda number: number * 2)


class Colour:
    def __init__(self, value: str) -> None:
        self.value = value


class Extra(Plugin):
    operators: ClassVar = {"doubled": doubled}
    sources: ClassVar = {"countdown": lambda n: range(n, 0, -1)}
    sinks: ClassVar = {"slow": SlowSink}
    state_types: ClassVar = [("tests.colour", Colour, lambda colour: colour.value, Colour)]


def taking(kind: str, name: str) -> type[Plugin]:
    return type("Taking", (Plugin,), {kind: {name: doubled}})


@virtual_time
async def test_what_a_plugin_brings_is_used_like_ours() -> None:
    plugins = PluginManager()
    plugins.load(Extra)
    numbers = plugins.sources.countdown(3).pipe(
        plugins.operators.doubled(), plugins.operators.take(2)
    )
    assert isinstance(numbers, Stream)
    assert [item async for item in numbers] == [6, 4]
    assert plugins.sinks.slow is SlowSink
    assert list(plugins.operators) == ["doubled"]
    assert "doubled" in dir(plugins.operators)
    assert "map" in plugins.operators
    back = statecodec.decode(statecodec.encode(Colour("red")))
    assert back.value == "red"


def test_it_goes_with_its_plugin() -> None:
    plugins = PluginManager()
    plugins.load(Extra)
    plugins.unload("extra")
    assert list(plugins.operators) == []
    with pytest.raises(AttributeError, match="no operator is named 'doubled'"):
        plugins.operators.doubled  # noqa: B018  # that is what is tested
    plugins.load(Extra)
    assert "countdown" in plugins.sources


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("operators", "map", "rxstream's own operators"),
        ("sources", "timer", "rxstream's own sources"),
        ("operators", "_hidden", "cannot be a name"),
        ("sinks", "two words", "cannot be a name"),
        ("operators", "doubled", "is of plugin 'extra'"),
    ],
)
def test_a_name_that_is_taken_is_refused_with_its_plugin(kind: str, name: str, said: str) -> None:
    plugins = PluginManager()
    plugins.load(Extra)
    with pytest.raises(PluginError, match=said):
        plugins.load(taking(kind, name))
    assert list(plugins.plugins) == ["extra"]


def test_what_is_no_function_and_a_state_type_that_is_taken_are_refused() -> None:
    plugins = PluginManager()
    with pytest.raises(PluginError, match="not functions by name"):
        plugins.load(type("Odd", (Plugin,), {"operators": {"x": 3}}))
    wrong = ("tests.int", int, str, int)
    with pytest.raises(PluginError, match="int comes back as it is"):
        plugins.load(
            type("Odd", (Plugin,), {"state_types": [wrong], "operators": {"odd": doubled}})
        )
    assert "odd" not in plugins.operators
