"""Pipelines give the same result and the same lifecycle whether they show what they do or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

import rxstream as rxs
from rxstream.errors import AuthorError, GraphError
from rxstream.pipeline import Pipeline, Result, Step, Streaming
from rxstream.testing import run
from tests.pipeline.parts import data_of, events_of, result_of

BOTH = pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "not streaming"])


class Load(Step):
    """Says how far it is."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        await self.emit_progress(0.5, "half way")
        await asyncio.sleep(1)
        return {"rows": list(range(data["rows"]))}


class Write(Step):
    """Shows what it writes and then gives it."""

    async def run(self, data: dict[str, Any]) -> AsyncIterator[Any]:
        for word in ("one", "two"):
            await asyncio.sleep(0.4)
            yield word
        yield Result({"text": "one two"})


async def square(data: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(1 / (1 + data["index"]))  # later ones are done first
    return {"squared": data["item"] ** 2}


async def total(data: dict[str, Any]) -> dict[str, Any]:
    return {"total": sum(row["squared"] for row in data["square"]), "words": data["text"]}


def report(streaming: bool | Streaming) -> Pipeline:
    made = Pipeline("report", streaming=streaming)
    made.add(Load)
    made.add(Write, after="load")
    made.add(square, after="load", each="rows", concurrency=2)
    return made.add(total, after=["write", "square"])


@BOTH
class TestOneRun:
    def test_gives_the_input_updated_with_all_results(self, streaming: bool) -> None:
        assert result_of(events_of(report(streaming), {"rows": 3})) == {
            "rows": [0, 1, 2],
            "text": "one two",
            "square": [{"squared": 0}, {"squared": 1}, {"squared": 4}],
            "total": 5,
            "words": "one two",
        }

    def test_tells_when_steps_begin_and_end(self, streaming: bool) -> None:
        events = events_of(report(streaming), {"rows": 2})
        told = [(e.event_type[5:], e.step_id) for e in events if "step_" in e.event_type]
        lifecycle = [each for each in told if each[0] in ("start", "complete")]
        assert lifecycle == [
            ("start", "load"),
            ("complete", "load"),
            ("start", "write"),
            ("start", "square"),
            ("complete", "write"),
            ("complete", "square"),
            ("start", "total"),
            ("complete", "total"),
        ]
        [ended] = data_of(events, "step_complete", "load")
        assert ended["output"] == {"rows": [0, 1]}
        assert ended["duration_ms"] == 1000
        assert data_of(events, "step_complete", "write")[0]["count"] == 2

    def test_shows_items_and_progress_only_when_it_streams(self, streaming: bool) -> None:
        events = events_of(report(streaming), {"rows": 2})
        assert data_of(events, "step_output") == (["one", "two"] if streaming else [])
        half = [{"percentage": 50.0, "message": "half way", "status": "running"}]
        assert data_of(events, "step_progress", "load") == (half if streaming else [])
        several = data_of(events, "step_progress", "square")
        assert [said["message"] for said in several][-1:] == (["2 of 2"] if streaming else [])

    def test_runs_at_most_so_many_items_at_once(self, streaming: bool) -> None:
        now, most = 0, 0

        async def slow(data: dict[str, Any]) -> dict[str, Any]:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(1)
            now -= 1
            return {}

        pipeline = Pipeline("wide", streaming=streaming).add(slow, each="items", concurrency=3)
        assert len(result_of(events_of(pipeline, {"items": [*range(10)]}))["slow"]) == 10
        assert most == 3

    def test_skips_a_step_whose_condition_does_not_hold(self, streaming: bool) -> None:
        made = Pipeline("chosen", streaming=streaming)
        made.add(total, name="never", when="wanted")
        made.add(Load, after="never", when=lambda data: data["rows"] > 1)
        events = events_of(made, {"rows": 2})
        assert result_of(events) == {"rows": [0, 1]}
        [skipped] = data_of(events, "step_complete", "never")
        assert skipped["skipped"] is True
        assert skipped["output"] == {}

    def test_one_step_object_runs_in_many_executions(self, streaming: bool) -> None:
        pipeline = report(streaming)

        async def many() -> list[Any]:
            async with rxs.Engine() as engine:
                started = [
                    await engine.start(pipeline.graph, {"data": {"rows": n}}) for n in range(5)
                ]
                return [(await each.result())["rows"] for each in started]

        assert run(many()) == [[*range(n)] for n in range(5)]

    def test_an_item_that_cannot_be_shown_costs_nothing_but_itself(self, streaming: bool) -> None:
        calls = 0

        class Odd(Step):
            async def run(self, data: dict[str, Any]) -> dict[str, Any]:
                nonlocal calls
                calls += 1
                for item in (1, object(), 3):
                    await self.emit(item)
                return {"done": True}

        events = events_of(Pipeline("odd", streaming=streaming).add(Odd))
        assert result_of(events) == {"done": True}
        assert calls == 1
        assert data_of(events, "step_output") == ([1, 3] if streaming else [])
        said = [p["status"] for p in data_of(events, "step_progress")]
        assert said == (["degraded"] if streaming else [])

    def test_a_result_without_a_json_form_may_go_from_step_to_step(self, streaming: bool) -> None:
        async def make(data: dict[str, Any]) -> dict[str, Any]:
            return {"thing": Load()}

        async def use(data: dict[str, Any]) -> dict[str, Any]:
            return {"thing": type(data["thing"]).__name__}

        events = events_of(Pipeline("live", streaming=streaming).add(make).add(use, after="make"))
        assert result_of(events) == {"thing": "Load"}
        assert data_of(events, "step_complete", "make")[0]["output"] is None

    def test_a_step_that_gives_no_dict_is_the_authors_fault(self, streaming: bool) -> None:
        async def wrong(data: dict[str, Any]) -> dict[str, Any]:
            return cast("dict[str, Any]", None)

        with pytest.raises(AuthorError, match="step 'wrong' returned a NoneType: return a dict"):
            run(Pipeline("p", streaming=streaming).add(wrong).run())

    def test_a_generator_ends_with_its_result(self, streaming: bool) -> None:
        async def forgets(data: dict[str, Any]) -> AsyncIterator[Any]:
            yield 1

        async def says_it_plainly(data: dict[str, Any]) -> AsyncIterator[Any]:
            yield {"n": 1}
            yield {"n": 2}

        with pytest.raises(AuthorError, match="end a generator with `yield Result"):
            run(Pipeline("p", streaming=streaming).add(forgets).run())
        events = events_of(Pipeline("p", streaming=streaming).add(says_it_plainly))
        assert result_of(events) == {"n": 2}
        assert data_of(events, "step_output") == ([{"n": 1}, {"n": 2}] if streaming else [])

    def test_each_needs_a_list(self, streaming: bool) -> None:
        pipeline = Pipeline("p", streaming=streaming).add(square, each="rows")
        with pytest.raises(
            AuthorError, match="each of 'rows', which is missing: it has to be a list"
        ):
            run(pipeline.run())
        assert run(pipeline.run({"rows": []})) == {"rows": [], "square": []}


class TestStreaming:
    def test_progress_can_be_left_out_alone(self) -> None:
        streaming = Streaming(enabled=True, emit_progress=False)
        events = events_of(report(streaming), {"rows": 2})
        assert data_of(events, "step_progress") == []
        assert data_of(events, "step_output") == ["one", "two"]

    @pytest.mark.parametrize(
        ("streaming", "commits"),
        [
            (Streaming(True, buffer_size=2, flush_interval_ms=60_000), [[1, 2], [3, 4], [5]]),
            (Streaming(True, flush_interval_ms=1_500), [[1, 2], [3, 4], [5]]),
            (Streaming(True, flush_interval_ms=0), [[1], [2], [3], [4], [5]]),
        ],
        ids=["by number", "by time", "at once"],
    )
    def test_items_wait_for_others(self, streaming: Streaming, commits: list[list[int]]) -> None:
        class Count(Step):
            async def run(self, data: dict[str, Any]) -> dict[str, Any]:
                for n in range(1, 6):
                    await self.emit(n)
                    await asyncio.sleep(1)
                return {}

        events = events_of(Pipeline("counted", streaming=streaming).add(Count))
        together: dict[Any, list[int]] = {}
        for event in events:
            if event.event_type == "step_output":
                together.setdefault(event.to_dict()["timestamp"], []).append(event.data)
        assert list(together.values()) == commits

    def test_a_step_waits_for_room_in_the_log(self) -> None:
        class Flood(Step):
            async def run(self, data: dict[str, Any]) -> dict[str, Any]:
                for n in range(5_000):
                    await self.emit(n)
                return {"n": 5_000}

        streaming = Streaming(True, buffer_size=10)
        events = events_of(Pipeline("flood", streaming=streaming).add(Flood))
        assert data_of(events, "step_output") == [*range(5_000)]

    async def test_outside_a_run_a_step_cannot_emit(self) -> None:
        with pytest.raises(AuthorError, match="while a pipeline runs it"):
            await Load().emit(1)


class TestEndings:
    @pytest.mark.parametrize("turns", range(12))
    def test_stopped_it_finishes_what_is_under_way_and_begins_nothing(self, turns: int) -> None:
        pipeline = Pipeline("p").add(Load).add(total, after="load")

        async def stopped() -> Any:
            async with rxs.Engine() as engine:
                execution = await engine.start(pipeline.graph, {"data": {"rows": 1}})
                for _ in range(turns):
                    await asyncio.sleep(0)
                execution.stop()
                await execution.wait()
                return [event async for event in execution.events()]

        events = run(stopped())
        assert events[-1].data == {"reason": "stopped"}
        begun = data_of(events, "step_start", "load")
        assert len(data_of(events, "step_complete", "load")) == len(begun)
        assert data_of(events, "step_start", "total") == []

    def test_cancelled_it_shows_nothing_more(self) -> None:
        streaming = Streaming(True, flush_interval_ms=700)
        pipeline = Pipeline("p", streaming=streaming).add(Write)

        async def cancelled() -> Any:
            execution = await pipeline.start()
            await asyncio.sleep(0.5)
            execution.cancel()
            await execution.wait()
            await asyncio.sleep(5)
            return [event async for event in execution.events()]

        assert data_of(run(cancelled()), "step_output") == []


class TestNames:
    def test_a_step_is_called_as_it_says_or_as_its_class(self) -> None:
        class HTTPFetch(Step):
            pass

        class Named(Step):
            name = "own"

        made = Pipeline("p").add(HTTPFetch).add(Named()).add(square).add(Load, name="given")
        assert made.steps == ["httpfetch", "own", "square", "given"]
        assert repr(made) == "<Pipeline p: httpfetch, own, square, given>"
        with pytest.raises(NotImplementedError):
            HTTPFetch().run({})


class TestWhatCannotBe:
    def test_a_circle_is_refused_by_name(self) -> None:
        made = Pipeline("round").add(Load, name="a", after="b").add(Load, name="b", after="a")
        with pytest.raises(GraphError, match=r"go in a circle: (a → b → a|b → a → b)"):
            _ = made.graph

    def test_an_unknown_name_is_refused(self) -> None:
        with pytest.raises(
            GraphError, match=r"'load'.*comes after 'lod', which pipeline 'p' does not"
        ):
            _ = Pipeline("p").add(Load, after="lod").graph

    def test_a_pipeline_has_steps(self) -> None:
        with pytest.raises(GraphError, match="'p' has no steps"):
            _ = Pipeline("p").graph

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"step": 3}, "'int' is not a step"),
            ({"concurrency": 0}, "concurrency is at least 1"),
            ({"timeout": 0}, "timeout is a number of seconds above 0"),
            ({"retry": 0}, "at least one attempt"),
            ({"concurrency": "2"}, "concurrency is at least 1, not '2'"),
            ({"timeout": "2"}, "timeout is a number of seconds above 0, not '2'"),
            ({"retry": "2"}, "at least one attempt, not '2'"),
            ({"when": 5}, "when is a function or a key, not 5"),
            ({"each": 5}, "each is the key of a list, not 5"),
            ({"name": "a b"}, "cannot be a node's name"),
            ({"name": "load"}, "two steps named 'load'"),
        ],
    )
    def test_a_setting_is_refused(self, settings: dict[str, Any], said: str) -> None:
        with pytest.raises(GraphError, match=said):
            Pipeline("p").add(Load, name="load").add(**{"step": Load, "name": "other", **settings})

    def test_streaming_is_on_or_off_or_its_settings(self) -> None:
        with pytest.raises(GraphError, match="true, false or a Streaming, not 'yes'"):
            Pipeline("p", streaming="yes")  # type: ignore[arg-type]  # that is wrong

    def test_streaming_needs_room_for_one(self) -> None:
        with pytest.raises(GraphError, match="buffer_size of at least 1"):
            Streaming(buffer_size=0)


def test_it_is_drawn_as_a_graph() -> None:
    plan = report(True).graph.build(data={"rows": 1})
    named = {node.id: node.inputs for node in plan.nodes}
    assert named["total"] == ("write", "square")
    assert plan.by_id["square"].arguments["each"] == "rows"
    assert plan.obstacles == ()
    assert "square" in plan.mermaid()


async def first(data: dict[str, Any]) -> dict[str, Any]:
    return {"first": True}


class TestTheResult:
    @pytest.mark.parametrize("name", ["last", "result"])
    def test_has_a_node_that_is_no_steps(self, name: str) -> None:
        pipeline = Pipeline("p", resumable=True).add(first, name=name)
        plan = pipeline.graph.build()
        assert plan.findings == ()
        [ending] = plan.outputs.values()
        assert ending in plan.by_id.keys() - {name}
        assert run(pipeline.run()) == {"first": True}

    def test_is_that_of_one_step_if_it_says_so(self) -> None:
        pipeline = Pipeline("p", result="last").add(first, name="first")
        pipeline.add(first, name="last", after="first")
        assert run(pipeline.run({"given": 1})) == {"first": True}

    def test_is_nothing_of_one_that_was_skipped(self) -> None:
        pipeline = Pipeline("p", result="first").add(first, name="first", when="never")
        assert run(pipeline.run({"given": 1})) == {}

    def test_of_a_step_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(GraphError, match="is that of 'las', which it does not have: its steps"):
            _ = Pipeline("p", result="las").add(first, name="last").graph


def test_a_step_knows_which_attempt_it_is() -> None:
    attempts: list[int] = []

    class Counted(Step):
        async def run(self, data: dict[str, Any]) -> dict[str, Any]:
            attempts.append(self.attempt)
            if self.attempt < 3:
                raise OSError("not yet")
            return {}

    run(Pipeline("p").add(Counted, retry=3).run())
    assert attempts == [1, 2, 3]
    with pytest.raises(AuthorError):
        _ = Counted().attempt


def test_many_ways_through_are_drawn_at_once() -> None:
    """Two to the sixtieth of them."""
    pipeline = Pipeline("ways").add(first, name="join_0")
    for number in range(60):
        for side in ("left", "right"):
            pipeline.add(first, name=f"{side}_{number}", after=f"join_{number}")
        both = [f"left_{number}", f"right_{number}"]
        pipeline.add(first, name=f"join_{number + 1}", after=both)
    assert run(pipeline.run()) == {"first": True}
