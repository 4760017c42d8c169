"""A unit that is stored at any moment and made anew goes on, to the second, as if nothing had been.

Each case is a unit with what its inputs get and when. It is played to the end, then again for each moment,
where the unit, its queues and its runtime are thrown away and made anew from bytes. Times of timers never
meet those of inputs: which of two things at one time is first is nobody's promise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

import pytest

import rxstream
from rxstream import statecodec
from rxstream.engine.op import ALL
from rxstream.operators._clock import wall_now
from rxstream.operators._workers import MapAsync
from rxstream.stream import Stream, source
from tests.operators.lives import (
    TICK,
    Case,
    Feed,
    Life,
    Reader,
    Script,
    Told,
    end,
    played,
    same,
    settled,
)
from tests.operators.parts import Bad, ops, virtually
from tests.operators.test_surface import NOT_OPERATORS, arguments

SPAN = 41 / 64
"""A span of time of which no multiple below 10 seconds is a multiple of `TICK`."""

BEATS: Script = (
    *((0.25, 1), (0.5, 2), (0.5, 3), (0.5, 4), (1.25, 5), (1.75, 6)),
    *((3.0, 7), (4.5, 8), (5.0, "|")),
)
OTHER: Script = ((0.5, 10), (1.5, 20), (1.5, 30), (3.25, 40), (4.75, "|"))
LATER: Script = ((2.0, 10), (4.0, 20), (5.5, "|"))
BROKEN: Script = ((0.25, 1), (0.5, 2), (0.5, 3), (1.5, ConnectionError("gone")))
QUIET: Script = ((0.25, 1), (0.5, 2), (7.0, 3), (7.25, "|"))
TEXT: Script = (
    *((0.25, "a"), (0.75, "b\nc"), (1.25, "\n"), (1.75, '{"x"'), (2.25, ": 1}\n7\n8\n9\n")),
    *((2.75, "no"), (3.25, "\n\nend"), (4.5, "|")),
)
SPOKEN: Script = (
    *((0.25, {"type": "reasoning", "text": "a"}), (0.75, {"type": "token", "text": "b"})),
    *((1.25, {"type": "token", "text": "cd"}), (1.75, {"type": "done", "text": "bcd"})),
    *(
        (2.25, {"type": "token", "text": "efgh"}),
        (2.75, {"type": "token", "text": "i"}),
        (4.5, "|"),
    ),
)
EVENTS: Script = (
    (0.25, "data: a\n"),
    (0.75, "\ndata: b\n\nid: 4\nda"),
    (1.5, "ta: c\n\n"),
    (2.0, "|"),
)
KEYED: Script = ((0.25, "a1"), (0.5, "b1"), (0.5, "a2"), (1.25, "a3"), (2.5, "b2"), (4.5, "|"))
ROWS: Script = ((0.25, "bX"), (1.0, "aY"), (1.0, "aZ"), (2.25, "bW"), (4.0, "|"))
JOBS: Script = (
    *((0.25, (1.1, "a")), (0.25, (0.6, "b")), (0.5, (2.3, "c")), (1.25, (1.4, "d"))),
    *((1.5, (3.7, "e")), (1.75, (2.6, "f")), (4.5, "|")),
)
"""Jobs that are done at a time."""
FAILING: Script = ((0.25, (2.1, "a")), (0.5, (1.3, "bad")), (1.0, (4.2, "c")), (4.5, "|"))


async def done(job: tuple[float, str]) -> str:
    """Wait until the job is done."""
    due, name = job
    left = due - asyncio.get_running_loop().time()
    if left > 0:
        await asyncio.sleep(left)
    if name == "bad":
        raise Bad("a bad job")
    return name


async def numbered(job: tuple[float, str], index: int) -> str:
    return f"{await done(job)}{index}"


def several(job: tuple[float, str]) -> list[str]:
    """A list, of which all is known at once."""
    return [job[1]] * 3


async def wanted(job: tuple[float, str]) -> bool:
    return await done(job) in "acdf"


def inverse(number: int) -> int:
    if number % 4 == 0:
        raise Bad(f"{number} of all numbers")
    return -number


def early_on() -> bool:
    """True at the start."""
    return asyncio.get_running_loop().time() < TICK


def letter(text: str) -> str:
    return text[0]


def other() -> Stream[Any]:
    return source([])


# -- the table ---------------------------------------------------------------------------------


def one(operator: Any, script: Script = BEATS) -> Case:
    return Case(lambda stream: stream.pipe(operator), (script,))


def two(make: Callable[..., Any], first: Script = BEATS, second: Script = OTHER) -> Case:
    """An operator that is given another stream."""
    return Case(lambda stream: stream.pipe(make(other())), (first, second))


CASES: dict[str, Case] = {
    "amb": two(ops.amb, LATER, BEATS),
    "amb before": two(ops.amb, LATER, ((3.0, 1), (3.25, "|"))),
    "block": one(ops.block(3)),
    "buffer_with_count": one(ops.buffer_with_count(3, 1)),
    "buffer_with_count by two": one(ops.buffer_with_count(5, 2)),
    "buffer_with_time": one(ops.buffer_with_time(SPAN)),
    "buffer_with_time faster than its reader": one(ops.buffer_with_time(SPAN / 2)),
    "buffer_with_time that overlaps": one(ops.buffer_with_time(SPAN * 3, SPAN)),
    "buffer_with_time that misses": one(ops.buffer_with_time(SPAN, SPAN * 3)),
    "buffer_with_time_or_count": one(ops.buffer_with_time_or_count(SPAN * 2, 3)),
    "buffer_with_time_or_count faster": one(ops.buffer_with_time_or_count(SPAN / 2, 3)),
    "case": Case(lambda s: rxstream.case(early_on, {False: s, True: other()}), (BEATS, OTHER)),
    "catch": two(ops.catch, BROKEN, OTHER),
    "coalesce": one(ops.coalesce(max, 2)),
    "coalesce_text": one(ops.coalesce_text(4, SPAN * 2), TEXT),
    "coalesce_tokens": one(ops.coalesce_tokens(4, SPAN * 2), SPOKEN),
    "concat_map": one(ops.concat_map(done), JOBS),
    "combine_latest": two(ops.combine_latest),
    "combine_latest breaking": two(ops.combine_latest, BEATS, BROKEN),
    "concat": two(ops.concat),
    "concat breaking": two(ops.concat, BEATS, BROKEN),
    "count_by": one(ops.count_by(letter), KEYED),
    "debounce": one(ops.debounce(SPAN)),
    "decode_ndjson": one(ops.decode_ndjson(), TEXT),
    "decode_sse": one(ops.decode_sse(), EVENTS),
    "delay": one(ops.delay(SPAN * 2)),
    "delay breaking": one(ops.delay(SPAN), BROKEN),
    "delay_subscription": one(ops.delay_subscription(SPAN * 2)),
    "drop_newest": one(ops.drop_newest(2)),
    "drop_oldest": one(ops.drop_oldest(2)),
    "enrich": two(lambda table: ops.enrich(table, letter, letter), KEYED, ROWS),
    "fail": one(ops.fail(2)),
    "fallback": two(ops.fallback, BROKEN, OTHER),
    "filter_async": one(ops.filter_async(wanted, 3), JOBS),
    "filter_async as done": one(ops.filter_async(wanted, 3, ordered=False), JOBS),
    "flat_map": one(ops.flat_map(done), JOBS),
    "flat_map failing": one(ops.flat_map(done), FAILING),
    "flat_map_indexed": one(ops.flat_map_indexed(numbered), JOBS),
    "flat_map_latest": one(ops.flat_map_latest(done), JOBS),
    "flat_map of lists": one(ops.flat_map(several), JOBS),
    "fork_join": two(ops.fork_join),
    "idle_timeout": one(ops.idle_timeout(SPAN * 3), QUIET),
    "if_then": Case(lambda s: rxstream.if_then(early_on, s, other()), (LATER, OTHER)),
    "if_then not": Case(lambda s: rxstream.if_then(lambda: not early_on(), s), (BEATS,)),
    "join_by": two(lambda o: ops.join_by(o, letter, letter, SPAN * 2), KEYED, ROWS),
    "keyed": one(ops.keyed(letter, lambda s: s.scan(lambda a, b: a + b).take(2)), KEYED),
    "keyed for a while": one(ops.keyed(letter, lambda s: s.count(), ttl=SPAN), KEYED),
    "latest": one(ops.latest()),
    "map_async": one(ops.map_async(done, 3), JOBS),
    "map_async as done": one(ops.map_async(done, 3, ordered=False), JOBS),
    "map_async failing": one(ops.map_async(done, 2), FAILING),
    "map_async failing as done": one(ops.map_async(done, 2, ordered=False), FAILING),
    "map_async_with_dead_letters": one(ops.map_async_with_dead_letters(done, 2), FAILING),
    "map_or_skip": one(ops.map_or_skip(inverse, None)),
    "map_with_dead_letters": one(ops.map_with_dead_letters(inverse)),
    "merge": two(ops.merge),
    "merge_map": one(ops.merge_map(done, 2), JOBS),
    "merge by name": Case(lambda s: rxstream.merge(a=s, b=other()), (BEATS, BROKEN)),
    "on_error_resume_next": two(ops.on_error_resume_next, BROKEN, BROKEN),
    "publish_value": one(ops.publish_value(0)),
    "rate_limit": one(ops.rate_limit(1, SPAN)),
    "reduce_by": one(ops.reduce_by(letter, lambda a, b: a + b), KEYED),
    "sample": one(ops.sample(SPAN)),
    "sample by a stream": two(ops.sample, BEATS, OTHER),
    "sequence_equal": two(ops.sequence_equal, BEATS, BEATS),
    "sequence_equal not": two(ops.sequence_equal, BEATS, OTHER),
    "skip_until": two(ops.skip_until, BEATS, LATER),
    "skip_until_with_time": one(ops.skip_until_with_time(SPAN * 3)),
    "skip_with_time": one(ops.skip_with_time(SPAN * 3)),
    "slice": one(ops.slice(-5, -1, 2)),
    "slice of nothing": one(ops.slice(0, 0)),
    "split_lines": one(ops.split_lines(), TEXT),
    "start_with": one(ops.start_with(-2, -1, 0)),
    "switch_map": one(ops.switch_map(done), JOBS),
    "switch_map_indexed": one(ops.switch_map_indexed(numbered), JOBS),
    "take": one(ops.take(0)),
    "take_last": one(ops.take_last(4)),
    "take_until": two(ops.take_until, BEATS, ((1.5, 0), (4.0, "|"))),
    "take_until_with_time": one(ops.take_until_with_time(SPAN * 3)),
    "take_with_time": one(ops.take_with_time(SPAN * 3)),
    "throttle_with_timeout": one(ops.throttle_with_timeout(SPAN)),
    "timeout": one(ops.timeout(SPAN * 3), QUIET),
    "timeout with another": two(lambda o: ops.timeout(SPAN * 3, o), QUIET, LATER),
    "total_timeout": one(ops.total_timeout(SPAN * 5)),
    "window_by_event_time": one(ops.window_by_event_time(float, 2, out_of_orderness=1)),
    "window_by_time": one(ops.window_by_time(gap=SPAN)),
    "with_latest_from": two(ops.with_latest_from),
    "zip": two(ops.zip),
    "zip_latest": two(ops.zip_latest),
}
STATELESS = {
    *("block", "coalesce", "drop_newest", "drop_oldest", "fail", "latest", "zip"),
    *("sequence_equal", "sequence_equal not", "slice of nothing", "take"),
    *("catch", "concat", "concat breaking", "fallback", "on_error_resume_next"),
    *("if_then not", "map_or_skip", "map_with_dead_letters"),
}
"""Of these the queues before them tell all there is to know, or they end at once."""

EVERY = pytest.mark.parametrize("name", CASES)


def operator_of(name: str) -> str:
    return name.split()[0]


# -- the tests ---------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("slow", [False, True], ids=["", "slow reader"])
@pytest.mark.parametrize("early", [False, True], ids=["", "as soon as something came"])
def test_it_goes_on_as_if_it_had_not_been_stored(name: str, slow: bool, early: bool) -> None:
    case = CASES[name]
    whole = played(case, slow=slow)
    assert end(whole[-1][1]) or whole[-1][1][0] == "failed", "it has not ended"
    moments = range(int(whole[-1][0] / TICK) + 1)
    wrong = {}
    for cuts in (*((moment,) for moment in moments), tuple(moments)):
        found = played(case, slow=slow, cuts=cuts, early=early)
        if not same(found, whole):
            wrong[cuts] = found
    assert wrong == {}, whole


@pytest.mark.parametrize("name", sorted(CASES.keys() - STATELESS))
def test_what_it_would_tell_without_its_state_is_seen(name: str) -> None:
    for slow in (False, True):
        whole = played(CASES[name], slow=slow)
        for moment in range(int(whole[-1][0] / TICK) + 1):
            found = played(CASES[name], slow=slow, cuts=(moment,), forgetful=True)
            if not same(found, whole):
                return
    pytest.fail("its state makes no difference")


def test_every_unit_that_says_it_can_be_stored_is_in_the_table() -> None:
    found = set()
    for name in ops.__all__:
        if name == "to_future":
            continue
        made = getattr(ops, name)(*arguments(name))
        specs = [made.spec] if name not in NOT_OPERATORS else []
        if not specs:
            specs = [node.spec for node in Case(made, ()).plan().nodes]
        found |= {s.name for s in specs if s.kind == "unit" and s.resumable and not s.wraps}
    assert found - set(map(operator_of, CASES)) == {"map_process", "map_thread"}, "tested for real"


@EVERY
def test_what_is_in_the_table_can_be_stored(name: str) -> None:
    (node,) = (node for node in CASES[name].plan().nodes if node.spec.kind == "unit")
    assert node.operator == operator_of(name)
    assert node.resumable or name == "flat_map of lists"  # nobody knows before that lists are given


# -- time in which nothing runs ----------------------------------------------------------------


def after_a_break(operator: Callable[[], Any], seconds: float) -> Told:
    """What is told of 1 … 8, each at its second, when it is stored at 2.25 and goes on `seconds` later."""

    async def main() -> Told:
        clock = asyncio.get_running_loop().time
        case = one(operator(), [(float(n), n) for n in range(1, 9)])
        plan, reader, feeds = case.plan(), Reader(ALL), [Feed(case.scripts[0])]
        life = Life(plan, feeds, reader)
        while clock() < 2.25:
            await asyncio.sleep(TICK)
            feeds[0].arrive(clock())
            await settled()
        stored = life.stored(False)
        await asyncio.sleep(seconds)
        life = Life(plan, feeds, reader, stored)
        while clock() < 10 and not reader.ended:
            feeds[0].arrive(clock())
            await asyncio.sleep(TICK)
        life.unit.close()
        return [(round(time, 3), item) for time, item in reader.told]

    found: Told = virtually(main())
    return found


def test_time_in_which_nothing_ran_does_not_count() -> None:
    found = after_a_break(lambda: ops.take_with_time(3.125), 2)
    assert found == [(1, 1), (2, 2), (4.25, 3), (4.25, 4), (5, 5), (5.125, "|")]


def test_a_point_in_time_comes_even_while_nothing_runs() -> None:
    def until() -> Any:
        return ops.take_until_with_time(wall_now().astimezone(UTC) + timedelta(seconds=3.125))

    found = after_a_break(until, 0.5)
    assert [item for _, item in found] == [1, 2, 3, "|"]
    assert found[-1][0] == pytest.approx(3.125, abs=0.01)
    found = after_a_break(until, 2)
    assert found[:2] == [(1, 1), (2, 2)]
    assert found[-1][0] == pytest.approx(4.25, abs=0.01)


@pytest.mark.parametrize("moment", range(1, 9))
def test_throttle_first_goes_on_with_the_time_that_is_left(moment: int) -> None:
    operator: Any = ops.throttle_first(SPAN)
    assert operator.spec.resumable

    async def main() -> list[Any]:
        machine = operator.spec.make()
        out: list[Any] = []
        for number in range(1, 12):
            await asyncio.sleep(TICK)
            machine.push([number], out)
            if number == moment:
                state = statecodec.decode(statecodec.encode(machine.snapshot()))
                await asyncio.sleep(0)
                machine = operator.spec.make()
                machine.restore(state)
        return out

    assert virtually(main()) == [1, 4, 7, 10]


def test_the_time_since_the_last_element_does_not_count_a_break() -> None:
    operator: Any = ops.time_interval()

    async def main() -> list[Any]:
        out: list[Any] = []
        first, second = operator.spec.make(), operator.spec.make()
        await asyncio.sleep(2)
        first.push(["a"], out)
        await asyncio.sleep(1)
        state = statecodec.decode(statecodec.encode(first.snapshot()))
        await asyncio.sleep(50)
        second.restore(state)
        await asyncio.sleep(0.5)
        second.push(["b"], out)
        return [(each.value, each.interval.total_seconds()) for each in out]

    assert virtually(main()) == [("a", 2), ("b", 1.5)]


async def test_an_inner_stream_that_is_open_says_that_it_cannot_be_stored() -> None:
    plan, reader = one(ops.flat_map(lambda _: rxstream.never())).plan(), Reader(ALL)
    life = Life(plan, [Feed(())], reader)
    life.edges[0].push([1])
    await settled()
    with pytest.raises(statecodec.NotStorable, match="gave is a Stream, of which"):
        life.stored(False)
    life.unit.close()


async def test_a_function_that_has_returned_is_not_called_again() -> None:
    calls: list[int] = []

    async def function(number: int) -> int:
        calls.append(number)
        if number == 1:
            await asyncio.Event().wait()
        return -number

    case = one(ops.map_async(function, 3), ())
    plan, reader = case.plan(), Reader(ALL)
    first = Life(plan, [Feed(())], reader)
    first.edges[0].push([1, 2])
    await settled()
    assert isinstance(first.unit, MapAsync)
    second = Life(plan, [Feed(())], reader, first.stored(False))
    await settled()
    second.unit.close()
    assert calls == [1, 2, 1]
