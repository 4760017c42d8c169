"""A plugin's action as a step: its parameters from the step's data, its elements as the step's items.

What the step gives is what the action gives to a plain call: a dict as it is, anything else under the step's
name. The version that was loaded when the step was made runs. Must not know where plugins come from, nor what
a file says of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import asdict, is_dataclass
from typing import Any, Final

from pydantic import BaseModel

from rxstream.engine.asking import CALL
from rxstream.engine.island import CURRENT
from rxstream.engine.unit import BATCH
from rxstream.errors import AuthorError, InvalidParameters
from rxstream.pipeline.call import StepCall
from rxstream.pipeline.step import Step
from rxstream.plugins import PluginManager
from rxstream.plugins.performing import ActionSource
from rxstream.plugins.plugin import Performable
from rxstream.source import Port

MAX_COLLECTED: Final = 10_000
"""Elements an action may collect into the result of a step, which is stored as one."""


def action_step(
    action: str,
    params: Mapping[str, Any] | None = None,
    *,
    params_from: Mapping[str, str] | None = None,
    plugins: PluginManager | None = None,
) -> ActionStep:
    """A step of `plugin.action`, for `Pipeline.add` or as a fallback.

        pipeline.add(action_step("data.profile", {"every": 1000}, params_from={"path": "file"}))

    `params` are given as they are; `params_from` names for others the key of the step's data that each is
    taken from, also inside of it as in `item.path`. Without `plugins` installed ones are asked. Raises
    `UnknownAction`, `ActionDenied`, and `InvalidParameters` for what can be seen to be wrong by now.
    """
    if plugins is None:
        plugins = PluginManager()
        plugins.discover_for(action)
    return ActionStep(plugins.performable(action), params or {}, params_from or {})


class ActionStep(Step):
    """A step that runs an action. See `action_step`."""

    def __init__(
        self, action: Performable, params: Mapping[str, Any], params_from: Mapping[str, str]
    ) -> None:
        described = action.description
        _check(action, params, params_from)
        # one class stands for all of them, so what a class says of itself is each object's own
        self.__dict__.update(
            name=described.name,
            # what runs again must give what was shown before
            resumable=described.resumable or (not action.streams and described.idempotent),
            resources=described.resources,
        )
        self._action = action
        self._params = dict(params)
        self._from = dict(params_from)
        self._arguments = {"action": described.id, "params_from": self._from or None}

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        call, port = CALL.get(), CURRENT.get()
        if not isinstance(call, StepCall) or port is None:
            raise AuthorError(f"action {self._action.description.id} was run outside a pipeline")
        taken = {name: _value(data, key, name) for name, key in self._from.items()}
        values = self._action.check({**self._params, **taken})
        source = ActionSource(self._action, values)
        collects = self._action.streams and self._action.description.returns == "collect"
        place, kept = call.go_on() or (None, ())
        kept = list(kept)
        # one by one where each element has a place
        at = CallOffset(port, place, 1 if source.by_offset else BATCH)
        opened: Any = source.open(at)
        async with aclosing(opened):
            async for batch in opened:
                for item in batch:
                    if not collects:
                        kept.clear()
                    elif len(kept) == MAX_COLLECTED:
                        raise AuthorError(
                            f"action {self._action.description.id} gave more than {MAX_COLLECTED} elements, "
                            "too many for the result of a step: let it say returns='last'"
                        )
                    kept.append(_plain(item))
                    if self._action.streams:
                        await call.emit(item, at.mark(kept) if source.by_offset else None)
        value = kept if collects else kept[0] if kept else None
        return _named(value, call.unit.settings.name)


class CallOffset:
    """The port of an action that one call of a step runs: from where it goes on, and where it is."""

    def __init__(self, port: Port, start: Any, wanted: int) -> None:
        self.execution_id = port.execution_id
        self.node_id = port.node_id
        self.progress = port.progress
        self.start = start
        self.wanted = wanted
        self._place = start

    def seek_point(self, offset: Any) -> None:
        """Behind the element that comes next."""
        self._place = offset

    def mark(self, kept: list[Any]) -> Callable[[], tuple[Any, list[Any]]]:
        """From where the call would go on, and what it has kept of its elements by then."""
        place, count = self._place, len(kept)
        if callable(place):
            place = place()  # what it says later is behind elements that are not shown yet
        known = kept if count > 1 else kept[:]  # one that only keeps the last empties it
        return lambda: (place, known[:count])


def _check(action: Performable, params: Mapping[str, Any], params_from: Mapping[str, str]) -> None:
    """Raises `InvalidParameters` for all that is wrong without the values that come from data."""
    for name in params_from:
        if name in params:
            raise InvalidParameters(f"{name} is in params and in params_from: give one")
    known = action.description.parameters.get("properties")
    strange = [name for name in params_from if known is not None and name not in known]
    if strange:
        there = ", ".join(known or ()) or "none"
        raise InvalidParameters(f"{strange[0]} is not a parameter: known are {there}")
    try:
        action.check(params)
    except InvalidParameters as error:
        wrong = [entry for entry in error.detail or () if entry["name"] not in params_from]
        if wrong:
            said = "; ".join(entry["message"] for entry in wrong)
            raise InvalidParameters(said, detail=wrong) from None


def _value(data: Mapping[str, Any], key: str, parameter: str) -> Any:
    """What is under a key, or inside of what is: `item.path`. Raises `InvalidParameters`."""
    if key in data:
        return data[key]
    found: Any = data
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            known = ", ".join(map(str, data)) or "nothing"
            message = f"{parameter} is taken from {key!r}, which is not in the step's data: there is {known}"
            raise InvalidParameters(
                message,
                detail=[{"name": parameter, "message": message, "expected": "a key of the data"}],
            )
        found = found[part]
    return found


def _named(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return dict(value)
    return {name: value}


def _plain(item: Any) -> Any:
    """An element as data that a log can keep."""
    if isinstance(item, BaseModel):
        return item.model_dump()
    if is_dataclass(item) and not isinstance(item, type):
        return asdict(item)
    return item
