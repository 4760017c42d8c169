"""What pyright must make of `pipe`; read by `test_typing`, never run. mypy says Any of all of it.

`Fluent` is what the stub types; a Stream is one.
"""

# mypy: disable-error-code="assert-type"
# because `pipe` is Any there
from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from reactivex import operators as rx

from rxstream import operators as ops
from rxstream.stream import Stream

if TYPE_CHECKING:
    from rxstream._fluent import Fluent


def pipes(numbers: Fluent[int]) -> None:
    """Chains of operators."""
    assert_type(numbers.pipe(), Stream[int])
    assert_type(numbers.pipe(ops.map(lambda x: x + 1)), Stream[int])
    assert_type(numbers.pipe(ops.map(lambda x: str(x)), ops.take(2)), Stream[str])
    assert_type(
        numbers.pipe(
            ops.filter(lambda x: x > 1),
            ops.map(lambda x: [x, x]),
            ops.map(lambda pair: pair[0] + 1),
            ops.distinct(),
            ops.scan(lambda total, x: total + x),
            ops.map(lambda x: x / 2),
            ops.skip(1),
            ops.debounce(0.5),
            ops.pairwise(),
            ops.map(lambda pair: pair[1] - pair[0]),
            ops.buffer_with_count(3),
            ops.map(lambda window: len(window)),
        ),
        Stream[int],
    )
    assert_type(numbers.pipe(rx.map(lambda x: x + 1), ops.map(lambda x: str(x))), Stream[str])
    numbers.pipe(ops.map(lambda x: x.missing))  # pyright: ignore[reportAttributeAccessIssue]  # asserted: it is found
