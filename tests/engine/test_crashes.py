"""After a crash at any commit readers have seen the same as if there had been none."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rxstream as rxs
from rxstream import operators as ops
from rxstream import statecodec
from rxstream.engine import cut, edge, sources
from rxstream.errors import LogError
from rxstream.log import Commit
from rxstream.testing import JournalLog, crash_everywhere
from rxstream.testing.crashes import Seen
from tests.engine.crashing import as_bags, slowly, ticks


def crashed(
    make: Callable[[], Any], by: Callable[[Seen], Any] = lambda seen: seen, **options: Any
) -> int:
    """How many crashes a graph got through."""
    return crash_everywhere(rxs.graph(make), by=by, **options)


class TestShapes:
    def test_state_of_an_island(self) -> None:
        def g() -> Any:
            return ticks(20).scan(lambda a, b: a + b, 0).pairwise().buffer_with_count(3)

        assert crashed(g) > 9

    def test_a_fan_out_with_sisters_of_different_speed(self) -> None:
        def g() -> Any:
            numbers = ticks(25).named("numbers")
            return {
                "all": numbers.map(str),
                "ordered": numbers.map_async(slowly, concurrency=3),
                "pairs": numbers.filter(lambda n: n % 3 == 0).pairwise(),
            }

        assert crashed(g) > 9

    def test_a_diamond(self) -> None:
        def g() -> Any:
            numbers = ticks(20)
            even, odd = numbers.partition(lambda n: n % 2 == 0)
            return rxs.zip(even, odd.map_async(slowly, concurrency=2)).named("both")

        assert crashed(g) > 9

    def test_unordered_results_and_a_merge(self) -> None:
        def g() -> Any:
            numbers = ticks(25)
            slow = numbers.map_async(slowly, concurrency=4, ordered=False).map(lambda n: -n)
            return rxs.merge(slow, numbers).named("merged")

        assert crashed(g, as_bags) > 9

    def test_windows_of_time_lose_nothing_and_double_nothing(self) -> None:
        def g() -> Any:
            return ticks(30).buffer_with_time(0.02).named("buffers")

        def flat(seen: Seen) -> Any:
            return [n for buffer in seen["buffers"] for n in buffer]

        assert crashed(g, flat) > 9

    def test_delays_and_debounces(self) -> None:
        def g() -> Any:
            numbers = ticks(20)
            return {"late": numbers.delay(0.01), "last": numbers.debounce(0.5)}

        assert crashed(g) > 9

    def test_what_the_end_closes_is_told_with_it(self) -> None:
        def g() -> Any:
            return rxs.concat(ticks(6, 0.02), rxs.range(5)).take(8)

        assert crashed(g) > 9

    def test_one_after_the_other(self) -> None:
        def g() -> Any:
            return rxs.concat(ticks(6), ticks(6, 0.002).map(lambda n: n + 100), rxs.range(5)).take(
                15
            )

        assert crashed(g) > 9

    def test_batches_that_were_pushed_on_in_part(self) -> None:
        def g() -> Any:
            return ticks(60, 0.01, batch=20).block(3).map_async(slowly, concurrency=2)

        assert crashed(g) > 9

    def test_an_end_with_an_error(self) -> None:
        def six(n: int) -> int:
            if n == 6:
                raise ValueError("six")
            return n

        assert crashed(lambda: ticks(10).map(six).named("picky")) > 5

    def test_nodes_that_ended_before_the_others(self) -> None:
        def g() -> Any:
            numbers = ticks(20)
            return {"few": numbers.take(3), "none": numbers.take(0), "all": numbers}

        assert crashed(g) > 9

    def test_nothing_at_all(self) -> None:
        assert crashed(lambda: rxs.empty()) > 0

    def test_state_by_key(self) -> None:
        def g() -> Any:
            return ticks(60, 0.002).pipe(
                ops.scan_by(lambda n: n % 7, lambda total, n: total + n, 0, max_keys=5)
            )

        assert crashed(g) > 9


class Flaky:
    """Fails on some elements so many times, in all attempts and lives together."""

    def __init__(self, **times: int) -> None:
        self.left = {int(name.removeprefix("at_")): count for name, count in times.items()}

    def __call__(self, item: int) -> int:
        if self.left.get(item, 0) > 0:
            self.left[item] -= 1
            raise ConnectionError("flaky")
        return item


def attempts(seen: Seen) -> Any:
    """Attempts that began with 0 and went on in order, the last of them to the end; else what was seen."""
    expected = 0
    for item in seen["p"]:
        expected = 0 if item == 0 else expected
        if item != expected:
            return seen["p"]
        expected += 1
    return expected == 12 or seen["p"]


class TestRegions:
    @pytest.mark.parametrize(
        "operator", [ops.retry(6), ops.retry_with_backoff(6, first=0.01)], ids=["at once", "later"]
    )
    @pytest.mark.parametrize("inside", ["islands", "tasks"])
    def test_an_attempt_goes_on_where_it_was(self, operator: Any, inside: str) -> None:
        flaky = Flaky(at_4=2, at_7=1)

        def g() -> Any:
            numbers = ticks(12, 0.004).map(flaky).named("flaky")
            if inside == "tasks":
                numbers = numbers.map_async(slowly, concurrency=3)
            else:
                numbers = numbers.scan(lambda _, n: n, 0)
            return numbers.pipe(operator).named("p")

        def comparable(seen: Seen) -> Any:
            return attempts(seen), seen[""][0]

        assert crashed(g, comparable) > 9

    def test_a_region_in_a_region(self) -> None:
        flaky = Flaky(at_4=2, at_7=1)

        def g() -> Any:
            return ticks(12, 0.004).map(flaky).pipe(ops.retry(2), ops.retry(5)).named("p")

        assert crashed(g, attempts) > 9

    def test_rounds_that_end_well(self) -> None:
        def g() -> Any:
            return ticks(4, 0.004).pairwise().pipe(ops.repeat(3)).map(str).named("p")

        assert crashed(g) > 9


EXACT, BAG, COUNT, FREE = range(4)
"""How much of a stream time leaves open: nothing, the order, also the elements, also how many."""


@dataclass
class Made:
    """A stream, and how much of it can be compared."""

    stream: rxs.Stream[Any]
    kind: int

    def then(self, stream: rxs.Stream[Any], bag: int = BAG, count: int = COUNT) -> Made:
        """What an operator makes of it, of which so much is open when its input's order or elements are."""
        return Made(stream, {EXACT: EXACT, BAG: bag, COUNT: count, FREE: FREE}[self.kind])


def step(kind: int, a: Made, b: Made) -> Made:
    """One more stream of two that are there."""
    one, other = a.stream, b.stream
    if kind == 0:
        return a.then(one.scan(lambda total, n: (total * 3 + n) % 1_009, 0), bag=COUNT)
    if kind == 1:
        return Made(rxs.merge(one, other), max(BAG, a.kind, b.kind))
    if kind == 2:
        return Made(one.map_async(slowly, concurrency=3, ordered=False), max(BAG, a.kind))
    if kind == 3:
        return a.then(one.map_async(slowly, concurrency=2))
    if kind == 4:
        return a.then(one.delay(0.007))
    if kind == 5:
        return a.then(one.filter(lambda n: n % 2 == 0), count=FREE)
    if kind == 6:
        return a.then(one.distinct(), count=FREE)
    if kind == 7:
        return a.then(one.pairwise().map(sum), bag=COUNT)
    if kind == 8:
        first = a.then(one.take(5), bag=COUNT)
        joined = rxs.concat(first.stream.drop_oldest(64), other.drop_oldest(64))
        return Made(joined, max(first.kind, b.kind))
    if kind == 9:
        return a.then(one.pipe(ops.buffer_with_count(3)).map(sum), bag=COUNT)
    return Made(one.buffer_with_time(0.01).map(len), FREE)


@st.composite
def graphs(draw: st.DrawFn) -> Callable[[], list[Made]]:
    """Streams of two sources and a few operators; made anew each time it is called."""
    choice = st.tuples(st.integers(0, 10), st.integers(0, 100), st.integers(0, 100))
    steps = draw(st.lists(choice, min_size=2, max_size=7))
    batch = draw(st.integers(1, 7))

    def make() -> list[Made]:
        first, second = ticks(16, 0.003, batch).named("first"), ticks(9, 0.004).named("second")
        made = [Made(first, EXACT), Made(second, EXACT)]
        for kind, one, other in steps:
            made.append(step(kind, made[one % len(made)], made[other % len(made)]))
        return made

    return make


class TestRandom:
    @settings(
        max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(make=graphs())
    def test_graphs_show_the_same_as_without_a_crash(self, make: Callable[[], list[Made]]) -> None:
        self.same(make)

    @settings(
        max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(make=graphs())
    def test_also_when_commits_fail_and_are_given_again(
        self, make: Callable[[], list[Made]]
    ) -> None:
        keep, calls = JournalLog.keep, itertools.count()

        def refusing(self: JournalLog, commit: Commit) -> asyncio.Future[int]:
            if next(calls) % 3:
                return keep(self, commit)
            failed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            failed.set_exception(LogError("the disk is full"))
            return failed

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(JournalLog, "_commit", refusing)
            self.same(make)

    def same(self, make: Callable[[], list[Made]]) -> None:
        kinds: dict[str, int] = {}

        def g() -> Any:
            outputs = {}
            for index, made in enumerate(make()):
                kinds[f"out{index}"] = made.kind
                outputs[f"out{index}"] = made.stream.map(lambda item: item)
            return outputs

        def comparable(seen: Seen) -> Any:
            shown = {}
            for node, kind in kinds.items():
                items = seen.get(node, ())
                shown[node] = (items, sorted(items), len(items), None)[kind]
            return shown, seen["(step_complete)"]

        crashed(g, comparable, most=6)


class TestTheCheckerSees:
    """Each of these breaks the engine on purpose."""

    def fails(self, make: Callable[[], Any], by: Callable[[Seen], Any] = lambda seen: seen) -> None:
        with pytest.raises(AssertionError):
            crashed(make, by)

    def test_a_lost_queue(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(edge.Edge, "changes", lambda self: None)
        self.fails(lambda: ticks(20, batch=5).map_async(slowly, concurrency=1).named("slow"))

    def test_a_lost_buffer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cut, "_put", lambda state, key, value: None)
        self.fails(lambda: ticks(20).buffer_with_count(4))

    def test_a_late_offset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        restore = sources.TaskUnit.restore

        def late(self: Any, state: Any) -> None:
            offset, *rest = state
            restore(self, (max(0, (offset or 0) - 1), *rest))

        monkeypatch.setattr(sources.TaskUnit, "restore", late)
        self.fails(lambda: ticks(20).named("numbers"))

    def test_a_codec_that_makes_lists_of_tuples(self, monkeypatch: pytest.MonkeyPatch) -> None:
        decode = statecodec.decode

        def lossy(data: bytes) -> Any:
            def listed(value: Any) -> Any:
                if isinstance(value, dict):
                    return {key: listed(item) for key, item in value.items()}
                return [listed(v) for v in value] if isinstance(value, tuple | list) else value

            return listed(decode(data))

        monkeypatch.setattr(statecodec, "decode", lossy)
        self.fails(lambda: ticks(20).map(lambda n: (n, n)).pairwise().map(str).named("pairs"))

    def test_an_end_that_is_not_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(edge.Edge, "restore", lambda self, state, waiting: None)
        self.fails(lambda: ticks(20, batch=5).map_async(slowly, concurrency=1).named("slow"))
