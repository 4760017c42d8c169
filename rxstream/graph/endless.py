"""Which streams of a plan never end by themselves, as far as that can be known before they run.

True is certain, False is certain, None is everything else: a generator function, a process, what a foreign
Observable does. A source says it of itself (`endless`), or its kind says it; from there it travels by what
operators do with an end. Must not know what follows from it.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, Final

from reactivex import Observable
from reactivex import operators as rx

if TYPE_CHECKING:
    from rxstream.graph.plan import Node, Plan

Endless = bool | None

_HUGE: Final = 1 << 60
"""A range this long has no end that anybody sees."""

FOLDS: Final = frozenset(
    {
        *(
            "average",
            "count",
            "fork_join",
            "last",
            "last_or_default",
            "max",
            "max_by",
            "min",
            "min_by",
        ),
        *("reduce", "sum", "take_last", "take_last_buffer", "take_last_with_time", "to_dict"),
        *("to_iterable", "to_list", "to_marbles", "to_set"),
    }
)
"""Operators that give nothing before their input has ended."""

_ENDS_EARLY: Final = frozenset(
    {
        *("all", "contains", "element_at", "element_at_or_default", "find", "find_index", "first"),
        *("first_or_default", "is_empty", "sequence_equal", "single", "single_or_default"),
        *("single_or_default_async", "some", "take", "take_until_with_time", "take_with_time"),
    }
)
_MAY_END_EARLY: Final = frozenset(
    {
        *("amb", "dematerialize", "slice", "take_until", "take_while", "take_while_indexed"),
        *("default_on_error", "idle_timeout", "timeout", "timeout_with_mapper", "total_timeout"),
    }
)
_ENDS_WITH_ALL: Final = frozenset(
    {"catch", "combine_latest", "concat", "fallback", "merge", "on_error_resume_next"}
)
_ENDS_WITH_ANY: Final = frozenset({"sample", "zip", "zip_latest"})
_JOINS: Final = frozenset(
    {
        *("concat_all", "concat_map", "exclusive", "expand", "flat_map", "flat_map_indexed"),
        *("flat_map_latest", "group_join", "join", "merge_all", "switch_latest", "switch_map"),
        *("switch_map_indexed", *_ENDS_WITH_ALL),
    }
)
_STARTS_ANEW: Final = frozenset({"do_while", "repeat", "while_do"})

_OBSERVABLES: Final[Mapping[str, Endless]] = {
    "empty_": False,
    "from_iterable_": None,
    "observable_timer_duetime_and_period": True,
    "observable_timer_timespan_and_period": True,
    "return_value_": False,
    "throw_": False,
}
"""What reactivex's own factories promise, by the function that makes their subscription."""


def endless(plan: Plan) -> Mapping[str, Endless]:
    """For each node whether it never ends by itself."""
    found: dict[str, Endless] = {}
    for node in plan.nodes:  # an input always comes before its reader
        if node.kind == "source":
            found[node.id] = _of_source(node)
        else:
            found[node.id] = _after(node, [found[source] for source in node.inputs])
    return found


def length_of(node: Node) -> int | None:
    """How many elements a source has, where that is known."""
    origin = node.spec.make() if node.kind == "source" else None
    return len(origin) if isinstance(origin, Sized) else None


def _of_source(node: Node) -> Endless:
    origin = node.spec.make()
    said = getattr(origin, "endless", None)
    if said is not None:
        return bool(said)
    if isinstance(origin, Observable):
        made_by = getattr(getattr(origin, "_subscribe", None), "__qualname__", "")
        return _OBSERVABLES.get(made_by.split(".")[0])
    if isinstance(origin, Sized):
        return len(origin) >= _HUGE
    if isinstance(origin, itertools.count | itertools.cycle):
        return True
    if node.operator == "repeat_value":
        return bool(node.spec.arguments.get("repeat_count", -1) == -1)
    return False if inspect.iscoroutinefunction(origin) else None


def _after(node: Node, inputs: Sequence[Endless]) -> Endless:
    """What an operator makes of its inputs' endings."""
    name = node.operator
    if name in FOLDS or name in _ENDS_EARLY:
        return False  # what comes out is one element, or so many
    if name in _MAY_END_EARLY:
        return False if all(end is False for end in inputs) else None
    if name in _STARTS_ANEW:
        return True if name == "repeat" and _without_count(node.spec.arguments) else None
    if node.spec.flattens:
        return inputs[0] or None  # what is finite may be given what is not
    if node.spec.kind == "foreign":
        return _after_foreign(node, inputs[0])
    if name in _ENDS_WITH_ANY:
        return _combined(inputs, decides=False)
    if name in _ENDS_WITH_ALL:
        return _combined(inputs, decides=True)
    return inputs[0]


def _combined(inputs: Sequence[Endless], *, decides: bool) -> Endless:
    """`decides` if one input is so, the other if all are, else unknown."""
    if decides in inputs:
        return decides
    return None if None in inputs else not decides


def _after_foreign(node: Node, first: Endless) -> Endless:
    """reactivex's operators: another Observable may be inside, of which nothing is known."""
    if not hasattr(rx, node.operator):
        return None
    if node.operator in _ENDS_WITH_ANY:
        return False if first is False else None
    # what is finite may be given what is not
    joins = node.spec.flattens or node.operator in _JOINS
    return None if first is False and joins else first


def _without_count(arguments: Mapping[str, Any]) -> bool:
    return arguments.get("repeat_count") in (None, -1)
