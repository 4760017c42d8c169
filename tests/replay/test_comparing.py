"""Two sequences are compared as a person would, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from rxstream.replay.comparing import WINDOW, Comparison, Difference, edits


def compared(
    expected: Sequence[Any], got: Sequence[Any], *, most: int = 1_000, cut: bool = False
) -> Comparison:
    """All of both, the record read only when it is wanted."""
    comparison, record = Comparison(most=most, cut_short=cut), iter(expected)
    for item in [*map(orjson.dumps, got), None]:
        comparison.got(item)
        while comparison.wants_expected:
            found = next(record, comparison)
            comparison.expect(None if found is comparison else orjson.dumps(found))
        comparison.settle()
        while item is None and comparison.wants_expected:
            found = next(record, comparison)
            comparison.expect(None if found is comparison else orjson.dumps(found))
            comparison.settle()
    return comparison


def differences(expected: Sequence[Any], got: Sequence[Any]) -> list[tuple[Any, ...]]:
    found = compared(expected, got).differences
    return [(d.index, d.kind, d.expected, d.got) for d in found]


def test_equal_sequences_have_no_difference() -> None:
    comparison = compared(range(1_000), range(1_000))
    assert (comparison.same, comparison.differences) == (1_000, [])


def test_the_order_of_keys_is_no_difference_and_a_value_is() -> None:
    assert differences([{"a": 1, "b": 2}], [{"b": 2, "a": 1}]) == []
    assert differences([{"a": 1}], [{"a": 2}]) == [(0, "changed", {"a": 1}, {"a": 2})]


def test_one_element_less_or_more_does_not_shift_the_rest() -> None:
    everything = list(range(200))
    less = [n for n in everything if n != 70]
    assert differences(everything, less) == [(70, "missing", 70, None)]
    assert differences(less, everything) == [(70, "added", None, 70)]


def test_what_a_filter_takes_out_is_missing() -> None:
    comparison = compared(range(1_000), range(0, 1_000, 2))
    assert (comparison.same, comparison.missing, comparison.changed) == (500, 500, 0)


def test_a_change_is_one_difference_and_not_a_loss_and_a_gain() -> None:
    assert differences([1.5, 2.5, 3.5], [1.5, 9, 3.5]) == [(1, "changed", 2.5, 9)]


def test_what_only_one_has_at_its_end_is_said() -> None:
    assert differences([1, 2], [1]) == [(1, "missing", 2, None)]
    assert differences([1], [1, 2]) == [(1, "added", None, 2)]
    assert differences([], [5]) == [(0, "added", None, 5)]


def test_what_comes_after_a_record_that_was_cut_short_is_no_difference() -> None:
    comparison = compared([1, 2], [1, 3, 7, 8], cut=True)
    assert (comparison.changed, comparison.added, comparison.beyond) == (1, 0, 2)


def test_differences_are_counted_beyond_those_that_are_kept() -> None:
    comparison = compared(["a"] * 500, ["b"] * 500, most=3)
    assert (comparison.changed, len(comparison.differences)) == (500, 3)


def test_only_a_window_of_each_is_held() -> None:
    comparison = Comparison(most=1)
    for n in range(10 * WINDOW):
        comparison.got(b"%d" % n)
        while comparison.wants_expected:
            comparison.expect(b'"never"')
        comparison.settle()
        assert len(comparison._got) <= WINDOW
        assert len(comparison._expected) <= WINDOW


def test_the_address_of_binary_data_is_no_difference_and_its_digest_is() -> None:
    one = {"picture": [{"type": "binary", "sha256": "a", "href": "/executions/1"}], "n": 1}
    same = {"picture": [{"type": "binary", "sha256": "a", "href": "/executions/2"}], "n": 1}
    other = {"picture": [{"type": "binary", "sha256": "b", "href": "/executions/1"}], "n": 1}
    assert differences([one], [same]) == []
    assert len(differences([one], [other])) == 1


elements = st.lists(st.integers(0, 3), max_size=3 * WINDOW)


@given(elements, elements)
def test_applying_the_differences_to_the_record_gives_what_came(
    old: list[int], new: list[int]
) -> None:
    comparison = compared(old, new)
    assert comparison.same + comparison.changed + comparison.missing == len(old)
    assert comparison.same + comparison.changed + comparison.added == len(new)
    assert rebuilt(old, comparison.differences, len(new)) == new


def rebuilt(old: list[int], found: list[Difference], count: int) -> list[int]:
    removed = {d.index for d in found if d.kind == "missing"}
    changed = {d.index: d.got for d in found if d.kind == "changed"}
    kept = iter([changed.get(i, item) for i, item in enumerate(old) if i not in removed])
    added = {d.index: d.got for d in found if d.kind == "added"}
    return [added[i] if i in added else next(kept) for i in range(count)]


@given(
    st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=6),
    st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=6),
)
def test_no_other_alignment_needs_fewer_edits(left: list[bytes], right: list[bytes]) -> None:
    cost = sum(edit != "same" for edit in edits(left, right, whole=True))
    assert cost == distance(left, right)


def distance(left: list[bytes], right: list[bytes]) -> int:
    """The definition, without a table."""
    if not left or not right:
        return len(left) + len(right)
    if left[0] == right[0]:
        return distance(left[1:], right[1:])
    return 1 + min(
        distance(left[1:], right), distance(left, right[1:]), distance(left[1:], right[1:])
    )
