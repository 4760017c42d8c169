"""A recorded input goes through a graph again, and what is published is compared with what was."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import AuthorError, LogError, UnknownExecution
from rxstream.events import draft
from rxstream.log import Commit, Head, MemoryLog
from rxstream.replay.steps import outputs
from rxstream.testing import virtual_time
from tests.replay.parts import ID, end, output, recorded

RUNS: list[str] = []
"""What really ran."""


def real(n: int = 6) -> rxs.Stream[int]:
    def numbers() -> Iterator[int]:
        RUNS.append("numbers")
        yield from range(n)

    return rxs.source(numbers).named("numbers")


@rxs.graph
def tens(n: int = 6) -> Any:
    numbers = real(n)
    return {"numbers": numbers, "out": numbers.pipe(ops.map(lambda x: x * 10))}


@rxs.graph
def tens_but_one(n: int = 6) -> Any:
    numbers = real(n)
    return {
        "numbers": numbers,
        "out": numbers.pipe(ops.filter(lambda x: x != 2), ops.map(lambda x: x * 10 + (x == 4))),
    }


@pytest.fixture
async def log() -> AsyncIterator[MemoryLog]:
    log = MemoryLog()
    async with rxs.Engine(log):
        yield log


async def record_of(log: rxs.EventLog, graph: Any, **params: Any) -> str:
    """Runs a graph on an engine that shares the log; the execution's id."""
    engine = rxs.Engine(log)
    execution = await engine.start(graph, params)
    await execution.wait()
    RUNS.clear()
    return execution.id


async def test_the_same_graph_gives_the_same_and_runs_no_source(log: MemoryLog) -> None:
    found = await rxs.rerun(log, await record_of(log, tens, n=500), tens)
    assert (found.equal, found.inputs, found.outputs["out"].same) == (True, {"numbers": 500}, 500)
    assert RUNS == []


async def test_each_difference_says_where_it_is_and_what_was_expected(log: MemoryLog) -> None:
    found = await rxs.rerun(log, await record_of(log, tens), tens_but_one)
    assert not found.equal
    assert [(d.index, d.kind, d.expected, d.got) for d in found.diff["out"]] == [
        (2, "missing", 20, None),
        (4, "changed", 40, 41),
    ]


async def test_what_comes_no_more_is_missing_to_the_end_of_a_long_record(log: MemoryLog) -> None:
    @rxs.graph
    def few(n: int) -> Any:
        numbers = real(n)
        return {"numbers": numbers, "out": numbers.pipe(ops.map(lambda x: x * 10), ops.take(3))}

    found = (await rxs.rerun(log, await record_of(log, tens, n=500), few)).outputs["out"]
    assert (found.same, found.missing, len(found.differences)) == (3, 497, 100)


async def test_what_it_found_is_plain_data_too(log: MemoryLog) -> None:
    found = await rxs.rerun(log, await record_of(log, tens), tens_but_one, most=1)
    told = orjson.loads(orjson.dumps(found.to_dict()))
    assert told["outputs"]["out"]["differences"] == [
        {"index": 2, "kind": "missing", "expected": 20, "got": None}
    ]
    assert (told["equal"], told["ended"]["event_type"]) == (False, "pipeline_complete")


async def test_a_source_that_was_not_published_is_named_with_what_to_do(log: MemoryLog) -> None:
    @rxs.graph
    def secretive() -> Any:
        return real().pipe(ops.map(lambda x: x * 10)).named("out")

    execution_id = await record_of(log, secretive)
    with pytest.raises(
        AuthorError, match=r"'numbers' \(.*\): publish .*feed 'out' instead"
    ) as caught:
        await rxs.rerun(log, execution_id, secretive)
    assert caught.value.code == "not_recorded"
    found = await rxs.rerun(log, execution_id, secretive, live=True)
    assert (found.equal, found.live, RUNS) == (True, ("numbers",), ["numbers"])


async def test_a_node_further_on_can_be_the_input_and_nothing_before_it_runs(
    log: MemoryLog,
) -> None:
    async def paid(x: int) -> int:
        RUNS.append("paid")
        return x + 100

    @rxs.graph
    def asks() -> Any:
        answers = real().pipe(ops.map_async(paid)).named("answers")
        return {"answers": answers, "sum": answers.pipe(ops.scan(lambda a, b: a + b))}

    found = await rxs.rerun(log, await record_of(log, asks), asks, inputs=["answers"])
    assert (found.equal, found.inputs, RUNS) == (True, {"answers": 6}, [])


async def test_sinks_are_left_out(log: MemoryLog) -> None:
    from rxstream.adapters import sinks

    @rxs.graph
    def writes() -> Any:
        numbers = real()
        numbers.to(sinks.callback(RUNS.append), name="written")
        return {"numbers": numbers, "out": numbers.pipe(ops.count())}

    found = await rxs.rerun(log, await record_of(log, writes), writes)
    assert (found.equal, found.left_out, RUNS) == (True, ("written",), [])


@pytest.mark.parametrize("seed", range(5))
async def test_several_inputs_come_in_the_order_of_the_record(seed: int) -> None:
    @rxs.graph
    def merged() -> Any:
        sides = {name: rxs.source(real).named(name) for name in ("left", "right", "third")}
        return {**sides, "all": rxs.merge(*sides.values())}

    order = random.Random(seed).choices(["left", "right", "third"], [5, 2, 1], k=300)
    drafts = [output(0, n, side) for n, side in enumerate(order)]
    everything = [output(0, n, "all") for n in range(300)]
    found = await rxs.rerun(await recorded(*drafts, *everything, end(0)), ID, merged)
    assert found.diff == {"all": ()}
    assert found.outputs["all"].same == 300


async def test_an_input_that_is_held_up_does_not_hold_the_others(log: MemoryLog) -> None:
    @rxs.graph
    def joined() -> Any:
        left = rxs.source(range(500)).named("left")
        right = rxs.source(range(500)).named("right")
        return {"left": left, "right": right, "both": rxs.zip(left, right)}

    drafts = [output(0, n, "left") for n in range(500)] + [
        output(0, n, "right") for n in range(500)
    ]
    pairs = [output(0, [n, n], "both") for n in range(500)]
    found = await rxs.rerun(await recorded(*drafts, *pairs, end(0)), ID, joined)
    assert (found.equal, found.outputs["both"].same) == (True, 500)


@virtual_time
async def test_with_a_speed_elements_come_when_they_did() -> None:
    @rxs.graph
    def windows() -> Any:
        numbers = real()
        return {"numbers": numbers, "lists": numbers.pipe(ops.buffer_with_time(1.0))}

    drafts = [output(at, n) for n, at in enumerate([0.1, 0.2, 1.5, 1.6, 2.5])]
    lists = [output(0, found, "lists") for found in ([0, 1], [2, 3], [4])]
    log = await recorded(*drafts, *lists, end(3))
    assert (await rxs.rerun(log, ID, windows, speed=1)).equal
    assert not (await rxs.rerun(log, ID, windows)).equal


async def test_elements_can_be_made_what_the_graph_expects(log: MemoryLog) -> None:
    @dataclass(frozen=True)
    class Row:
        price: int

    @rxs.graph
    def priced() -> Any:
        rows = rxs.source([Row(3), Row(4)]).named("rows")
        return {"rows": rows, "price": rows.pipe(ops.map(lambda row: row.price))}

    execution_id = await record_of(log, priced)
    found = await rxs.rerun(log, execution_id, priced, decode={"rows": lambda row: Row(**row)})
    assert found.equal
    plain = await rxs.rerun(log, execution_id, priced)
    assert (plain.equal, plain.ended.event_type) == (False, "pipeline_error")


async def test_binary_elements_come_back_with_their_bytes(log: MemoryLog) -> None:
    @rxs.graph
    def pictures() -> Any:
        made = rxs.source([{"n": [rxs.Binary(b"one"), 1]}, {"n": [rxs.Binary(b"three")]}]).named(
            "made"
        )
        return {
            "made": made,
            "sizes": made.pipe(ops.map(lambda e: len(e["n"][0].data))),
            "copies": made.pipe(ops.map(lambda e: e["n"][0])),
        }

    found = await rxs.rerun(log, await record_of(log, pictures), pictures)
    assert found.equal
    assert (found.outputs["sizes"].same, found.outputs["copies"].same) == (2, 2)


async def test_a_failure_of_an_input_comes_again(log: MemoryLog) -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    @rxs.graph
    def failing() -> Any:
        source = rxs.source(numbers).named("numbers")
        return {"numbers": source, "out": source.pipe(ops.map(lambda x: x + 1))}

    found = await rxs.rerun(log, await record_of(log, failing), failing)
    assert (found.equal, found.ended.event_type) == (True, "pipeline_error")
    assert "the disk is gone" in (found.ended.error or {})["message"]


async def test_an_item_that_was_put_aside_does_not_end_what_a_step_showed() -> None:
    put_aside = b'{"error":{},"attempt":1,"will_retry":false,"handled":"dead_letter"}'
    drafts = [output(1, 1), draft("step_error", "numbers", put_aside), output(2, 2)]
    log = await recorded(*drafts, draft("step_complete", "numbers", b"{}"), end(3))
    pages = [page async for page in outputs(log, ID, "numbers")]
    assert [event.data for page in pages for event in page] == [1, 2]
    await log.close()


async def test_a_graph_that_fails_no_more_ends_differently_and_goes_further(log: MemoryLog) -> None:
    @rxs.graph
    def halved(guarded: bool = False) -> Any:
        numbers = real()
        return {
            "numbers": numbers,
            "out": numbers.pipe(ops.map(lambda x: 6 / ((x - 3) or guarded))),
        }

    found = await rxs.rerun(log, await record_of(log, halved), halved, {"guarded": True})
    assert (found.recorded.event_type, found.ended.event_type) == (
        "pipeline_error",
        "pipeline_complete",
    )
    output = found.outputs["out"]
    assert (found.equal, output.equal, output.same) == (False, True, 3)


async def test_what_comes_after_a_record_that_was_cut_short_is_no_difference() -> None:
    @rxs.graph
    def pairs() -> Any:
        numbers = real()
        return {"numbers": numbers, "pairs": numbers.pipe(ops.buffer_with_count(2))}

    drafts = [output(0, 0), output(0, 1), output(0, [0, 1], "pairs"), output(0, 2)]
    for log in (
        await recorded(*drafts, end(1, "pipeline_cancelled"), status="cancelled"),
        await recorded(*drafts, status="running"),
    ):
        found = await rxs.rerun(log, ID, pairs)
        assert (found.equal, found.cut_short, found.outputs["pairs"].beyond) == (True, True, 1)


async def test_an_output_is_found_by_its_node_or_by_being_the_only_other(log: MemoryLog) -> None:
    @rxs.graph
    def single(odd: bool = False) -> Any:
        numbers = real()
        out = numbers.pipe(ops.filter(lambda x: x % 2 == odd))
        return {"numbers": numbers, "odds" if odd else "evens": out}

    found = await rxs.rerun(log, await record_of(log, single), single, {"odd": True})
    assert {name: diff.node for name, diff in found.outputs.items()} == {"odds": "evens"}
    assert found.outputs["odds"].changed + found.outputs["odds"].missing == 3


async def test_outputs_that_only_one_has_are_missing_or_added(log: MemoryLog) -> None:
    @rxs.graph
    def several(names: list[str]) -> Any:
        numbers = real()
        found = {name: numbers.pipe(ops.map(lambda x: x)) for name in names}
        return {"numbers": numbers, **found}

    execution_id = await record_of(log, several, names=["a", "b", "c"])
    found = await rxs.rerun(log, execution_id, several, {"names": ["a", "d"]})
    told = {n: (o.same, o.missing, o.added) for n, o in found.outputs.items()}
    assert told == {"a": (6, 0, 0), "b": (0, 6, 0), "c": (0, 6, 0), "d": (0, 0, 6)}


async def test_parameters_are_those_of_the_record_unless_given(log: MemoryLog) -> None:
    @rxs.graph
    def scaled(by: int, key: rxs.Secret) -> Any:
        numbers = real()
        return {"numbers": numbers, "out": numbers.pipe(ops.map(lambda x: x * by))}

    execution_id = await record_of(log, scaled, by=3, key="k")
    assert (await rxs.rerun(log, execution_id, scaled, {"key": "other"})).equal
    assert not (await rxs.rerun(log, execution_id, scaled, {"key": "k", "by": 4})).equal
    bound = scaled.bind(by=3, key=rxs.Secret("k"))
    assert (await rxs.rerun(log, execution_id, bound)).equal
    assert not (await rxs.rerun(log, execution_id, bound, {"by": 5})).equal
    with pytest.raises(rxs.RxStreamError, match="key is missing"):
        await rxs.rerun(log, execution_id, scaled)


async def test_what_cannot_be_fed_is_refused_before_anything_runs(log: MemoryLog) -> None:
    @rxs.graph
    def silent() -> None:
        from rxstream.adapters import sinks

        real().to(sinks.callback(RUNS.append))

    execution_id = await record_of(log, tens)
    with pytest.raises(AuthorError, match="no node of graph 'tens': its nodes are numbers, out"):
        await rxs.rerun(log, execution_id, tens, inputs=["nobody"])
    with pytest.raises(AuthorError, match="publishes nothing"):
        await rxs.rerun(log, execution_id, silent)
    with pytest.raises(UnknownExecution):
        await rxs.rerun(log, "nobody", tens)
    empty = await recorded(output(0, 1, "numbers"), end(0))
    with pytest.raises(AuthorError, match="holds no elements of 'out'"):
        await rxs.rerun(empty, ID, tens, inputs=["out"])
    assert RUNS == []


async def test_a_record_whose_beginning_was_forgotten_is_no_input() -> None:
    log = await recorded(*(output(0, n) for n in range(50)), end(0), log=MemoryLog(ring_events=10))
    with pytest.raises(LogError, match="not in the log any more"):
        await rxs.rerun(log, ID, tens)


async def test_a_long_record_is_compared_while_it_runs() -> None:
    drafts = [output(0, n) for n in range(20_000)]
    outs = [output(0, n * 10, "out") for n in range(20_000)]
    log = await recorded(*drafts, *outs, end(0))
    found = await rxs.rerun(log, ID, tens)
    assert (found.equal, found.outputs["out"].same) == (True, 20_000)


async def test_a_source_that_was_empty_is_recorded_as_such(log: MemoryLog) -> None:
    found = await rxs.rerun(log, await record_of(log, tens, n=0), tens)
    assert (found.equal, found.inputs, RUNS) == (True, {"numbers": 0}, [])


class Growing(MemoryLog):
    """Takes one more element whenever somebody has asked how far it goes."""

    async def head(self, execution_id: str) -> Head:
        head = await super().head(execution_id)
        await self.commit(Commit(ID, [output(0, 7)]))
        return head


async def test_what_is_recorded_while_it_runs_does_not_count() -> None:
    log = await recorded(
        *(output(0, n) for n in range(6)),
        *(output(0, n * 10, "out") for n in range(6)),
        status="running",
        log=Growing(),
    )
    found = await rxs.rerun(log, ID, tens)
    assert (found.equal, found.inputs) == (True, {"numbers": 6})


class Failing(MemoryLog):
    """Cannot be read any more after so many times."""

    reads = 4

    async def read(self, execution_id: str, after: int = 0, limit: int = 1_000) -> list[Any]:
        self.reads -= 1
        if self.reads < 0:
            raise LogError("the disk is gone")
        return await super().read(execution_id, after, limit)


@pytest.mark.parametrize("reads", range(1, 12, 2))
async def test_a_record_that_cannot_be_read_ends_the_re_run(reads: int) -> None:
    drafts = [output(0, n) for n in range(3_000)] + [output(0, n * 10, "out") for n in range(3_000)]
    log = await recorded(*drafts, end(0), log=Failing())
    log.reads = reads  # type: ignore[attr-defined]  # of a Failing log
    with pytest.raises(LogError, match="the disk is gone"):
        await rxs.rerun(log, ID, tens)


async def test_a_name_that_went_to_another_node_stands_for_both(log: MemoryLog) -> None:
    @rxs.graph
    def swapped(later: bool = False) -> Any:
        numbers = real()
        out = numbers.pipe(ops.map(lambda x: x)).named("b" if later else "a")
        more = {"c": numbers.pipe(ops.map(lambda x: x)).named("d")} if later else {}
        return {"numbers": numbers, "a": out, **more}

    found = await rxs.rerun(log, await record_of(log, swapped), swapped, {"later": True})
    assert {name: diff.node for name, diff in found.outputs.items()} == {
        "a": "b",
        "c": "d",
        "a*": "a",
    }
