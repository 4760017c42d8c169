"""Checks any plugin against the contract: what it says of itself is so, and what it opens it lets go of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rxstream.codec import Encoder
from rxstream.engine.island import CURRENT
from rxstream.errors import CodecError, InvalidParameters, RxStreamError
from rxstream.plugins.declaring import Action
from rxstream.plugins.performing import ActionSource
from rxstream.plugins.plugin import LoadedPlugin, Performable, instance_of
from rxstream.testing.released import assert_released

_MOST: Final = 100
_RESTARTS: Final = 10


def check_plugin(
    plugin: Any, samples: Mapping[str, Mapping[str, Any]] | None = None, *, most: int = _MOST
) -> None:
    """Fail with everything that is wrong with a plugin, an object or a class; in a plain test.

        >>> from rxstream.plugins import Plugin, action
        >>> from rxstream.testing import check_plugin
        >>> class Greeter(Plugin):
        ...     version = "1.0"
        ...     @action
        ...     def greet(self, name: str) -> str:
        ...         "A greeting."
        ...         return f"Hello {name}"
        >>> check_plugin(Greeter, {"greet": {"name": "you"}})

    Every action must be described and its parameters typed. `samples` are parameters by action: each such
    action is run for at most `most` elements, which must have a JSON form and the declared type; it is left
    after its first and must let go of everything; and a resumable one is begun again in the middle and must
    give the rest. Actions without a sample are not run.
    """
    loaded = LoadedPlugin(instance_of(plugin), "object")
    problems = list(_said(loaded))
    given = samples or {}
    unknown = [name for name in given if loaded.actions and name not in loaded.actions]
    problems += [f"{name}: there is a sample, and no such action" for name in unknown]
    with asyncio.Runner() as runner:
        for name in given.keys() - set(unknown):
            found = loaded.action(name)
            try:
                values = found.check(given[name])
            except InvalidParameters as error:
                problems.append(f"{name}: the sample is refused: {error}")
                continue
            problems += [f"{name}: {what}" for what in runner.run(_run(found, values, most))]
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise AssertionError(f"plugin {loaded.name!r}:{lines}")


def _said(plugin: LoadedPlugin) -> Iterator[str]:
    """What is wrong with what it says of itself; plugins of the older kind say nothing."""
    if plugin.legacy:
        return
    if plugin.version == "0":
        yield "it has no version"
    for name, found in plugin.actions.items():
        described = found.description
        if not described.description:
            yield f"{name}: it has no docstring"
        for parameter, schema in described.parameters.get("properties", {}).items():
            if not schema.keys() - {"title", "default"}:
                yield f"{name}: parameter {parameter} has no type"
        if not described.item and described.streaming:
            yield f"{name}: it does not say what it yields, as in -> AsyncIterator[int]"


async def _run(found: Performable, values: Mapping[str, Any], most: int) -> list[str]:
    problems: list[str] = []
    whole: list[Any] = []
    points: list[Any] = []
    try:
        async with assert_released():
            ended = await _read(found, values, None, most, whole, points)
            if found.streams:
                await _read(found, values, None, 1, [], [])
    except AssertionError as error:
        problems.append(str(error))
    except RxStreamError as error:
        return [f"it fails: {error.message}"]
    except Exception as error:  # whatever the plugin raises
        return [f"it fails: {type(error).__name__}: {error}"]
    problems += _elements(found, whole)
    if found.description.resumable:
        problems += await _restarts(found, values, whole, points, most if ended else len(whole))
    return problems


def _elements(found: Performable, items: Sequence[Any]) -> Iterator[str]:
    for index, item in enumerate(items):
        try:
            Encoder().encode(item)
        except CodecError as error:
            yield f"element {index} cannot be recorded: {error.message}"
            return
        wrong = found.wrong_item(item) if isinstance(found, Action) else None
        if wrong is not None:
            yield f"element {index} is not of the declared type: {wrong}"
            return


async def _restarts(
    found: Performable,
    values: Mapping[str, Any],
    whole: Sequence[Any],
    points: Sequence[Any],
    most: int,
) -> list[str]:
    step = max(1, len(points) // _RESTARTS)
    for index in range(0, len(points), step):
        if points[index] is None:
            return [f"it says no seek point before element {index}"]
        rest: list[Any] = []
        try:
            await _read(found, values, points[index], most - index - 1, rest, [])
        except Exception as error:  # whatever the plugin raises
            return [f"it fails when it goes on at {points[index]!r}: {error}"]
        if rest != list(whole[index + 1 :]):
            return [f"begun again behind element {index}, it does not give the same rest"]
    return []


async def _read(
    found: Performable,
    values: Mapping[str, Any],
    start: Any,
    most: int,
    items: list[Any],
    points: list[Any],
) -> bool:
    """Take at most so many elements and the seek point of each; whether it ended by itself."""
    port = _Port(start)
    CURRENT.set(port)  # so that rxstream.progress may be called
    opened = ActionSource(found, values).open(port)
    try:
        if most <= 0:
            return False
        async for batch in opened:
            items += batch
            points += [port.point] * len(batch)
            port.point = None
            if len(items) >= most:
                return False
        return True
    finally:
        await opened.aclose()  # type: ignore[attr-defined]  # a Source opens an async generator


class _Port:
    """What an action may see and say, without an engine; asks for one element at a time."""

    execution_id = ""
    node_id = "checked"
    wanted = 1

    def __init__(self, start: Any) -> None:
        self.start = start
        self.point: Any = None

    def progress(self, percentage: Any, message: Any = None, status: Any = "running") -> None:
        """Heard and forgotten."""

    def seek_point(self, offset: Any) -> None:
        """Of the next element."""
        self.point = offset() if callable(offset) else offset
