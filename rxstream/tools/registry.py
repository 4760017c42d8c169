"""`ToolRegistry`: which tools there are, by name, and which of them may be used.

A registry that was narrowed shows nothing of what it leaves out. Must not know how a call runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Final

from rxstream.errors import AuthorError
from rxstream.models.contract import Element, ToolSpec
from rxstream.plugins.running import CancellationToken
from rxstream.stream import Stream
from rxstream.tools import streams
from rxstream.tools.declaring import Tool, as_tool
from rxstream.tools.errors import UnknownTool
from rxstream.tools.telling import LIMITS, Limits

_SHOWN: Final = 20
"""Names an error lists."""


class ToolRegistry:
    """Tools by name.

    tools = ToolRegistry([count, search])
    await tools.call("count", {"text": "a b"})
    async for element in tools.stream("search", {"word": "x"}): ...
    """

    def __init__(
        self, tools: Iterable[Tool | Callable[..., Any]] = (), *, limits: Limits = LIMITS
    ) -> None:
        self._tools: dict[str, Tool] = {}
        self._limits = limits
        for each in tools:
            self.add(each)

    # -- which there are -----------------------------------------------------------------------

    def add(self, tool: Tool | Callable[..., Any]) -> Tool:
        """Add a tool, or a function as one. Raises `AuthorError` for a name that is taken."""
        made = as_tool(tool)
        if made.name in self._tools:
            raise AuthorError(
                f"there are two tools named {made.name!r}: give one another name, @tool(name=…)"
            )
        self._tools[made.name] = made
        return made

    def get(self, name: str) -> Tool:
        """The tool of that name. Raises `UnknownTool`, which names what there is."""
        found = self._tools.get(name)
        if found is None:
            raise UnknownTool(self._unknown(name))
        return found

    def search(
        self, text: str = "", *, tags: str | Iterable[str] = (), streams: bool | None = None
    ) -> list[Tool]:
        """Tools with every word of `text` in their name, description, tags or parameters, and all `tags`."""
        words = text.lower().split()
        wanted = {tags} if isinstance(tags, str) else set(tags)
        return [
            each
            for each in self
            if wanted <= set(each.settings.tags)
            and (streams is None or each.streams is streams)
            and all(word in _described(each) for word in words)
        ]

    def only(self, *patterns: str) -> ToolRegistry:
        """A registry of the tools whose names match a pattern (`files_*`). Raises `AuthorError`.

        A pattern that matches nothing is a mistake, because it would allow less than was meant.
        """
        chosen = ToolRegistry(limits=self._limits)
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in self._tools):
                raise AuthorError(f"no tool is allowed by {pattern!r}: {self._there_are()}")
        for name, tool in self._tools.items():
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                chosen.add(tool)
        return chosen

    @property
    def specs(self) -> list[ToolSpec]:
        """What a model is told of them."""
        return [each.spec for each in self]

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __len__(self) -> int:
        return len(self._tools)

    # -- calling one ---------------------------------------------------------------------------

    def stream(
        self,
        name: str,
        arguments: Mapping[str, Any] | str,
        *,
        call_id: str = "",
        stream: bool = True,
        token: CancellationToken | None = None,
        timeout: float | None = None,
    ) -> Stream[Element]:
        """A Stream of one call: `tool_output` as it comes, then `tool_result`. Raises `UnknownTool`.

        Each reader makes a call of its own. Wrong arguments, a failure, a timeout (in seconds) and a
        cancelled token are errors in the result and not of the Stream. Without `stream` only the result
        comes.
        """
        return streams.stream(
            self.get(name),
            arguments,
            call_id=call_id,
            stream=stream,
            token=token,
            timeout=timeout,
            limits=self._limits,
        )

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | str,
        *,
        token: CancellationToken | None = None,
        timeout: float | None = None,
    ) -> Any:
        """The value of one call, the plain way. Raises `UnknownTool` and `ToolError`."""
        return await streams.call(
            self.get(name), arguments, token=token, timeout=timeout, limits=self._limits
        )

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name, self._tools, n=1)
        meant = f", did you mean {near[0]!r}?" if near else ""
        return f"no tool is named {name[:80]!r}{meant or ':'} {self._there_are()}"

    def _there_are(self) -> str:
        names = sorted(self._tools)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"there are {', '.join(names[:_SHOWN])}{more}" if names else "there is none"


def registry_of(
    tools: ToolRegistry | Iterable[Tool | Callable[..., Any]], limits: Limits = LIMITS
) -> ToolRegistry:
    """A registry of whatever somebody gave. Raises `AuthorError`."""
    if isinstance(tools, ToolRegistry):
        return tools
    if not isinstance(tools, Iterable):
        raise AuthorError(f"tools are a list of them, not a {type(tools).__name__}: write [tool]")
    return ToolRegistry(tools, limits=limits)


def _described(tool: Tool) -> str:
    parts = [tool.name, tool.description, *tool.settings.tags]
    parts += tool.spec.parameters.get("properties", {})
    return " ".join(parts).lower()
