"""A machine that is stopped, stored and made anew goes on as if nothing had been."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxstream.engine.op import Op
from tests.operators.parts import digest, ops

NEXT = lambda *x: digest(*x)  # noqa: E731  # short, and its name does not matter
SOME = lambda *x: digest(*x) % 3 > 0  # noqa: E731  # the same

OPERATORS: list[Any] = [
    ops.map(NEXT),
    ops.map_indexed(NEXT),
    ops.filter(SOME),
    ops.filter_indexed(SOME),
    ops.scan(NEXT),
    ops.scan(NEXT, 1),
    ops.pairwise(),
    ops.distinct(),
    ops.distinct(None, lambda a, b: a % 5 == b % 5),
    ops.distinct(lambda x: [x % 4]),
    ops.distinct_until_changed(lambda x: x % 3),
    ops.take(4),
    ops.skip(4),
    ops.skip_last(3),
    ops.take_while(SOME),
    ops.take_while_indexed(SOME, inclusive=True),
    ops.skip_while(SOME),
    ops.skip_while_indexed(SOME),
    ops.element_at(3),
    ops.element_at_or_default(3, -1),
    ops.first_or_default(lambda x: x > 30, -1),
    ops.last_or_default(-1),
    ops.single_or_default(lambda x: x == 7, -1),
    ops.slice(1, 9, 2),
    ops.slice(1, -2, 2),
    ops.reduce(NEXT, 0),
    ops.count(),
    ops.sum(),
    ops.average(),
    ops.min(),
    ops.max_by(lambda x: x % 7),
    ops.to_list(),
    ops.to_set(),
    ops.to_dict(lambda x: x % 3),
    ops.all(lambda x: x < 30),
    ops.some(lambda x: x > 30),
    ops.is_empty(),
    ops.contains(5),
    ops.default_if_empty(-1),
    ops.buffer_with_count(3),
    ops.buffer_with_count(2, 3),
    ops.take_last_buffer(3),
    ops.ignore_elements(),
    ops.zip_with_iterable("abcdef"),
    ops.zip_with_list(range(100)),
]


def outcome(op: Op, batch: list[int], ended: bool) -> list[Any]:
    """What a machine gives for a batch, and at the end; its error is the last."""
    out: list[Any] = []
    try:
        if batch and not op.done:
            op.push(batch, out)
        if ended and not op.done:
            op.finish(out)
    except Exception as error:
        out.append(repr(error))
        op.done = True
    return out


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: repr(operator.spec.name))
@given(values=st.lists(st.integers(0, 40), max_size=12), cut=st.integers(0, 12))
def test_a_restored_machine_goes_on_where_the_stored_one_was(
    operator: Any, values: list[int], cut: int
) -> None:
    assert operator.spec.resumable
    whole = operator.spec.make()
    first = outcome(whole, values[:cut], False)
    done, stored = whole.done, whole.snapshot()
    rest = outcome(whole, values[cut:], True)
    again = operator.spec.make()
    if stored is not None:
        again.restore(stored)
    if not done:
        assert outcome(again, values[cut:], True) == rest
    assert first == outcome(operator.spec.make(), values[:cut], False)


@pytest.mark.parametrize(
    "operator",
    [ops.zip_with_iterable(iter([1])), ops.zip_with_iterable({1}), ops.flat_map(list)],
    ids=lambda operator: repr(operator.spec.name),
)
def test_what_cannot_be_stored_does_not_say_it_can(operator: Any) -> None:
    assert not operator.spec.resumable
