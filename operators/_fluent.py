"""Every operator as a method of `Stream`: `stream.map(f)` is `stream.pipe(operators.map(f))`.

The methods take the place of reactivex's, so that every chain stays a chain of Streams. Where reactivex names
an argument of the method otherwise than that of the function, both names are taken. Type checkers read
`rxstream/_fluent.pyi` instead, which `scripts/generate_fluent.py` makes of the operators' signatures.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any, Final

from reactivex import Observable, abc

from rxstream.added import show_in
from rxstream.operators import (
    aggregate,
    bounded_joins,
    by_key,
    checking,
    codecs,
    concurrency,
    event_windows,
    executors,
    flattening,
    joining,
    nesting,
    position,
    resilience,
    select,
    sharing,
    spilling,
    supervision,
    text,
    time,
    transform,
    windows,
)
from rxstream.stream import Stream

MODULES: Final[tuple[ModuleType, ...]] = (
    aggregate,
    bounded_joins,
    by_key,
    checking,
    codecs,
    concurrency,
    event_windows,
    executors,
    flattening,
    joining,
    nesting,
    position,
    resilience,
    select,
    sharing,
    spilling,
    supervision,
    text,
    time,
    transform,
    windows,
)
"""Where the pipeable operators are."""

OTHERWISE: Final = {
    "pluck_attr": {"attr": "prop"},
    "skip_while_indexed": {"predicate_indexed": "predicate"},
    "starmap_indexed": {"mapper_indexed": "mapper"},
    "switch_map_indexed": {"mapper_indexed": "project"},
    "take_while_indexed": {"predicate_indexed": "predicate"},
}
"""Arguments by the name they have in reactivex's method, and in its function."""


_ATTRIBUTES: Final = frozenset(
    ("spec", "inputs", "where", "serial", "name", "optional", "depth", "known", "prefix", "lock")
)
"""What each Stream has of its own, which would hide a method."""


def install() -> None:
    """Put the methods in place. Doing it again changes nothing."""
    for module in MODULES:
        for name in module.__all__:
            setattr(Stream, name, _method(name, getattr(module, name)))
    for method in (do, __add__, __iadd__, __getitem__):
        setattr(Stream, method.__name__, method)


def has_method(name: str) -> bool:
    """Whether a Stream has something of that name already."""
    return name in _ATTRIBUTES or hasattr(Stream, name)


def add_method(name: str, operator: Callable[..., Any]) -> None:
    """Make an operator that was added a method too."""
    setattr(Stream, name, _method(name, operator))


def remove_method(name: str) -> None:
    """Take away what `add_method` made."""
    delattr(Stream, name)


def _method(name: str, operator: Callable[..., Any]) -> Callable[..., Any]:
    names = OTHERWISE.get(name, {})

    @wraps(operator)
    def method(self: Stream[Any], *args: Any, **kwargs: Any) -> Any:
        given = {names.get(key, key): value for key, value in kwargs.items()}
        return self.pipe(operator(*args, **given))

    method.__qualname__ = f"Stream.{name}"
    try:
        signature = inspect.signature(operator)
    except ValueError:  # one that is added may be of C
        return method
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__signature__ = signature.replace(  # type: ignore[attr-defined]  # what `inspect` reads
        parameters=[own, *signature.parameters.values()]
    )
    return method


def do(
    self: Stream[Any],
    on_next: Any = None,
    on_error: Callable[[Exception], Any] | None = None,
    on_completed: Callable[[], Any] | None = None,
) -> Stream[Any]:
    """Tell an observer, or functions, what passes, and pass it on."""
    if isinstance(on_next, abc.ObserverBase):
        return transform.do(on_next)(self)
    return transform.do_action(on_next, on_error, on_completed)(self)


def __add__(self: Stream[Any], other: Observable[Any]) -> Stream[Any]:
    """All of this stream, then all of another."""
    return joining.concat(other)(self)


def __iadd__(self: Stream[Any], other: Observable[Any]) -> Stream[Any]:
    """All of this stream, then all of another."""
    return joining.concat(other)(self)


def __getitem__(self: Stream[Any], key: slice | int) -> Stream[Any]:
    """The elements a list would have under the same index or slice; none where it would raise."""
    if isinstance(key, slice):
        return position.slice(key.start, key.stop, key.step)(self)
    return position.slice(key, key + 1 if key != -1 else None)(self)


install()
show_in("rxstream.operators", "operators")
