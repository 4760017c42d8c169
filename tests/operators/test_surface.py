"""Every operator and creation function of reactivex is here, with its signature, its twin and its diagram."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import reactivex
import reactivex.operators
from reactivex import Observable

import rxstream
from rxstream import operators as ops
from rxstream.operator import Operator
from rxstream.operators import _fluent, combine, create
from rxstream.stream import Stream

THEIRS = sorted(reactivex.operators.__all__)
CREATION = sorted(
    name
    for name, function in vars(reactivex).items()
    if inspect.isfunction(function) and function.__module__ == "reactivex"
)
NOT_OPERATORS = {
    *("map_async_with_dead_letters", "map_with_dead_letters", "partition", "partition_indexed"),
    "to_future",
}
"""They give several streams and a future, not a stream."""

OPENED = Observable[Any]()
GIVEN: dict[str, tuple[Any, ...]] = {
    "amb": (OPENED,),
    "buffer": (OPENED,),
    "buffer_toggle": (OPENED, print),
    "catch": (OPENED,),
    "coalesce": (max,),
    "combine_latest": (OPENED,),
    "concat": (OPENED,),
    "do": (reactivex.Subject[Any](),),
    "enrich": (OPENED, print, print),
    "fallback": (OPENED,),
    "fork_join": (OPENED,),
    "group_by_until": (print, None, print),
    "group_join": (OPENED, print, print),
    "join": (OPENED, print, print),
    "join_by": (OPENED, print, print, 1),
    "keyed": (print, lambda stream: stream),
    "latest": (),
    "multicast": (reactivex.Subject[Any](),),
    "observe_on": (reactivex.scheduler.ImmediateScheduler(),),
    "on_error_resume_next": (OPENED,),
    "sequence_equal": (OPENED,),
    "skip_until": (OPENED,),
    "subscribe_on": (reactivex.scheduler.ImmediateScheduler(),),
    "take_until": (OPENED,),
    "validate": (int,),
    "window": (OPENED,),
    "window_by_event_time": (print, 1),
    "window_by_time": (1,),
    "window_toggle": (OPENED, print),
    "with_latest_from": (OPENED,),
    "zip": (OPENED,),
    "zip_latest": (OPENED,),
    "zip_with_iterable": ((1, 2),),
    "zip_with_list": ((1, 2),),
}
"""What operators are called with here that need more than functions and numbers."""


def arguments(name: str) -> tuple[Any, ...]:
    """Arguments an operator can be called with."""
    if name in GIVEN:
        return GIVEN[name]
    parameters = inspect.signature(getattr(ops, name)).parameters.values()
    needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
    functions = ("mapper", "predicate", "condition", "action", "accumulator", "project", "fn")
    return tuple(print if any(f in p.name for f in functions) else 1 for p in needed)


def parameters(function: Any) -> list[tuple[str, Any, bool]]:
    """Name, kind and whether it may be left out."""
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default is p.empty) for p in found]


@pytest.mark.parametrize("name", THEIRS)
def test_an_operator_has_the_parameters_it_has_in_reactivex(name: str) -> None:
    assert parameters(getattr(ops, name)) == parameters(getattr(reactivex.operators, name))


@pytest.mark.parametrize("name", CREATION)
def test_a_creation_function_has_the_parameters_it_has_in_reactivex(name: str) -> None:
    module = combine if name in combine.__all__ else create
    mine = [p for p in parameters(getattr(module, name)) if p[1] != inspect.Parameter.VAR_KEYWORD]
    names = [(p[0].removeprefix("__").replace("sources", "args"), *p[1:]) for p in mine]
    expected = parameters(getattr(reactivex, name))
    assert names == [(p[0].removeprefix("__").replace("sources", "args"), *p[1:]) for p in expected]
    assert getattr(rxstream, name) is getattr(module, name)


@pytest.mark.parametrize("name", sorted(set(ops.__all__) - NOT_OPERATORS))
def test_an_operator_shows_its_name_and_knows_its_twin(name: str) -> None:
    operator = getattr(ops, name)(*arguments(name))
    assert isinstance(operator, Operator)
    assert operator.spec.name == name
    assert operator.spec.kind == "foreign" or operator.spec.kind == "same" or operator.spec.make
    if name not in ("map_async", "filter_async", "map_process", "map_thread"):
        others = [reactivex.never() for _ in operator.spec.others]
        assert operator.spec.rx is not None
        assert callable(operator.spec.rx(*others))


@pytest.mark.parametrize("name", sorted(ops.__all__))
def test_an_operator_has_a_line_of_text_and_a_diagram(name: str) -> None:
    text = inspect.getdoc(getattr(ops, name)) or ""
    first, _, rest = text.partition("\n\n")
    assert "\n" not in first
    assert first.endswith(".") or first.endswith("…") or first.endswith("once."), first
    assert "[" in rest
    assert "-" in rest


@pytest.mark.parametrize("name", sorted(ops.__all__))
def test_an_operator_is_a_method_of_a_stream(name: str) -> None:
    method = getattr(Stream, name)
    assert method.__module__.startswith("rxstream.operators")
    assert inspect.getdoc(method)


def test_no_method_of_reactivex_makes_a_plain_observable_of_a_stream() -> None:
    mixins = [
        c for c in Observable.__mro__ if c.__module__.startswith("reactivex.observable.mixins")
    ]
    names = {n for c in mixins for n in vars(c) if not n.startswith("_")}
    assert [n for n in sorted(names) if not hasattr(ops, n)] == []


@pytest.mark.parametrize("name", sorted(_fluent.OTHERWISE))
def test_a_method_takes_the_argument_names_of_reactivexs_method(name: str) -> None:
    for theirs in _fluent.OTHERWISE[name]:
        assert theirs in inspect.signature(getattr(Observable, name)).parameters
        value = "real" if name == "pluck_attr" else (lambda *_: rxstream.of(1))
        assert isinstance(getattr(rxstream.of(1), name)(**{theirs: value}), Stream)


def test_arguments_that_were_given_are_shown() -> None:
    taking: Any = ops.take(3)
    assert taking.spec.arguments == {"count": 3}
    assert repr(ops.buffer_with_count(2)) == "buffer_with_count(count=2)"
