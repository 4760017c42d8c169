"""Branches that meet in pairs: which of them can leave the other waiting, and because of what."""

from collections.abc import Callable
from typing import Any

import pytest
from reactivex import operators as rxo

import rxstream as rxs
from rxstream.graph import make_plan
from rxstream.graph.endless import endless
from rxstream.graph.reconvergence import Reconvergence, reconvergence

Branch = Callable[[rxs.Stream[Any]], rxs.Stream[Any]]


def met(
    left: Branch,
    right: Branch,
    pair: Callable[..., rxs.Stream[Any]] = rxs.zip,
    source: Callable[[], rxs.Stream[Any]] = lambda: rxs.source(range(1_000)),
) -> Reconvergence | None:
    fork = source().named("fork")
    plan = make_plan("g", {"output": pair(left(fork), right(fork))})
    return reconvergence(plan, plan.by_id[plan.outputs["output"]], endless(plan))


def plain(fork: rxs.Stream[Any]) -> rxs.Stream[Any]:
    return fork


def rare(fork: rxs.Stream[Any]) -> rxs.Stream[Any]:
    return fork.filter(bool).named("rare")


def tens(fork: rxs.Stream[Any]) -> rxs.Stream[Any]:
    return fork.buffer_with_count(10).named("tens")


@pytest.mark.parametrize(
    "uneven",
    [
        rare,
        tens,
        lambda s: s.distinct(),
        lambda s: s.skip(1_000),
        lambda s: s.skip_last(64),
        lambda s: s.skip_while(bool),
        lambda s: s.debounce(1.0),
        lambda s: s.partition(bool)[0],
        lambda s: s.map(str).filter(bool).map(str),
        lambda s: s.pipe(rxo.flat_map(str)),
        lambda s: rxs.merge(s, rxs.of(1)),
        lambda s: s.count(),
    ],
)
def test_an_uneven_branch_may_starve(uneven: Branch) -> None:
    for one in (met(plain, uneven), met(uneven, plain), met(lambda s: s.map(str), uneven)):
        assert one is not None
        assert one.fork == "fork"
        assert not one.certain


@pytest.mark.parametrize(
    "even",
    [
        plain,
        lambda s: s.map(str),
        lambda s: s.scan(max).map(str).pairwise(),
        lambda s: s.map_async(str, 8),
        lambda s: s.skip(1),
        lambda s: s.take(5),
        lambda s: s.share(),
        lambda s: s.latest(),
        lambda s: rxs.zip(s, s.map(str)),
    ],
)
def test_an_even_branch_does_not(even: Branch) -> None:
    assert met(plain, even) is None
    assert met(even, plain) is None


def test_it_says_which_is_full_and_which_starves() -> None:
    assert met(rare, lambda s: s.map(str).named("all")) == Reconvergence(
        "all", "rare", "fork", "rare", False
    )


@pytest.mark.parametrize(
    "pair", [rxs.merge, rxs.combine_latest, rxs.with_latest_from, rxs.zip_latest]
)
def test_operators_that_take_whatever_is_there_do_not_wait(pair: Any) -> None:
    assert met(plain, rare, pair) is None


def test_sequence_equal_pairs_too() -> None:
    assert met(plain, rare, lambda a, b: a.sequence_equal(b)) is not None


@pytest.mark.parametrize("policy", ["latest", "drop_oldest", "drop_newest", "block", "fail"])
def test_a_policy_on_the_full_branch_is_an_answer(policy: str) -> None:
    assert met(lambda s: getattr(s, policy)().map(str), rare) is None


def test_so_is_a_reason() -> None:
    assert met(lambda s: s.unbounded("nearly all pass").map(str), rare) is None


def test_a_policy_on_the_starving_branch_is_none() -> None:
    found = met(plain, lambda s: rare(s).latest())
    assert found is not None
    assert found.uneven == "rare"


def test_two_uneven_branches_each_need_one() -> None:
    assert met(rare, lambda s: s.filter(callable)) is not None
    assert met(lambda s: rare(s).block(9), lambda s: s.filter(callable)) is not None
    assert met(lambda s: rare(s).block(9), lambda s: s.filter(callable).block(9)) is None


def test_a_few_elements_fit_the_queue() -> None:
    assert met(plain, rare, source=lambda: rxs.of(1, 2, 3)) is None
    assert met(plain, rare, source=lambda: rxs.source(range(65))) is not None


def test_streams_of_different_sources_do_not_meet() -> None:
    assert met(lambda _: rxs.source(range(999)), rare) is None


def test_the_nearest_fork_is_named() -> None:
    def two(s: rxs.Stream[Any]) -> rxs.Stream[Any]:
        nearer = s.map(str).named("nearer")
        return rxs.zip(nearer, nearer.filter(bool)).named("pairs")

    plan = make_plan("g", {"output": two(rxs.source(range(999)).named("fork"))})
    found = reconvergence(plan, plan.by_id["pairs"], endless(plan))
    assert found is not None
    assert found.fork == "nearer"


class TestCertain:
    @staticmethod
    def of_a_clock(left: Branch, right: Branch) -> bool | None:
        found = met(left, right, source=lambda: rxs.interval(1.0))
        return None if found is None else found.certain

    def test_a_branch_that_always_gives_less(self) -> None:
        assert self.of_a_clock(plain, tens) is True
        assert self.of_a_clock(lambda s: s.map(str), lambda s: s.count()) is True

    def test_a_bound_only_puts_it_off(self) -> None:
        assert self.of_a_clock(lambda s: s.block(9), tens) is True
        assert self.of_a_clock(lambda s: s.latest(), tens) is None

    def test_not_where_the_other_gives_less_too(self) -> None:
        assert self.of_a_clock(rare, tens) is False

    def test_not_where_it_gives_as_many(self) -> None:
        assert self.of_a_clock(plain, lambda s: s.buffer_with_count(1)) is False
        assert self.of_a_clock(plain, lambda s: s.buffer_with_count(10, 1)) is False

    def test_the_certain_way_round_is_found_second(self) -> None:
        assert self.of_a_clock(lambda s: s.filter(bool).count(), plain) is not None
        assert self.of_a_clock(tens, plain) is True
