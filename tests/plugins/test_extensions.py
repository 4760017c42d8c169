"""Plugins bring operators, sources, sinks and state types, which are then found beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream import statecodec
from rxstream.adapters import sinks, sources
from rxstream.plugins import Plugin, PluginError, PluginManager
from rxstream.stream import Stream
from rxstream.testing import SlowSink, virtual_time


def double(number: int) -> int:
    return number * 2


def doubled() -> Any:
    return ops.map(double)


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


class TestEverywhere:
    @pytest.fixture
    def plugins(self) -> Iterator[PluginManager]:
        manager = PluginManager(everywhere=True)
        manager.load(Extra)
        yield manager
        for name in manager.plugins:
            manager.unload(name)

    @virtual_time
    async def test_what_a_plugin_brings_is_found_beside_ours(self, plugins: PluginManager) -> None:
        numbers = sources.countdown(3).doubled()  # type: ignore[attr-defined]  # no type checker sees a plugin
        assert [item async for item in numbers] == [6, 4, 2]
        piped = rxs.of(1).pipe(ops.doubled())  # type: ignore[attr-defined]  # as above
        assert [item async for item in piped] == [2]
        assert sinks.slow is SlowSink  # type: ignore[attr-defined]  # as above
        assert {"doubled", "map"} <= set(dir(ops))

    @virtual_time
    async def test_a_graph_is_drawn_and_run_with_it(self, plugins: PluginManager) -> None:
        taken: list[int] = []

        @rxs.graph
        def numbers() -> Any:
            doubled = sources.countdown(2).doubled()  # type: ignore[attr-defined]  # as above
            doubled.to(sinks.callback(taken.append))
            return doubled

        async with rxs.Engine() as engine:
            assert await (await engine.start(numbers)).result() == 2
        assert taken == [4, 2]

    def test_it_goes_with_its_plugin(self, plugins: PluginManager) -> None:
        plugins.unload("extra")
        with pytest.raises(AttributeError, match="has no attribute 'doubled'"):
            ops.doubled  # type: ignore[attr-defined]  # noqa: B018  # that is what is tested
        assert not hasattr(rxs.Stream, "doubled")
        assert not hasattr(sources, "countdown")
        assert not hasattr(sinks, "slow")

    def test_a_new_version_takes_the_place_of_the_old(
        self, plugins: PluginManager, tmp_path: Path
    ) -> None:
        file = tmp_path / "plus.py"
        text = (
            "from rxstream.plugins import Plugin\n"
            "from rxstream import operators as ops\n"
            "class Plus(Plugin):\n"
            "    operators = {'plus': lambda: ops.map(lambda n: n + BY)}\n"
        )
        file.write_text(text.replace("BY", "1"))
        plugins.load(file)
        before = ops.plus  # type: ignore[attr-defined]  # as above
        file.write_text(text.replace("BY", "10").replace("plus", "more"))
        plugins.reload("plus")
        assert not hasattr(rxs.Stream, "plus")
        assert ops.more is not before  # type: ignore[attr-defined]  # as above
        assert hasattr(rxs.Stream, "more")

    def test_a_new_version_that_cannot_be_taken_leaves_the_old_in_place(
        self, plugins: PluginManager, tmp_path: Path
    ) -> None:
        file = tmp_path / "plus.py"
        text = (
            "from rxstream.plugins import Plugin\n"
            "from rxstream import operators as ops\n"
            "class Plus(Plugin):\n"
            "    operators = {'plus': lambda: ops.map(lambda n: n + 1)}\n"
        )
        file.write_text(text)
        plugins.load(file)
        before = ops.plus  # type: ignore[attr-defined]  # as above
        file.write_text(f"{text}    state_types = [('tests.int', int, str, int)]\n")
        with pytest.raises(PluginError, match="int comes back as it is"):
            plugins.reload("plus")
        assert ops.plus is before  # type: ignore[attr-defined]  # as above
        assert plugins.operators.plus is before

    @pytest.mark.parametrize(
        ("kind", "name", "said"),
        [
            ("sources", "lines", "'lines' is in rxstream.adapters.sources"),
            ("sinks", "jsonl", "'jsonl' is in rxstream.adapters.sinks"),
            ("operators", "doubled", "is of plugin 'extra'"),
            ("operators", "named", "every Stream has something named 'named' already"),
            ("operators", "inputs", "every Stream has something named 'inputs' already"),
            ("operators", "codecs", "'codecs' is in rxstream.operators"),
        ],
    )
    def test_a_taken_name_is_refused(
        self, plugins: PluginManager, kind: str, name: str, said: str
    ) -> None:
        with pytest.raises(PluginError, match=said):
            plugins.load(taking(kind, name))
        assert list(plugins.plugins) == ["extra"]

    def test_two_managers_cannot_both_show_a_name(self, plugins: PluginManager) -> None:
        with pytest.raises(PluginError, match="'doubled' is already among the operators"):
            PluginManager(everywhere=True).load(Extra)
        PluginManager().load(Extra)  # one that keeps it to itself can

    def test_no_attribute_of_a_stream_would_hide_a_method(self) -> None:
        from rxstream.operators import _fluent

        own = {name for name in vars(rxs.of(1)) if not name.startswith("_")}
        assert own == _fluent._ATTRIBUTES

    def test_an_operator_without_a_signature_is_a_method_too(self) -> None:
        manager = PluginManager(everywhere=True)
        manager.load(type("Odd", (Plugin,), {"operators": {"odd": dict}}))
        assert hasattr(rxs.Stream, "odd")
        manager.unload("odd")
