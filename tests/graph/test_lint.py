"""What may grow or wait is said before a graph runs: where, why, and what to write instead."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import reactivex as rx
from reactivex import operators as rxo
from reactivex.subject import Subject
from structlog.testing import capture_logs

import rxstream as rxs
from rxstream import operators as ops
from rxstream.adapters import sources
from rxstream.errors import GraphError
from rxstream.graph.lint import RULES, Finding
from rxstream.testing import SlowSink, virtual_time

HERE = "graph/test_lint.py:"


def numbers() -> Iterator[int]:
    """A generator function: nobody knows before it has run whether it ends."""
    yield 1


def findings(function: Callable[..., Any], *, resumable: bool = False) -> tuple[Finding, ...]:
    """What is said of a graph that is not refused."""
    found = rxs.graph(resumable=resumable)(function).build().findings
    for finding in found:
        assert finding.level == "warning"
        check(finding.message, finding)
    return found


def warned(rule: str, function: Callable[..., Any], *, resumable: bool = False) -> str:
    """The message of the only finding."""
    (finding,) = findings(function, resumable=resumable)
    assert finding.rule == rule
    return finding.message


def refused(rule: str, function: Callable[..., Any], *, resumable: bool = False) -> str:
    with pytest.raises(GraphError) as caught:
        rxs.graph(resumable=resumable)(function).build()
    error = caught.value
    first = Finding(**error.detail[0])
    assert (first.rule, first.level) == (rule, "error")
    assert (error.node, error.where) == (first.node, first.where)
    check(error.message, first)
    return error.message


def check(message: str, finding: Finding) -> None:
    """It is one line that names the node, where it was made, and what to do."""
    assert "\n" not in message
    assert f"'{finding.node}' (" in message
    assert finding.where.startswith(HERE)
    assert finding.where in message
    assert message.partition(finding.where)[2].count(": ") >= 1


def bare(x: Any) -> Any:
    return rx.of(x)


def first_of(group: Any) -> Any:
    return group.pipe(rxo.take(1))


def forever() -> rxs.Stream[int]:
    return rxs.interval(1.0)


GROWING: list[Callable[[Any], Any]] = [
    ops.to_list(),
    ops.to_iterable(),
    ops.replay(mapper=lambda s: s),
    ops.flat_map(bare),
    ops.flat_map_indexed(lambda x, i: rx.of(x)),
    ops.expand(bare),
    ops.buffer(rxs.interval(5.0)),
    ops.buffer_when(rx.never),
    ops.buffer_toggle(rxs.interval(5.0), bare),
    rxo.to_list(),
    rxo.zip(rx.interval(2.0)),
    rxo.flat_map(bare),
    rxo.replay(),
]


def opened(x: rxs.Stream[Any]) -> Any:
    return x.pipe(ops.group_by(str), ops.unbounded("three keys"), ops.merge_all())


class TestGrows:
    @pytest.mark.parametrize("operator", GROWING)
    def test_what_holds_more_and_more_of_an_endless_source_is_refused(self, operator: Any) -> None:
        message = refused("grows", lambda: forever().pipe(operator))
        assert "without a limit, and what it reads never ends" in message

    @pytest.mark.parametrize("operator", GROWING)
    def test_not_of_one_that_ends(self, operator: Any) -> None:
        if getattr(getattr(operator, "spec", None), "name", "") == "expand":
            return
        assert findings(lambda: rxs.of(1, 2).pipe(operator)) == ()
        assert findings(lambda: forever().pipe(ops.take(3), operator)) == ()

    @pytest.mark.parametrize("operator", GROWING)
    def test_an_answer_is_taken_before_and_after_it(self, operator: Any) -> None:
        assert findings(lambda: forever().pipe(operator, ops.unbounded("small"))) == ()
        assert findings(lambda: forever().unbounded("small").pipe(operator)) == ()

    def test_groups_of_an_endless_source(self) -> None:
        def g() -> Any:
            return sources.tail("app.log").pipe(ops.group_by(len), ops.flat_map(ops.count()))

        assert "one group for each key" in refused("grows", g)
        assert "group_by_until" in refused("grows", g)

    def test_what_waits_in_the_queue_before_it_does_not_grow(self) -> None:
        assert findings(lambda: forever().pipe(ops.concat_map(bare))) == ()
        assert findings(lambda: forever().pipe(ops.merge_map(bare, max_concurrent=3))) == ()
        assert findings(lambda: forever().pipe(ops.switch_map(bare))) == ()

    def test_groups_that_are_said_to_be_few(self) -> None:
        assert findings(lambda: opened(forever())) == ()

    @pytest.mark.parametrize(
        "operator",
        [ops.flat_map(bare), rxo.flat_map(bare), rxo.zip(rx.interval(1.0)), rxo.concat_map(bare)],
    )
    def test_of_what_may_never_end_is_a_warning(self, operator: Any) -> None:
        assert "may never end" in warned("grows", lambda: rxs.source(numbers).pipe(operator))

    def test_a_list_of_what_may_never_end_is_everyday(self) -> None:
        assert findings(lambda: rxs.source(numbers).pipe(ops.to_list())) == ()

    @pytest.mark.parametrize(
        ("operator", "cure"),
        [
            (ops.buffer_with_time(1.0), "buffer_with_time_or_count"),
            (ops.distinct(), "distinct_recent"),
            (ops.to_set(), "take so many"),
        ],
    )
    def test_what_may_well_be_small_is_a_warning(self, operator: Any, cure: str) -> None:
        assert cure in warned("grows", lambda: sources.tail("app.log").pipe(operator))

    @pytest.mark.parametrize(
        "operator",
        [
            ops.replay(3, mapper=lambda s: s),
            rxo.replay(mapper=lambda s: s),
            rxo.merge(rx.of(1)),
            ops.buffer_with_count(10),
            ops.buffer_with_time_or_count(1.0, 10),
            ops.map_async(numbers),  # type: ignore[arg-type]  # never called
            ops.distinct_recent(100),
            rxo.map(str),
        ],
    )
    def test_what_has_a_bound_is_fine(self, operator: Any) -> None:
        assert findings(lambda: forever().pipe(operator)) == ()

    def test_reactivex_s_concat_map_is_a_map_and_a_merge(self) -> None:
        assert "'merge_1'" in refused("grows", lambda: forever().pipe(rxo.concat_map(bare)))
        assert findings(lambda: rxs.of(1).pipe(rxo.concat_map(bare))) == ()

    def test_merge_with_a_limit_holds_those_that_wait(self) -> None:
        def g() -> Any:
            return forever().pipe(rxo.map(bare), rxo.merge(max_concurrent=2))

        assert "wait for their turn" in refused("grows", g)

    @pytest.mark.parametrize("source", [sources.tail, sources.websocket])
    def test_adapters_say_that_they_never_end(self, source: Any) -> None:
        refused("grows", lambda: source("ws://127.0.0.1/feed").to_list())

    def test_so_do_callbacks_and_clocks(self) -> None:
        refused("grows", lambda: sources.callback(lambda emitter: None).to_list())
        refused("grows", lambda: sources.interval(1.0).to_list())

    def test_a_file_ends(self) -> None:
        assert findings(lambda: sources.lines("app.log").to_list()) == ()
        assert findings(lambda: sources.read_bytes("app.log").to_list()) == ()


class TestReconverges:
    def test_a_branch_that_drops_is_a_warning(self) -> None:
        def g() -> Any:
            clock = forever().named("clock")
            return rxs.zip(clock, clock.filter(bool).named("rare"))

        message = warned("reconverges", g)
        assert "pairs 'clock' with 'rare', which both come from 'clock'" in message
        assert "may wait for ever" in message
        assert ".block(n)" in message

    @pytest.mark.parametrize(
        "policy", [ops.block(600), ops.latest(), ops.drop_oldest(8), ops.unbounded("y")]
    )
    def test_it_is_answered_on_the_other_branch(self, policy: Any) -> None:
        def g() -> Any:
            clock = forever()
            return rxs.zip(clock.pipe(policy), clock.filter(bool))

        assert findings(g) == ()

    def test_or_behind_it(self) -> None:
        def g() -> Any:
            clock = forever()
            return rxs.zip(clock, clock.filter(bool)).unbounded("nearly all pass")

        assert findings(g) == ()

    def test_one_that_certainly_gives_less_of_an_endless_source_is_refused(self) -> None:
        def g(*policy: Any) -> Any:
            clock = forever()
            return rxs.zip(clock.pipe(*policy), clock.buffer_with_count(10))

        assert "will wait for ever" in refused("reconverges", lambda: g())
        assert "will wait for ever" in refused("reconverges", lambda: g(ops.block(600)))
        assert findings(lambda: g(ops.latest())) == ()


class TestNeverEnds:
    def test_a_sum_of_an_endless_source(self) -> None:
        assert "use scan" in warned("never-ends", lambda: forever().sum())
        assert findings(lambda: forever().sum().unbounded("it is stopped at midnight")) == ()
        assert findings(lambda: forever().take(3).sum()) == ()

    def test_what_comes_after_an_endless_source(self) -> None:
        def g() -> Any:
            return rxs.concat(forever().named("clock"), rxs.of(1).named("last"))

        assert "'last' only when 'clock' has ended" in warned("never-ends", g)
        assert findings(lambda: rxs.concat(rxs.of(1), forever())) == ()


class TestGroups:
    def test_more_groups_than_are_read_at_a_time(self) -> None:
        def g(*between: Any) -> Any:
            grouped = rxs.of(1, 2, 3).pipe(ops.group_by(str))
            return grouped.pipe(*between, ops.merge(max_concurrent=2))

        assert "reads 2 of the groups of 'group_by_1'" in warned("groups", lambda: g())
        assert "reads 2" in warned("groups", lambda: g(ops.map(first_of)))
        assert findings(lambda: g(ops.unbounded("two keys"))) == ()

    def test_one_after_the_other(self) -> None:
        assert "reads 1 of" in warned(
            "groups", lambda: rxs.of(1).pipe(ops.group_by(str), ops.concat_all())
        )

    def test_of_an_endless_source_it_is_refused(self) -> None:
        def g() -> Any:
            return forever().pipe(
                ops.group_by(str), ops.map(lambda g: g), ops.merge(max_concurrent=2)
            )

        with pytest.raises(GraphError) as caught:
            rxs.graph(g).build()
        assert [found["rule"] for found in caught.value.detail] == ["grows", "groups"]
        assert "(and 1 more: 'merge_1')" in caught.value.message

    def test_groups_that_end_may_wait(self) -> None:
        def g() -> Any:
            grouped = rxs.of(1, 2, 3).pipe(ops.group_by_until(str, None, bare))
            return grouped.pipe(ops.merge(max_concurrent=2))

        assert findings(g) == ()

    def test_a_limit_on_what_are_no_groups(self) -> None:
        assert findings(lambda: rxs.of(1).pipe(rxo.map(bare), ops.merge(max_concurrent=2))) == ()
        assert findings(lambda: rxs.of(1).pipe(ops.concat_map(bare))) == ()


class TestPushes:
    def test_an_observable_without_a_policy(self) -> None:
        message = warned("pushes", lambda: rxs.source(rx.interval(1.0)).map(str))
        assert ".drop_oldest(n)" in message

    @pytest.mark.parametrize(
        "policy", [ops.drop_oldest(9), ops.latest(), ops.fail(9), ops.unbounded("slow")]
    )
    def test_a_policy_answers(self, policy: Any) -> None:
        assert findings(lambda: rxs.source(rx.interval(1.0)).pipe(policy)) == ()

    def test_not_when_somebody_else_reads_it_too(self) -> None:
        def g() -> Any:
            feed = rxs.source(rx.interval(1.0))
            return {"kept": feed.latest(), "all": feed.map(str)}

        warned("pushes", g)

    def test_a_callback_that_fails_when_full(self) -> None:
        def g(policy: Any) -> Any:
            return sources.callback(lambda emitter: None, policy=policy)

        warned("pushes", lambda: g("fail"))
        assert findings(lambda: g("drop_oldest")) == ()

    def test_one_value_is_no_flood(self) -> None:
        assert findings(lambda: rxs.source(rx.just(1))) == ()


class TestFeedsItself:
    def test_a_subject_that_is_told_what_comes_from_it(self) -> None:
        feedback: Subject[int] = Subject()

        def g() -> Any:
            return (
                rxs.source(feedback).named("again").map(lambda n: n + 1).do(feedback).named("end")
            )

        assert "is told by 'end'" in refused("feeds-itself", g)

    def test_a_subject_that_only_others_tell_is_no_cycle(self) -> None:
        def g() -> Any:
            told = rxs.source(Subject[int]())
            return rxs.merge(told.map(abs), told.map(str)).do(Subject())

        warned("pushes", g)

    def test_by_way_of_a_function(self) -> None:
        feedback: Subject[Any] = Subject()

        def g(*policy: Any) -> Any:
            again = rxs.source(feedback).pipe(*policy)
            both = rxs.merge(again.map(abs), again.map(str), rxs.of(1))
            return both.map(str).do_action(feedback.on_next)

        assert "is told by 'do_action_1'" in refused("feeds-itself", lambda: g())
        assert findings(lambda: g(ops.drop_oldest(9))) == ()
        assert findings(lambda: g(ops.unbounded("it dies out"))) == ()


class TestRetries:
    def test_without_a_count(self) -> None:
        assert "give it a count" in warned("retries", lambda: rxs.of(1).retry())
        assert findings(lambda: rxs.of(1).retry(3)) == ()
        assert findings(lambda: rxs.of(1).retry().unbounded("it must come back")) == ()


class TestResumable:
    def test_a_source_that_cannot_seek(self) -> None:
        assert "cannot go on from an offset" in refused(
            "unresumable", lambda: rxs.source(numbers).named("numbers"), resumable=True
        )

    def test_an_operator_that_keeps_nothing(self) -> None:
        def g() -> Any:
            return sources.lines("app.log").named("lines").pipe(rxo.map(str)).named("text")

        assert "'text' (map at" in refused("unresumable", g, resumable=True)
        assert findings(g) == ()

    def test_a_graph_that_can(self) -> None:
        def g() -> Any:
            lines = sources.lines("app.log").named("lines").map(str).share()
            lines.to(SlowSink(0))
            return {"sums": lines.map(len).scan(max)}

        assert findings(g, resumable=True) == ()

    def test_state_without_a_name(self) -> None:
        def g() -> Any:
            return sources.lines("app.log").named("lines").map(len).scan(max)

        assert "'scan_1'" in warned("unnamed", g, resumable=True)
        assert findings(g) == ()

    def test_an_offset_is_state_too(self) -> None:
        def g() -> Any:
            return sources.lines("app.log").map(str)

        assert "'lines_1'" in warned("unnamed", g, resumable=True)

    def test_the_decorator_with_and_without_arguments(self) -> None:
        @rxs.graph
        def plain(n: int) -> Any:
            return rxs.source([n])

        @rxs.graph(resumable=True)
        def strict(n: int) -> Any:
            """Strict."""
            return rxs.source(iter([n]))

        assert (plain.resumable, strict.resumable) == (False, True)
        assert strict.named("inner").resumable
        assert (strict.name, strict.description) == ("strict", "Strict.")
        assert not plain.build(1).resumable
        with pytest.raises(GraphError, match="must be resumable"):
            strict.build(1)


class TestTelling:
    def test_every_rule_has_its_id(self) -> None:
        assert [rule for rule, check in RULES.items() if not check.__doc__ or "_" in rule] == []

    def test_errors_come_first(self) -> None:
        def g() -> Any:
            return {"a": rxs.source(rx.interval(1.0)).map(str), "b": forever().to_list()}

        assert "'b' (to_list" in refused("grows", g)

    def test_a_finding_is_plain_data(self) -> None:
        plan = rxs.graph(lambda: forever().sum()).build()
        (finding,) = plan.lint()
        assert plan.lint() is plan.findings
        assert set(finding.describe()) == {"rule", "level", "node", "where", "message"}

    def test_a_marker_needs_a_reason_and_is_drawn(self) -> None:
        with pytest.raises(GraphError, match="needs a reason"):
            ops.unbounded(" ")
        node = rxs.graph(lambda: forever().unbounded("why not")).build().nodes[1]
        assert (node.operator, node.arguments) == ("unbounded", {"reason": "why not"})

    async def test_exploring_is_not_refused(self) -> None:
        async for _ in rxs.of(1).pipe(ops.concat(rxs.never())):
            break

    @virtual_time
    async def test_warnings_are_told_once_when_it_starts(self) -> None:
        async def few() -> AsyncIterator[int]:
            yield 1

        @rxs.graph
        def g() -> Any:
            return rxs.source(few).pipe(ops.flat_map(bare))

        with capture_logs() as logs:
            assert await g.run() == 1
        told = [entry for entry in logs if entry.get("rule") == "grows"]
        assert len(told) == 1
        assert told[0]["node"] == "flat_map_1"
        assert "may never end" in told[0]["finding"]

    @virtual_time
    async def test_a_refused_graph_does_not_start(self) -> None:
        @rxs.graph
        def endless() -> Any:
            return forever().to_list()

        async with rxs.Engine() as engine:
            with pytest.raises(GraphError, match="without a limit"):
                await engine.start(endless)
            assert engine.statistics().executions == []

    @virtual_time
    async def test_elements_pass_a_marker(self) -> None:
        @rxs.graph
        def g() -> Any:
            return opened(rxs.interval(1.0)).take(3).to_list()

        assert await g.run() == [0, 1, 2]


def test_supervision_ends_what_would_not() -> None:
    @rxs.graph
    def g() -> Any:
        ticks = rxs.interval(1.0).pipe(ops.total_timeout(5), ops.default_on_error(None))
        return ticks.pipe(ops.to_list())

    assert not [finding for finding in g.build().findings if finding.level == "error"]
