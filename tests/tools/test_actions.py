"""Any action of a plugin is a tool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rxstream import Plugin, PluginManager, action
from rxstream.errors import AuthorError
from rxstream.plugins.access import Access
from rxstream.plugins.running import ActionContext, CancellationToken
from rxstream.testing import virtual_time
from rxstream.tools import ToolRegistry, from_action, from_plugin
from tests.tools.calls import elements, error, result, shown


class Text(Plugin):
    @action(tags=("text",), idempotent=True)
    async def words(self, text: str, context: ActionContext) -> AsyncIterator[str]:
        """The words of a text."""
        for number, word in enumerate(text.split(), 1):
            context.progress(number * 10, word)
            yield word

    @action
    async def length(self, text: str) -> int:
        """How long a text is."""
        return len(text)

    @action
    async def numbers(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    @action(returns="last")
    async def counted(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    @action
    async def waits(self) -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(3_600)


class Older:
    """A plugin of the older kind."""

    name = "older"

    def execute_action(self, action_name: str, params: dict[str, Any]) -> str:
        return f"{action_name} {params}"


@pytest.fixture
def plugins() -> PluginManager:
    found = PluginManager()
    found.load(Text)
    found.load(Older)
    return found


@virtual_time
async def test_an_action_that_streams_is_live_and_gives_its_list(plugins: PluginManager) -> None:
    made = from_action(plugins, "text.words", parallel=True, tags=["mine"])
    assert (made.name, made.description) == ("text_words", "The words of a text.")
    assert made.settings.tags == ("text", "mine")
    assert (made.settings.parallel, made.settings.idempotent) == (True, True)
    assert made.spec.parameters["required"] == ["text"]
    found = await elements(made, {"text": "to be"})
    assert shown(found) == "tobe"
    assert shown(found, "progress") == "be"
    assert found[-1]["result"] == ["to", "be"]


async def test_an_action_gives_the_same_the_plain_way(plugins: PluginManager) -> None:
    for name, given in (
        ("text.words", {"text": "to be"}),
        ("text.length", {"text": "to be"}),
        ("text.counted", {"count": 3}),
        ("text.numbers", {"count": 1_200}),
    ):
        made = from_action(plugins, name)
        live, plain = await result(made, given), await result(made, given, stream=False)
        assert live == plain
    assert live["result"]["count"] == 1_200
    assert live["result"]["first"] == list(range(1_000))


async def test_elements_that_are_no_text_are_lines_of_json(plugins: PluginManager) -> None:
    found = await elements(from_action(plugins, "text.numbers"), {"count": 3})
    assert shown(found) == "0\n1\n2\n"


async def test_wrong_parameters_are_an_error_for_each_of_them(plugins: PluginManager) -> None:
    found = await error(from_action(plugins, "text.length"), {"txt": 1})
    assert [each["name"] for each in found["detail"]] == ["text", "txt"]


@virtual_time
async def test_a_token_cancels_an_action() -> None:
    plugins = PluginManager()
    plugins.load(Text)
    token = CancellationToken()
    asyncio.get_running_loop().call_later(5, token.cancel, "enough")
    found = await elements(from_action(plugins, "text.waits"), token=token)
    assert found[-1]["error"]["message"] == "enough"


async def test_a_plugin_is_a_tool_for_each_action_that_may_be_used() -> None:
    plugins = PluginManager(access=Access(allow=("text.*",), deny=("text.waits",)))
    plugins.load(Text)
    made = ToolRegistry(from_plugin(plugins, "text", timeout=5))
    assert [each.name for each in made] == [
        *("text_words", "text_length", "text_numbers", "text_counted")
    ]
    assert {each.settings.timeout for each in made} == {5}
    with pytest.raises(AuthorError, match="plugin 'other' has no action"):
        from_plugin(plugins, "other")


async def test_a_plugin_of_the_older_kind_is_a_tool_too(plugins: PluginManager) -> None:
    made = from_action(plugins, "older.run", name="old")
    assert (await result(made, {"x": 1}))["result"] == "run {'x': 1}"
