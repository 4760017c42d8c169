"""An action is a step: its elements are the step's items, what it gives is the step's result."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import rxstream as rxs
from rxstream.errors import AuthorError, GraphError, InvalidParameters
from rxstream.pipeline import Pipeline, Retry, Streaming, action_step
from rxstream.pipeline import action as action_module
from rxstream.plugins import Access, ActionDenied, PluginManager, UnknownAction
from rxstream.testing import crash_everywhere, run, virtual_time
from tests.pipeline.acting import Acting
from tests.pipeline.parts import data_of, events_of, result_of


@pytest.fixture
def plugins() -> PluginManager:
    made = PluginManager()
    made.load(Acting)
    return made


def acting(
    plugins: PluginManager,
    action: str,
    params: dict[str, Any] | None = None,
    streaming: bool | Streaming = False,
    params_from: dict[str, str] | None = None,
    **settings: Any,
) -> Pipeline:
    step = action_step(f"acting.{action}", params, params_from=params_from, plugins=plugins)
    return Pipeline("p", streaming=streaming).add(step, **settings)


BOTH_WAYS = pytest.mark.parametrize("streaming", [False, True])


@BOTH_WAYS
@pytest.mark.parametrize(
    ("action", "params", "result"),
    [
        ("count", {"to": 3}, {"count": [0, 1, 2]}),
        ("count", {"to": 0}, {"count": []}),
        ("sums", {"numbers": [1, 2, 3]}, {"total": 6}),
        ("sums", {"numbers": []}, {"sums": None}),
        ("square", {"number": 4}, {"square": 16}),
        ("rows", {}, {"rows": [{"number": 1}, {"left": 1, "right": 2}]}),
    ],
)
def test_its_result_is_what_a_plain_call_gives(
    plugins: PluginManager, streaming: bool, action: str, params: Any, result: Any
) -> None:
    assert run(acting(plugins, action, params, streaming).run()) == result


def test_its_elements_are_items_and_its_progress_is_the_steps(plugins: PluginManager) -> None:
    events = events_of(acting(plugins, "count", {"to": 3}, streaming=True))
    assert data_of(events, "step_output", "count") == [0, 1, 2]
    said = [(p["percentage"], p["message"]) for p in data_of(events, "step_progress")]
    assert said[-1] == (100.0, "number 2")
    assert data_of(events, "step_complete", "count")[0]["count"] == 3


def test_an_action_of_one_value_shows_no_items(plugins: PluginManager) -> None:
    events = events_of(acting(plugins, "square", {"number": 4}, streaming=True))
    assert data_of(events, "step_output") == []
    assert data_of(events, "step_progress")[0]["message"] == "multiplies"


def test_without_streaming_only_the_lifecycle_is_recorded(plugins: PluginManager) -> None:
    for action, params in (("count", {"to": 3}), ("square", {"number": 4})):
        kinds = [event.event_type for event in events_of(acting(plugins, action, params))]
        assert kinds == ["pipeline_start", "step_start", "step_complete", "pipeline_complete"]


def test_parameters_may_be_values_of_the_data(plugins: PluginManager) -> None:
    pipeline = acting(plugins, "sums", params_from={"numbers": "rows.all"})
    assert run(pipeline.run({"rows": {"all": [1, 2]}}))["total"] == 3
    assert run(pipeline.run({"rows.all": [5]}))["total"] == 5
    each = acting(plugins, "square", params_from={"number": "item"}, each="items", name="squares")
    assert run(each.run({"items": [2, 3]}))["squares"] == [{"squares": 4}, {"squares": 9}]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "number is taken from 'n.m', which is not in the step's data: there is nothing"),
        ({"n": 1}, "number is taken from 'n.m'.* there is n"),
        ({"n": {"m": "x"}}, "number: input should be a valid integer"),
    ],
)
def test_data_that_does_not_fit_fails_the_step(
    plugins: PluginManager, data: Any, said: str
) -> None:
    pipeline = acting(plugins, "square", params_from={"number": "n.m"})
    with pytest.raises(InvalidParameters, match=said):
        run(pipeline.run(data))


@pytest.mark.parametrize(
    ("action", "params", "taken", "said"),
    [
        ("count", {"to": -1}, {}, "to: input should be greater than or equal to 0"),
        ("count", {}, {}, "to is missing"),
        ("count", {}, {"every": "seconds"}, "to is missing"),
        ("count", {"to": 1}, {"to": "n"}, "to is in params and in params_from: give one"),
        ("count", {"to": 1, "of": 2}, {}, "of is not a parameter: known are to, every"),
        ("count", {"to": 1}, {"of": "n"}, "of is not a parameter: known are to, every"),
    ],
)
def test_parameters_are_refused_when_the_step_is_made(
    plugins: PluginManager, action: str, params: Any, taken: Any, said: str
) -> None:
    with pytest.raises(InvalidParameters, match=said):
        action_step(f"acting.{action}", params, params_from=taken, plugins=plugins)


def test_an_action_that_is_not_there_or_not_allowed_is_refused(plugins: PluginManager) -> None:
    with pytest.raises(UnknownAction, match="'acting' has no action 'nope'"):
        action_step("acting.nope", plugins=plugins)
    with pytest.raises(ActionDenied):
        action_step("acting.count", {"to": 1}, plugins=PluginManager(access=Access()))
    with pytest.raises(UnknownAction, match="no plugin 'nowhere' is loaded"):
        action_step("nowhere.count")


def test_installed_plugins_are_asked_when_nobody_says_which() -> None:
    assert action_step("data.profile", {"path": "x.csv"}).name == "profile"


def test_it_is_a_fallback_too_and_runs_the_version_it_was_made_with(
    plugins: PluginManager,
) -> None:
    async def broken(data: dict[str, Any]) -> dict[str, Any]:
        raise OSError("broken")

    step = action_step("acting.square", {"number": 3}, plugins=plugins)
    plugins.unload("acting")
    pipeline = Pipeline("p").add(broken, fallback=step)
    assert run(pipeline.run()) == {"broken": 9}


def test_a_call_that_ends_early_closes_the_action(plugins: PluginManager) -> None:
    pipeline = acting(plugins, "wait", timeout=5, retry=Retry(2, first=0))
    with pytest.raises(Exception, match="not done within 5 s"):
        run(pipeline.run())
    assert Acting.closed.is_cancelled


@virtual_time
async def test_cancelling_reaches_the_action(plugins: PluginManager) -> None:
    Acting.closed = None
    async with rxs.Engine() as engine:
        execution = await engine.start(acting(plugins, "wait", streaming=True).graph)
        await asyncio.sleep(1)
        execution.cancel("enough")
        await execution.wait()
    assert Acting.closed.is_cancelled
    assert execution.record.status == "cancelled"


@virtual_time
async def test_an_action_may_ask_a_person(plugins: PluginManager) -> None:
    async with rxs.Engine() as engine:
        execution = await engine.start(acting(plugins, "confirm", {"what": "go"}).graph)
        async for event in execution.events():
            if event.event_type == "input_requested":
                assert event.data["message"] == "go?"
                await execution.answer(event.data["request_id"], True)
        assert await execution.result() == {"confirm": True}


@BOTH_WAYS
def test_a_plugin_of_the_older_kind_is_a_step_too(streaming: bool) -> None:
    class Legacy:
        name = "legacy"

        async def execute_action_stream(
            self, action_name: str, params: Any, progress_callback: Any, cancellation_token: Any
        ) -> Any:
            progress_callback({"percentage": 50, "message": "half", "status": "running"})
            for word in params["words"]:
                assert not cancellation_token.is_cancelled
                yield word

    plugins = PluginManager()
    plugins.load(Legacy)
    step = action_step("legacy.say", params_from={"words": "words"}, plugins=plugins)
    events = events_of(Pipeline("p", streaming=streaming).add(step), {"words": ["a", "b"]})
    assert result_of(events)["say"] == ["a", "b"]
    assert data_of(events, "step_output") == (["a", "b"] if streaming else [])
    told = [said["message"] for said in data_of(events, "step_progress")]
    assert told == (["half"] if streaming else [])


def test_what_is_too_much_for_a_result_is_refused(
    plugins: PluginManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action_module, "MAX_COLLECTED", 2)
    with pytest.raises(AuthorError, match="more than 2 elements"):
        run(acting(plugins, "count", {"to": 3}).run())


@BOTH_WAYS
def test_another_attempt_goes_on_where_an_action_marked_its_place(
    plugins: PluginManager, streaming: bool
) -> None:
    Acting.begun.clear()
    params = {"to": 5, "fail_at": 3}
    pipeline = acting(plugins, "last", params, streaming, retry=Retry(2, first=0))
    events = events_of(pipeline)
    assert Acting.begun == [0, 3]
    assert result_of(events) == {"last": 4}
    shown = [{"last": number} for number in range(5)]
    assert data_of(events, "step_output") == (shown if streaming else [])


def test_a_fallback_begins_at_the_beginning(plugins: PluginManager) -> None:
    Acting.begun.clear()
    fallback = action_step("acting.last", {"to": 2}, plugins=plugins)
    pipeline = acting(plugins, "last", {"to": 5, "fail_at": 3}, True, fallback=fallback)
    assert result_of(events_of(pipeline)) == {"last": 1}
    assert Acting.begun == [0, 0]


@pytest.mark.parametrize("streaming", [False, Streaming(True, flush_interval_ms=0)])
def test_after_a_crash_it_goes_on_where_it_marked_its_place(
    plugins: PluginManager, streaming: bool | Streaming
) -> None:
    Acting.begun.clear()
    pipeline = Pipeline("p", streaming=streaming, resumable=True)
    pipeline.add(action_step("acting.last", {"to": 4}, plugins=plugins))
    assert crash_everywhere(pipeline.graph) > 4
    assert set(Acting.begun) == {0, 1, 2, 3, 4}


def test_of_a_step_with_each_every_call_has_its_own_place(plugins: PluginManager) -> None:
    pipeline = Pipeline("p", streaming=Streaming(True, flush_interval_ms=0), resumable=True)
    step = action_step("acting.count", params_from={"to": "item"}, plugins=plugins)
    pipeline.add(step, each="items", concurrency=2)
    assert run(pipeline.run({"items": [1, 2]}))["count"] == [{"count": [0]}, {"count": [0, 1]}]
    items = {"data": {"items": [3, 2, 3]}}
    by = lambda seen: {node: sorted(map(str, items)) for node, items in seen.items()}  # noqa: E731  # calls run side by side
    assert crash_everywhere(pipeline.graph, items, by=by) > 5


async def test_it_runs_nowhere_else(plugins: PluginManager) -> None:
    with pytest.raises(AuthorError, match="outside a pipeline"):
        await action_step("acting.rows", plugins=plugins).run({})


def test_a_crash_anywhere_changes_nothing(plugins: PluginManager) -> None:
    pipeline = Pipeline("p", streaming=Streaming(True, flush_interval_ms=0), resumable=True)
    pipeline.add(action_step("acting.count", {"to": 4}, plugins=plugins))
    pipeline.add(
        action_step("acting.sums", params_from={"numbers": "count"}, plugins=plugins), after="count"
    )
    pipeline.add(
        action_step("acting.square", params_from={"number": "item"}, plugins=plugins),
        after="count",
        each="count",
    )
    assert crash_everywhere(pipeline.graph) > 10


def test_an_action_that_must_not_run_again_keeps_its_pipeline_from_going_on(
    plugins: PluginManager,
) -> None:
    plan = acting(plugins, "rows").graph.build()
    assert "must not be called again" in plan.obstacles[0]
    pipeline = Pipeline("p", resumable=True)
    pipeline.add(action_step("acting.rows", plugins=plugins))
    with pytest.raises(GraphError, match="must not be called again"):
        pipeline.graph.build()


def test_the_graph_shows_which_action_it_is(plugins: PluginManager) -> None:
    plan = acting(plugins, "square", params_from={"number": "n"}, retry=2).graph.build()
    assert plan.by_id["square"].arguments == {
        "action": "acting.square",
        "params_from": {"number": "n"},
        "retry": 2,
    }
    assert result_of(events_of(acting(plugins, "square", {"number": 1}))) == {"square": 1}
