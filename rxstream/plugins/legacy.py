"""Plugins that know nothing of rxstream: one method that is given the action's name and a dict.

`execute_action(action_name, params)` gives one value and streams as one element;
`execute_action_stream(action_name, params, progress_callback, cancellation_token)` streams. Plain or
asynchronous, with as many of the last two as they declare. Parameters are theirs to check.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from typing import Any, Final, cast

from rxstream.plugins.declaring import ActionDescription, Returns
from rxstream.plugins.running import ActionContext

ONCE: Final = "execute_action"
STREAM: Final = "execute_action_stream"


def is_legacy(found: Any) -> bool:
    """Whether an object, or what a class makes, is a plugin of this kind."""
    return callable(getattr(found, ONCE, None)) or callable(getattr(found, STREAM, None))


class LegacyAction:
    """One action of it, by whatever name: only the plugin knows which there are."""

    def __init__(
        self, origin: Any, plugin: str, version: str, name: str, tags: tuple[str, ...]
    ) -> None:
        self._name = name
        self._once = getattr(origin, ONCE, None)
        self._stream = getattr(origin, STREAM, None)
        self.streams = self._stream is not None
        returns = getattr(origin, "returns", "collect")
        self.description = ActionDescription(
            plugin=plugin,
            name=name,
            version=version,
            streaming=self.streams,
            description="",
            parameters={"type": "object"},
            item={},
            returns=cast("Returns", returns if returns in ("collect", "last") else "collect"),
            resumable=False,
            idempotent=False,
            tags=tags,
            resources={},
        )

    def one_shot(self) -> LegacyAction:
        """The action as it is called for one value: by `execute_action` where there is one.

        Where that raises NotImplementedError, as a base class does, what is streamed is given.
        """
        if self._once is None or self._stream is None:
            return self
        found = object.__new__(LegacyAction)
        found.__dict__.update(self.__dict__)
        found.streams = False
        return found

    def check(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Whatever was given."""
        return dict(params)

    def start(self, values: Mapping[str, Any], context: ActionContext) -> Any:
        """What the method gives; where streaming raises NotImplementedError, what the one-shot one gives."""
        if self._stream is None:
            return self._call_once(values, context)
        if self._once is None:
            return _call(self._stream, self._name, values, context)
        if not self.streams:
            return self._once_or_stream(values, context)
        return self._stream_or_once(values, context)

    def _call_once(self, values: Mapping[str, Any], context: ActionContext) -> Any:
        assert self._once is not None  # a plugin of this kind has one of the two
        if inspect.iscoroutinefunction(self._once):
            return _call(self._once, self._name, values, context)
        # a plain one was written to block
        return asyncio.to_thread(_call, self._once, self._name, values, context)

    async def _once_or_stream(self, values: Mapping[str, Any], context: ActionContext) -> Any:
        try:
            value = self._call_once(values, context)
            return await value if inspect.isawaitable(value) else value
        except NotImplementedError:
            kept: list[Any] = []
            async for item in self._streamed(values, context):
                if self.description.returns == "last":
                    kept.clear()
                kept.append(item)
        if self.description.returns == "collect":
            return kept
        return kept[0] if kept else None

    async def _stream_or_once(
        self, values: Mapping[str, Any], context: ActionContext
    ) -> AsyncIterator[Any]:
        begun = False
        try:
            async with aclosing(self._streamed(values, context)) as items:
                async for item in items:
                    begun = True
                    yield item
            return
        except NotImplementedError:
            if begun:
                raise
        value = self._call_once(values, context)
        yield await value if inspect.isawaitable(value) else value

    async def _streamed(
        self, values: Mapping[str, Any], context: ActionContext
    ) -> AsyncGenerator[Any, None]:
        """What `execute_action_stream` gives, whichever kind of function it is; closed when it is left."""
        result: Any = None
        try:
            result = _call(self._stream, self._name, values, context)
            if inspect.isawaitable(result):
                result = await result
            if isinstance(result, Iterator):
                for item in result:
                    yield item
            else:
                async for item in result:
                    yield item
        finally:
            close = getattr(result, "aclose", None) or getattr(result, "close", None)
            closed = close() if close is not None else None
            if inspect.isawaitable(closed):
                await closed


def _call(method: Any, name: str, values: Mapping[str, Any], context: ActionContext) -> Any:
    """Call it with what its signature takes."""
    parameters = inspect.signature(method).parameters
    extra = {
        key: value
        for key, value in (
            ("progress_callback", context.take_report),
            ("cancellation_token", context.token),
        )
        if key in parameters
    }
    places = [
        found
        for found in parameters.values()
        if found.kind in (found.POSITIONAL_ONLY, found.POSITIONAL_OR_KEYWORD)
        and found.name not in extra
    ]
    if len(places) > 1 or any(p.kind is p.VAR_POSITIONAL for p in parameters.values()):
        return method(name, dict(values), **extra)
    named = parameters.get("params")
    if named is not None and named.kind is named.KEYWORD_ONLY:
        return method(name, params=dict(values), **extra)
    return method(name, **values, **extra)
