"""Functions that make one stream of several; `rxstream.merge`, `rxstream.zip` and so on.

They are the pipeable operators of the same names, applied to the first of their arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from reactivex import Observable
from reactivex.typing import AnyFuture

from rxstream.errors import GraphError
from rxstream.operator import OperatorSpec
from rxstream.operators import joining, resilience
from rxstream.operators._combining import Amb, Chosen, Merge
from rxstream.operators._nested import Catching, Nested, Resuming
from rxstream.operators._spec import sourcing, stream_of, streams, waiting
from rxstream.operators._types import A, B, K
from rxstream.operators.create import empty, never
from rxstream.stream import Stream

__all__ = [
    "amb",
    "case",
    "catch",
    "catch_with_iterable",
    "combine_latest",
    "concat",
    "concat_with_iterable",
    "for_in",
    "fork_join",
    "if_then",
    "merge",
    "on_error_resume_next",
    "with_latest_from",
    "zip",
    "zip_latest",
]


def merge(*sources: Observable[Any], **named: Observable[Any]) -> Stream[Any]:
    """Elements of all streams as they come.

        rxstream.merge(a, b)           1  2  x
        rxstream.merge(cpu=a, disk=b)  {"source": "cpu", "value": 1}  {"source": "disk", "value": "x"}

    Streams given by name say which each element came from. Raises GraphError when both are given.
    """
    if not named:
        return joining.merge(*sources[1:])(sources[0]) if sources else empty()
    if sources:
        raise GraphError("merge takes streams either by name, merge(cpu=a, disk=b), or without")
    names = list(named)

    def label(index: int, element: Any) -> dict[str, Any]:
        return {"source": names[index], "value": element}

    given = {"sources": names}
    spec = OperatorSpec("merge", "unit", make=lambda: Merge(label), arguments=given, resumable=True)
    return Stream(spec, streams(tuple(named.values())))


def zip(*args: Observable[Any]) -> Stream[tuple[Any, ...]]:
    """Tuples of the first elements of all streams, then of the second ones, …; see `operators.zip`."""
    return joining.zip(*args[1:])(args[0]) if args else empty()


def zip_latest(*sources: Observable[Any]) -> Stream[tuple[Any, ...]]:
    """Tuples of the latest elements when all streams have a new one; see `operators.zip_latest`."""
    return joining.zip_latest(*_some(sources)[1:])(sources[0])


def combine_latest(*sources: Observable[Any]) -> Stream[tuple[Any, ...]]:
    """Tuples of the latest elements whenever one is new; see `operators.combine_latest`."""
    return joining.combine_latest(*_some(sources)[1:])(sources[0])


def with_latest_from(*sources: Observable[Any]) -> Stream[tuple[Any, ...]]:
    """Elements of the first stream with the latest of the others; see `operators.with_latest_from`."""
    return joining.with_latest_from(*_some(sources)[1:])(sources[0])


def fork_join(*sources: Observable[Any]) -> Stream[tuple[Any, ...]]:
    """A tuple of the last elements when all streams have ended; see `operators.fork_join`."""
    return joining.fork_join(*_some(sources)[1:])(sources[0])


def concat(*sources: Observable[A]) -> Stream[A]:
    """All of the first stream, then all of the second, …; see `operators.concat`."""
    return joining.concat(*sources[1:])(sources[0]) if sources else empty()


def amb(*sources: Observable[A]) -> Stream[A]:
    """The stream that is the first to say anything; the others are left. Of none: `never`."""
    if not sources:
        return never()
    return waiting("amb", Amb, others=sources[1:], rx=_no_twin, resumable=True)(sources[0])


def catch(*sources: Observable[A]) -> Stream[A]:
    """The first stream, and when it fails the second, …; see `operators.catch`."""
    return resilience.falling_back(sources[1:])(sources[0]) if sources else empty()


def on_error_resume_next(
    *sources: Observable[A] | AnyFuture[A] | Callable[[Exception | None], Observable[A]],
) -> Stream[A]:
    """All streams in turn, each whether the one before has failed or not.

    A function in place of a stream is called with the error of the one before (or None) when its turn comes;
    then the graph cannot show what it reads.
    """
    if not sources:
        return empty()
    if any(callable(source) for source in sources):
        return sourcing("on_error_resume_next", Resuming(sources))
    return resilience.resuming(sources[1:])(stream_of(sources[0]))


def catch_with_iterable(sources: Iterable[Observable[A]]) -> Stream[A]:
    """As `catch`; an iterator is advanced only when the next is needed, and is not shown by the graph."""
    if isinstance(sources, Sequence):
        return catch(*sources)
    return sourcing("catch_with_iterable", Catching(lambda: iter(sources)))


def concat_with_iterable(sources: Iterable[Observable[A]]) -> Stream[A]:
    """As `concat`; an iterator is advanced only when the next is needed, and is not shown by the graph."""
    if isinstance(sources, Sequence):
        return concat(*sources)
    return sourcing("concat_with_iterable", Nested(lambda: iter(sources)))


def for_in(values: Iterable[A], mapper: Callable[[A], Observable[B]]) -> Stream[B]:
    """All elements of the Observables that a function gives for each of some values, in turn.

        for_in([1, 2], f)   f(1) to its end, then f(2)

    The function is called when the turn comes; the graph cannot show what it gives.
    """
    return sourcing("for_in", Nested(lambda: map(mapper, values)), values=values, mapper=mapper)


def if_then(
    condition: Callable[[], bool],
    then_source: Observable[A] | AnyFuture[A],
    else_source: Observable[A] | AnyFuture[A] | None = None,
) -> Stream[A]:
    """One of two streams, chosen when the execution starts; the other is not started.

    if_then(f, a, b)   a if f() else b
    """
    given = [source for source in (then_source, else_source) if source is not None]

    def choose() -> int | None:
        if condition():
            return 0
        return 1 if len(given) > 1 else None

    return _choosing("if_then", choose, given, condition=condition)


def case(
    mapper: Callable[[], K],
    sources: Mapping[K, Observable[A]],
    default_source: Observable[A] | AnyFuture[A] | None = None,
) -> Stream[A]:
    """The stream under the key that a function gives when the execution starts, or a default.

    case(f, {"a": a, "b": b}, c)   a if f() == "a", …, else c
    """
    keys = {key: index for index, key in enumerate(sources)}
    given: list[Any] = list(sources.values())
    default = None if default_source is None else len(given)
    if default_source is not None:
        given.append(default_source)
    if not given:
        return empty()
    return _choosing("case", lambda: keys.get(mapper(), default), given, mapper=mapper)


def _choosing(
    name: str, choose: Callable[[], int | None], given: Sequence[Any], **arguments: Any
) -> Stream[Any]:
    return waiting(
        name,
        lambda: Chosen(choose),
        others=tuple(given[1:]),
        rx=_no_twin,
        arguments=arguments,
        late=True,
        resumable=True,
    )(stream_of(given[0]))


def _no_twin(*_: Observable[Any]) -> NoReturn:
    raise GraphError(
        "this combination cannot stand between an operator that opens and one that flattens"
    )


def _some(sources: tuple[Observable[Any], ...]) -> tuple[Observable[Any], ...]:
    if not sources:
        raise ValueError("at least one stream is needed")
    return sources
