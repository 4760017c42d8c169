"""Any action of a plugin as a tool: its parameters' schema, its progress, its cancellation, its elements.

What the action gives one by one is live output; the result is what `PluginManager.call` would give, a list or
the last, of a long one its beginning and a count. Called the plain way it is `PluginManager.call`. Must not
know how an action runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final

from rxstream.errors import AuthorError
from rxstream.events import Progress
from rxstream.models.contract import ToolSpec
from rxstream.plugins.declaring import ActionDescription
from rxstream.plugins.manager import PluginManager
from rxstream.tools.declaring import Approval, Kind, Tool, ToolSettings, Way, check_name
from rxstream.tools.inbox import as_text
from rxstream.tools.running import Output, ToolContext, ToolResult

MOST_ITEMS: Final = 1_000
"""Elements of a streaming action that its result has."""


class ActionTool(Tool):
    """One action of a plugin."""

    def __init__(
        self, plugins: PluginManager, action: str, name: str | None, settings: ToolSettings
    ) -> None:
        self.described = plugins.describe(action)
        self.name = check_name(name or action.replace(".", "_"))
        self.settings = settings
        self.description = " ".join(self.described.description.split())
        self._plugins = plugins
        self.way = _Streamed(plugins, self.described)
        self.plain_way = _Called(plugins, self.described)
        self.function = self.plain_way.start

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(self.name, self.description, self.described.parameters)

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Raises `InvalidParameters`, and `UnknownAction` where its plugin is there no more."""
        self._plugins.stream(self.described.id, arguments)
        return dict(arguments)


class _Streamed(Way):
    """An action, element by element."""

    kind: Kind = "async_generator"

    def __init__(self, plugins: PluginManager, described: ActionDescription) -> None:
        self._plugins = plugins
        self._described = described

    async def start(self, values: Mapping[str, Any], context: ToolContext) -> AsyncIterator[Any]:
        described = self._described
        stream = self._plugins.stream(
            described.id,
            values,
            progress_callback=_telling(context),
            cancellation_token=context.token,
        )
        items: list[Any] = []
        count = 0
        last = None
        async for item in stream:
            count, last = count + 1, item
            if described.streaming:
                yield item if isinstance(item, str) else Output(f"{as_text(item)}\n")
            if described.returns != "last" and len(items) < MOST_ITEMS:
                items.append(item)
        whole = not described.streaming or described.returns == "last"
        yield ToolResult(last if whole else _bounded(items, count))


class _Called(Way):
    """An action as one value."""

    kind: Kind = "coroutine"

    def __init__(self, plugins: PluginManager, described: ActionDescription) -> None:
        self._plugins = plugins
        self._described = described

    async def start(self, values: Mapping[str, Any], context: ToolContext) -> Any:
        described = self._described
        value = await self._plugins.call(
            described.id,
            values,
            progress_callback=_telling(context),
            cancellation_token=context.token,
        )
        if described.streaming and described.returns != "last" and isinstance(value, list):
            return _bounded(value[:MOST_ITEMS], len(value))
        return value


def from_action(
    plugins: PluginManager,
    action: str,
    *,
    name: str | None = None,
    parallel: bool = False,
    approval: Approval = False,
    timeout: float | None = None,
    tags: Iterable[str] = (),
) -> Tool:
    """A tool of `plugin.action`, named `plugin_action`. Raises `UnknownAction` and `ActionDenied`.

    It is idempotent if the action says so.
    """
    described = plugins.describe(action)
    settings = ToolSettings(
        parallel, described.idempotent, approval, timeout, (*described.tags, *tags)
    )
    return ActionTool(plugins, action, name, settings)


def from_plugin(plugins: PluginManager, plugin: str, **settings: Any) -> list[Tool]:
    """A tool of each action of a plugin that may be used, with the settings of `from_action`."""
    actions = [each.id for each in plugins.actions() if each.plugin == plugin]
    if not actions:
        raise AuthorError(f"plugin {plugin!r} has no action that may be used here")
    return [from_action(plugins, each, **settings) for each in actions]


def _bounded(items: list[Any], count: int) -> Any:
    return items if len(items) == count else {"first": items, "count": count}


def _telling(context: ToolContext) -> Any:
    def told(said: Progress) -> None:
        context.progress(said.percentage, said.message)

    return told
