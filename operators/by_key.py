"""Operators that keep state by key, for a bounded number of keys and a bounded time.

Each gives pairs of key and value. A key that had no element for `ttl` seconds is forgotten, and so is the one
that had none for longest when there are more than `max_keys`; its next element begins anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

from reactivex import Observable
from reactivex.typing import RelativeTime

from rxstream.operator import Operator
from rxstream.operators import _folding
from rxstream.operators._clocked import Clocked
from rxstream.operators._keyed import Keyed, ScanBy, Step
from rxstream.operators._keys import Keys
from rxstream.operators._mapping import MISSING
from rxstream.operators._refusing import no_twin, positive
from rxstream.operators._spans import span
from rxstream.operators._spec import native, waiting
from rxstream.operators._tracing import trace
from rxstream.operators._types import A, B, K, S
from rxstream.stream import Stream

__all__ = ["count_by", "keyed", "reduce_by", "scan_by"]


@overload
def scan_by(
    key: Callable[[A], K],
    accumulator: Callable[[S, A], S],
    seed: S,
    *,
    ttl: RelativeTime | None = None,
    max_keys: int = ...,
    on_evict: Callable[[K, S], object] | None = None,
) -> Callable[[Observable[A]], Stream[tuple[K, S]]]: ...


@overload
def scan_by(
    key: Callable[[A], K],
    accumulator: Callable[[A, A], A],
    *,
    ttl: RelativeTime | None = None,
    max_keys: int = ...,
    on_evict: Callable[[K, A], object] | None = None,
) -> Callable[[Observable[A]], Stream[tuple[K, A]]]: ...


def scan_by(
    key: Callable[[Any], Any],
    accumulator: Callable[[Any, Any], Any],
    seed: Any = MISSING,
    *,
    ttl: RelativeTime | None = None,
    max_keys: int = 10_000,
    on_evict: Callable[[Any, Any], object] | None = None,
) -> Callable[[Observable[Any]], Stream[Any]]:
    """The accumulation of each key after each of its elements: `scan` by key.

        --a1--b2--a3--|
        [scan_by(letter, +)]
        --a1--b2--a4--|

    Without a seed a key begins with its first element; a seed must not be changed in place. `on_evict` is
    called with each key that is forgotten and its accumulation, not with those kept at the end. Keys whose
    time is over are forgotten when the next element comes. How many had to make room is told as the node's
    progress. Raises GraphError.
    """
    keys = _limits(max_keys, ttl)
    given = {"key": key, "accumulator": accumulator} | ({} if seed is MISSING else {"seed": seed})
    return native(
        "scan_by",
        lambda: ScanBy(key, accumulator, seed, keys(), on_evict),
        rx=no_twin("scan_by"),
        arguments={**given, "ttl": ttl, "max_keys": max_keys, "on_evict": on_evict},
    )


@overload
def reduce_by(
    key: Callable[[A], K],
    accumulator: Callable[[S, A], S],
    seed: S,
    *,
    ttl: RelativeTime | None = None,
    max_keys: int = ...,
) -> Callable[[Observable[A]], Stream[tuple[K, S]]]: ...


@overload
def reduce_by(
    key: Callable[[A], K],
    accumulator: Callable[[A, A], A],
    *,
    ttl: RelativeTime | None = None,
    max_keys: int = ...,
) -> Callable[[Observable[A]], Stream[tuple[K, A]]]: ...


def reduce_by(
    key: Callable[[Any], Any],
    accumulator: Callable[[Any, Any], Any],
    seed: Any = MISSING,
    *,
    ttl: RelativeTime | None = None,
    max_keys: int = 10_000,
) -> Callable[[Observable[Any]], Stream[Any]]:
    """The last accumulation of each key, when it is forgotten or the stream ends: `reduce` by key.

        --a1--b2--a3--|
        [reduce_by(letter, +)]
        --------------b2-a4|

    So nothing is lost when a key makes room: it is given then, and again with what comes after. At the end
    keys come in the order of their last elements. Raises GraphError.
    """
    given = {"key": key, "accumulator": accumulator} | ({} if seed is MISSING else {"seed": seed})
    step = Step("reduce", "", lambda: _folding.Reduce(accumulator, seed))
    return _keyed("reduce_by", key, (step,), ttl, max_keys, given)


def count_by(
    key: Callable[[A], K], *, ttl: RelativeTime | None = None, max_keys: int = 10_000
) -> Callable[[Observable[A]], Stream[tuple[K, int]]]:
    """How many elements each key had, when it is forgotten or the stream ends: `count` by key.

        --a1--b2--a3--|
        [count_by(letter)]
        --------------b1-a2|

    See `reduce_by`. Raises GraphError.
    """
    step = Step("count", "", lambda: _folding.Count(None))
    return _keyed("count_by", key, (step,), ttl, max_keys, {"key": key})


def keyed(
    key: Callable[[A], K],
    template: Callable[[Stream[A]], Stream[B]],
    *,
    max_keys: int = 10_000,
    ttl: RelativeTime | None = None,
) -> Callable[[Observable[A]], Stream[tuple[K, B]]]:
    """What a chain of operators makes of each key's elements, every key with a copy of its own.

        --a1--b5--a2--b5--a2--|
        [keyed(letter, distinct)]
        --a1--b5--a2----------|

    `template` is a function from Stream to Stream, called once, here. It may use synchronous operators of one
    stream (map, scan, take, distinct, pairwise, buffer_with_count, …); one that waits, reads another stream
    or writes to a sink is refused with a GraphError that names it. A copy lives from its key's first element
    until the key is forgotten or the stream ends, and then gives what its operators give at an end, keys in
    the order of their last elements. A copy that ended early (`take`) ignores its key until then. An error in
    one copy is the error of the stream. Snapshots keep the state of each operator of each key.
    """
    steps, specs = trace("keyed", template)
    grows = ", ".join(spec.grows for spec in specs if spec.grows)
    return _keyed(
        "keyed",
        key,
        steps,
        ttl,
        max_keys,
        {"key": key, "template": [step.name for step in steps]},
        resumable=all(spec.resumable for spec in specs),
        grows=f"for each key: {grows}" if grows else None,
    )


def _keyed(
    name: str,
    key: Callable[[Any], Any],
    steps: tuple[Step, ...],
    ttl: RelativeTime | None,
    max_keys: int,
    given: dict[str, Any],
    resumable: bool = True,
    grows: str | None = None,
) -> Operator:
    keys = _limits(max_keys, ttl)
    return waiting(
        name,
        lambda: Clocked(Keyed(key, steps, keys())),
        rx=no_twin(name),
        arguments={**given, "ttl": ttl, "max_keys": max_keys},
        resumable=resumable,
        grows=grows,
    )


def _limits(max_keys: int, ttl: RelativeTime | None) -> Callable[[], Keys[Any]]:
    """What makes the state of one run. Raises `GraphError`."""
    positive("max_keys", max_keys)
    idle = None if ttl is None else span("ttl", ttl)
    return lambda: Keys(max_keys, idle)
