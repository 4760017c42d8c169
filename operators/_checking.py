"""State machines that look at each element: whether it fits a type, whether its key came lately."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from rxstream.engine.op import Changes
from rxstream.errors import GraphError, WorldError
from rxstream.operators._rows import Rows
from rxstream.operators._skipping import OnBad, Skipping
from rxstream.operators._state import Machine

_SHOWN: Final = 3
"""Mistakes of one element that its error names."""

_CONFIG: Final = ConfigDict(arbitrary_types_allowed=True)

Check = Callable[[Any], Any]
"""Gives the element as it should be, or raises `WorldError`."""


class Validate(Machine):
    """Elements as a check gives them; what it refuses is skipped, told or fails."""

    def __init__(self, check: Check, on_invalid: OnBad) -> None:
        self.check = check
        self.skipping = Skipping("validate", on_invalid)
        self.skipping.on_count = self._swallow

    def _swallow(self) -> None:
        self.swallowed += 1

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            try:
                fit = self.check(item)
            except WorldError as error:
                self.skipping(item, error)
            else:
                out.append(fit)

    def close(self) -> None:
        self.skipping.close()

    def snapshot(self) -> Any:
        """How many were invalid."""
        return (self.skipping.count,)

    def restore(self, state: Any) -> None:
        (self.skipping.count,) = state


class Recent(Machine):
    """Elements whose key is not among the last so many different keys."""

    incremental: ClassVar[bool] = True

    def __init__(self, max_keys: int, key: Callable[[Any], Hashable] | None) -> None:
        self.max_keys = max_keys
        self.key = key
        self._keys: OrderedDict[Hashable, None] = OrderedDict()
        self._rows = Rows()

    def push(self, items: Sequence[Any], out: list[Any]) -> None:
        for item in items:
            if self.is_new(item):
                out.append(item)

    def is_new(self, item: Any) -> bool:
        """Whether it passes; its key is the latest from now on."""
        key = item if self.key is None else self.key(item)
        self._rows.put(key)
        if key in self._keys:
            self._keys.move_to_end(key)
            return False
        self._keys[key] = None
        if len(self._keys) > self.max_keys:
            self._rows.drop(self._keys.popitem(last=False)[0])
        return True

    def snapshot(self) -> Any:
        """The keys, the one longest unseen first."""
        return tuple(self._keys)

    def restore(self, state: Any) -> None:
        self._keys = OrderedDict.fromkeys(state)

    def changes(self) -> Changes | None:
        return self._rows.changes(self._keys, lambda key: None)

    def restore_changes(self, stored: Mapping[str, Any]) -> None:
        keys, _ = self._rows.restored(stored)
        self.restore(key for key, _ in keys)


def check_for(schema: Any) -> Check:
    """The check of a type, or of an object with `iter_errors`. Raises `GraphError` for anything else."""
    if callable(getattr(schema, "iter_errors", None)) and not isinstance(schema, type):
        return _by_schema(schema)
    if isinstance(schema, dict):
        raise GraphError(
            "validate takes a type, and a dict is none: for a JSON Schema give a validator made of "
            "it, such as jsonschema.Draft202012Validator(schema)"
        )
    try:
        adapter: TypeAdapter[Any] = _adapter(schema)
    except Exception as error:  # whatever the type's own hooks raise
        raise GraphError(f"validate cannot check for {schema!r}: {error}") from error

    def check(item: Any) -> Any:
        try:
            return adapter.validate_python(item)
        except ValidationError as error:
            mistakes = [
                (_path(each["loc"]), each["msg"]) for each in error.errors(include_url=False)
            ]
            raise _invalid(item, mistakes) from None

    return check


def _adapter(schema: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(schema, config=_CONFIG)
    except PydanticUserError as error:
        if error.code != "type-adapter-config-unused":
            raise
        return TypeAdapter(schema)  # a model has a configuration of its own


def _by_schema(validator: Any) -> Check:
    def check(item: Any) -> Any:
        mistakes = [
            (_path(each.absolute_path), each.message) for each in validator.iter_errors(item)
        ]
        if mistakes:
            raise _invalid(item, sorted(mistakes))
        return item

    return check


def _invalid(item: Any, mistakes: list[tuple[str, str]]) -> WorldError:
    named = "; ".join(f"at {path}: {message}" for path, message in mistakes[:_SHOWN])
    more = f"; and {len(mistakes) - _SHOWN} more" if len(mistakes) > _SHOWN else ""
    return WorldError(
        f"an element ({type(item).__name__}) is not as it should be: {named}{more}",
        code="invalid_element",
        detail=[{"path": path, "message": message} for path, message in mistakes],
    )


def _path(steps: Any) -> str:
    """`$.readings[2].value`: where in the element, which is `$`."""
    found = "$"
    for step in steps:
        found += f"[{step}]" if isinstance(step, int) else f".{step}"
    return found
