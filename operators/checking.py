"""Operators that say which elements may go on: those that fit, not seen lately, so many a second."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any, Literal, overload

import reactivex
from reactivex import Observable
from reactivex import operators as rx

from rxstream.errors import GraphError
from rxstream.operators._checking import Recent, Validate, check_for
from rxstream.operators._pacing import RateLimit
from rxstream.operators._refusing import no_twin, positive
from rxstream.operators._skipping import checked
from rxstream.operators._spec import Twin, native, waiting
from rxstream.operators._types import A, B
from rxstream.stream import Stream

__all__ = ["distinct_recent", "rate_limit", "validate"]


@overload
def validate(
    schema: type[B],
    on_invalid: Literal["fail", "skip"] | Callable[[Any, Exception], object] = "fail",
) -> Callable[[Observable[Any]], Stream[B]]: ...


@overload
def validate(
    schema: Any,
    on_invalid: Literal["fail", "skip"] | Callable[[Any, Exception], object] = "fail",
) -> Callable[[Observable[Any]], Stream[Any]]: ...


def validate(
    schema: Any,
    on_invalid: Literal["fail", "skip"] | Callable[[Any, Exception], object] = "fail",
) -> Callable[[Observable[Any]], Stream[Any]]:
    """Each element as an instance of a type, if it can be one.

        --{"n": "1"}--{"n": "x"}--|
        [  validate(Reading)      ]
        --Reading(1)--X

    `schema` is whatever pydantic validates: a model, a dataclass, a TypedDict, `list[int]`, an `Annotated`
    type; the element is converted as pydantic does. An object with `iter_errors`, such as a validator of
    jsonschema, checks and converts nothing; a bare JSON Schema is refused. An element that does not fit
    fails with a `WorldError` that names the path (`$.readings[2].value`); `skip` leaves it out and logs a
    warning with the count, at most one in ten seconds; a function is called with the element and the error
    instead, and what it raises fails the node.
    """
    check = check_for(schema)
    policy = checked("on_invalid", on_invalid)
    return native(
        "validate",
        lambda: Validate(check, policy),
        rx=no_twin("validate"),
        arguments={"schema": schema, "on_invalid": on_invalid},
    )


def distinct_recent(
    max_keys: int, key: Callable[[A], Hashable] | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements whose key is not among the last `max_keys` different keys: `distinct` with a bound.

        --1--2--1--3--2--1--|
        [ distinct_recent(2) ]
        --1--2-----3--2--1--|

    The key that was not seen for longest is forgotten first, and its next element passes again; an element
    that does not pass counts as seen. Keys must be hashable.
    """
    positive("max_keys", max_keys)

    def make() -> Recent:
        return Recent(max_keys, key)

    return native(
        "distinct_recent",
        make,
        rx=_recent_twin(make),
        arguments={"max_keys": max_keys, "key": key},
    )


def _recent_twin(make: Callable[[], Recent]) -> Twin:
    def afresh(source: Observable[Any]) -> Observable[Any]:
        return reactivex.defer(lambda _: source.pipe(rx.filter(make().is_new)))

    return lambda *others: afresh


def rate_limit(
    count: int, per: float = 1.0, burst: int | None = None
) -> Callable[[Observable[A]], Stream[A]]:
    """Elements no faster than `count` in `per` seconds; the others wait, and so does what feeds this.

        -123----------|
        [rate_limit(1, 0.5, burst=1)]
        -1----2----3--|

    A bucket holds `burst` tokens (by default `count`) and is full at the start; an element takes one, and
    one comes back every `per / count` seconds. So in any t seconds at most `burst + t * count / per`
    elements go on: with `burst=1` they are evenly spaced. None is lost; put `latest()` before it where late
    ones are of no use. The end and an error come after the last element, without a wait of their own.
    """
    positive("count", count)
    if not (per > 0 and math.isfinite(per)):
        raise GraphError(f"per must be a number of seconds above 0, not {per}")
    tokens = count if burst is None else burst
    positive("burst", tokens)
    return waiting(
        "rate_limit",
        lambda: RateLimit(per / count, tokens),
        rx=no_twin("rate_limit"),
        arguments={"count": count, "per": per, "burst": burst},
        resumable=True,
    )
