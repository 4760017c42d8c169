"""Marble diagrams: what is drawn is what happens, and what happened is drawn as what would happen again."""

import asyncio
from typing import Any

import pytest
import reactivex
from reactivex.observable import marbles as reactivex_marbles

import rxstream as rxs
from rxstream import operators as ops
from rxstream.testing import marbles, record, virtual_time

ROUND_TRIPS = [
    "|",
    "#",
    "-a-b--|",
    "-a-b--#",
    "(ab)-c|",
    "-(ab|)",
    "-a(bc)-(d#)",
    "--10--|",
    "-(10,)|",
    "-(10,11)-2.5-|",
    "-(a)b|",
    "-a(b)c-|",
    "-a|",
    "abc|",
    "-abc(d)e#",
]


class TestRecord:
    @pytest.mark.parametrize("diagram", ROUND_TRIPS)
    @virtual_time
    async def test_a_recording_is_the_diagram_it_came_from(self, diagram: str) -> None:
        assert await record(marbles.source(diagram)) == diagram

    @virtual_time
    async def test_operators_are_tested_in_one_line(self) -> None:
        typed = marbles.source("-a-b---c------|")

        assert await record(typed.pipe(ops.debounce(0.3))) == "------b---c---|"
        assert await record(typed.pipe(ops.delay(0.2))) == "---a-b---c------|"

    @virtual_time
    async def test_so_many_ticks_of_what_never_ends(self) -> None:
        assert await record(rxs.interval(0.2), ticks=7) == "--0-1-2"
        assert await record(marbles.source("-a"), ticks=4) == "-a--"
        assert await record(rxs.never(), ticks=3) == "---"

    @virtual_time
    async def test_ticks_beyond_the_end_are_not_drawn(self) -> None:
        assert await record(marbles.source("-a|"), ticks=9) == "-a|"

    @virtual_time
    async def test_exact_times_and_elements_are_kept(self) -> None:
        recording = await record(rxs.timer(0.25).pipe(ops.map(lambda _: "x")))

        assert recording == "--(x|)"
        assert [(e.at, e.kind) for e in recording.events] == [(0.25, "next"), (0.25, "completed")]
        assert recording.values == ["x"]
        assert recording.error is None

    @virtual_time
    async def test_the_error_is_kept(self) -> None:
        error = ValueError("no")
        recording = await record(marbles.source("-a#", error=error))

        assert recording == "-a#"
        assert recording.error is error

    @virtual_time
    async def test_a_timeout_of_the_stream_is_its_error(self) -> None:
        quiet = marbles.source("-a--------|").pipe(ops.timeout(0.3))

        recording = await record(quiet, ticks=20)

        assert recording == "-a--#"
        assert recording.error is not None

    @virtual_time
    async def test_elements_are_drawn_as_their_keys(self) -> None:
        pairs = {"p": (1, "a"), "q": (2, "b")}
        zipped = rxs.zip(marbles.source("-1-2|"), marbles.source("a-----b|"))

        assert await record(zipped, values=pairs) == "-p----(q|)"

    @pytest.mark.parametrize("value", [(1, 2), -1, "a-b", "", "1", True, None, 1e-7])
    @virtual_time
    async def test_what_would_not_be_read_back_needs_a_key(self, value: Any) -> None:
        with pytest.raises(ValueError, match="give it a key"):
            await record(rxs.of(value))
        assert await record(rxs.of(value), values={"x": value}) == "(x|)"

    @virtual_time
    async def test_a_foreign_observable_can_be_recorded(self) -> None:
        assert await record(reactivex.timer(0.3)) == "---(0|)"


class TestSource:
    @virtual_time
    async def test_values_say_what_elements_stand_for(self) -> None:
        stream = marbles.source("-a-2-c|", values={"a": [1], 2: "two"})
        assert [item async for item in stream] == [[1], "two", "c"]

    @virtual_time
    async def test_spaces_align_and_take_no_time(self) -> None:
        assert await record(marbles.source("- a -  |")) == "-a-|"

    @virtual_time
    async def test_a_slow_reader_gets_elements_late_and_all(self) -> None:
        slow = marbles.source("(abc)|").pipe(ops.map_async(later))
        assert await record(slow) == "---a--b--(c|)"

    @virtual_time
    async def test_each_run_begins_at_the_beginning(self) -> None:
        stream = marbles.source("-a|").pipe(ops.repeat(2))
        assert await record(stream) == "-a-a|"

    @pytest.mark.parametrize(
        ("diagram", "why"),
        [
            ("-a|b", "after its end with 'b'"),
            ("#|", "after its end"),
            ("-a,b", r"from ',b' on"),
            ("-(ab", r"from '\(ab' on"),
            ("-ab)", r"from '\)' on"),
        ],
    )
    def test_a_diagram_that_cannot_be_read_is_refused(self, diagram: str, why: str) -> None:
        with pytest.raises(ValueError, match=why):
            marbles.source(diagram)

    def test_the_graph_shows_the_diagram(self) -> None:
        node = rxs.graph(lambda: marbles.source("-a|")).build().nodes[0]
        assert (node.operator, node.arguments) == ("marbles", {"diagram": "-a|", "tick": 0.1})


async def later(item: Any) -> Any:
    await asyncio.sleep(0.3)
    return item


@pytest.mark.parametrize("diagram", ["-a-b--|", "--10-2.5--#", "ab-c|", "-(a,b)", "- 1 - 2 |", "|"])
def test_without_groups_before_others_the_times_are_reactivex_s(diagram: str) -> None:
    theirs = [
        (round(time), getattr(seen, "value", None))
        for time, seen in reactivex_marbles.parse(diagram, timespan=1.0)
        if isinstance(time, float)
    ]
    ours = [(m.tick, m.value if m.kind == "next" else None) for m in marbles.parse(diagram)]
    assert ours == theirs
