"""Operators that bring together what two streams say of the same key, holding only so much of either."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Literal

from reactivex import Observable
from reactivex.typing import RelativeTime

from rxstream.errors import GraphError
from rxstream.operators._keys import Keys
from rxstream.operators._matching import Enrich, JoinBy
from rxstream.operators._refusing import no_twin, positive
from rxstream.operators._spans import span
from rxstream.operators._spec import waiting
from rxstream.operators._types import A, B
from rxstream.stream import Stream

__all__ = ["enrich", "join_by"]


def join_by(
    other: Observable[B],
    left_key: Callable[[A], Hashable],
    right_key: Callable[[B], Hashable],
    within: RelativeTime,
    *,
    max_items: int = 10_000,
    on_full: Literal["fail", "drop_oldest"] = "fail",
) -> Callable[[Observable[A]], Stream[tuple[A, B]]]:
    """Pairs of elements of two streams with equal keys that come within a while of each other.

        --a1------b2-------|
        -----A7-------B8---|
        [join_by(letter, 0.5)]
        -----a1A7-----b2B8-|

    The time of an element is when it is taken here, on the engine's clock; `within` is in seconds, its end
    included. A pair comes when its later half does; an element with several matches gives them in the order
    in which they came. Where both streams have elements waiting they are taken in turn, this stream's first.

    Ends when both have ended, or when one has and nothing of it is within reach any more (without an event
    loop that is noticed at the other's next element); an error of either is passed on once what came before
    it is through. Holds at most `max_items` of each stream: one more is a BufferOverflow, or drops the
    oldest, which is counted and told as the node's progress. Raises GraphError.
    """
    reach = span("within", within, zero=True)
    if on_full not in ("fail", "drop_oldest"):
        raise GraphError(f"on_full is 'fail' or 'drop_oldest', not {on_full!r}")
    positive("max_items", max_items)
    return waiting(
        "join_by",
        lambda: JoinBy(left_key, right_key, reach, max_items, on_full),
        others=(other,),
        rx=no_twin("join_by"),
        arguments={
            "left_key": left_key,
            "right_key": right_key,
            "within": reach,
            "max_items": max_items,
            "on_full": on_full,
        },
        resumable=True,
    )


def enrich(
    table: Observable[B],
    key: Callable[[A], Hashable],
    table_key: Callable[[B], Hashable],
    *,
    max_keys: int = 10_000,
    table_first: bool = False,
) -> Callable[[Observable[A]], Stream[tuple[A, B | None]]]:
    """Each element with the latest row of its key in a table, which is a stream too, or with None.

        ------a1---b2--a3--|
        --A7--------A8-----|
        [enrich(table, letter)]
        ------a1A7-b2--a3A8|

    Rows that wait are taken before elements that wait, and never held back by them. With `table_first` no
    element is taken before the table has ended, so that none misses its row. Ends with the elements; the end
    of the table leaves its rows, an error of either is passed on. Holds one row for each of at most
    `max_keys` keys; one more forgets the row that was not used or renewed for longest, which is told as the
    node's progress. Raises GraphError.
    """
    positive("max_keys", max_keys)

    def make() -> Enrich:
        rows: Keys[Any] = Keys(max_keys)
        return Enrich(key, table_key, rows, table_first)

    return waiting(
        "enrich",
        make,
        others=(table,),
        rx=no_twin("enrich"),
        arguments={
            "key": key,
            "table_key": table_key,
            "max_keys": max_keys,
            "table_first": table_first or None,
        },
        resumable=True,
    )
