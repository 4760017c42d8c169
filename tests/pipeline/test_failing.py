"""Steps that fail: tried again, given up in time, replaced, undone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rxstream.errors import ExecutionTimeout, GraphError, NodeError
from rxstream.pipeline import Pipeline, Retry, Step
from rxstream.testing import run
from tests.pipeline.parts import data_of, events_of, result_of

STEADY = Retry(3, first=1, jitter="none")


class Flaky(Step):
    """Fails a number of times, on each item."""

    def __init__(self, failures: int, error: type[Exception] = OSError) -> None:
        self.left = failures
        self.error = error

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        await self.emit("begun")
        if self.left:
            self.left -= 1
            raise self.error("not now")
        return {"ok": True}


async def broken(data: dict[str, Any]) -> dict[str, Any]:
    raise ValueError("for good")


async def hanging(data: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(1_000)
    return {}


class Booked(Step):
    """Can be undone, and remembers what was."""

    log: list[Any]

    def __init__(self, log: list[Any], name: str) -> None:
        self.log = log
        self.booked = name

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        return {self.booked: 1}

    async def compensate(self, data: dict[str, Any], result: dict[str, Any]) -> None:
        self.log.append((self.booked, data, result))


class TestRetry:
    @pytest.mark.parametrize("streaming", [True, False])
    def test_a_step_is_tried_again_and_shows_nothing_twice(self, streaming: bool) -> None:
        events = events_of(Pipeline("p", streaming=streaming).add(Flaky(2), retry=STEADY))
        assert result_of(events) == {"ok": True}
        errors = data_of(events, "step_error", "flaky")
        assert [(e["attempt"], e["will_retry"]) for e in errors] == [(1, True), (2, True)]
        assert data_of(events, "step_output") == (["begun"] if streaming else [])
        assert data_of(events, "step_complete")[0]["duration_ms"] == 3_000

    def test_the_last_failure_is_the_pipelines(self) -> None:
        pipeline = Pipeline("p").add(Flaky(9), retry=STEADY)
        events = events_of(pipeline)
        assert [e["will_retry"] for e in data_of(events, "step_error")] == [True, True, False]
        assert events[-1].event_type == "pipeline_error"
        with pytest.raises(NodeError, match=r"node 'flaky' .* failed: OSError: not now"):
            run(Pipeline("p").add(Flaky(9), retry=STEADY).run())

    def test_only_what_is_said_is_tried_again(self) -> None:
        only = Retry(3, first=0, only="transient")
        assert run(Pipeline("p").add(Flaky(1, ConnectionError), retry=only).run()) == {"ok": True}
        with pytest.raises(NodeError):
            run(Pipeline("p").add(Flaky(1, KeyError), retry=only).run())

    def test_each_item_has_its_own_attempts(self) -> None:
        tried: dict[int, int] = {}

        async def once(data: dict[str, Any]) -> dict[str, Any]:
            tried[data["item"]] = tried.get(data["item"], 0) + 1
            if tried[data["item"]] < 2:
                raise OSError("not now")
            return {"n": data["item"]}

        pipeline = Pipeline("p").add(once, each="items", retry=STEADY)
        given = run(pipeline.run({"items": [1, 2, 3]}))
        assert given["once"] == [{"n": 1}, {"n": 2}, {"n": 3}]
        assert tried == {1: 2, 2: 2, 3: 2}

    @pytest.mark.parametrize(
        "wrong", [{"factor": 0.5}, {"first": -1}, {"jitter": "some"}, {"only": "bad"}]
    )
    def test_wrong_settings_are_refused(self, wrong: Any) -> None:
        with pytest.raises(GraphError):
            Retry(3, **wrong)

    @pytest.mark.parametrize("beside", [True, False])
    def test_without_anything_to_undo_it_fails_at_once(self, beside: bool) -> None:
        made = Pipeline("p").add(hanging).add(broken).add(Flaky(0), after=["broken", "hanging"])
        if beside:
            made.add(hanging, name="other", after="broken")
        events = events_of(made)
        assert events[-1].event_type == "pipeline_error"
        assert events[-1].data["error"]["message"].endswith("for good")
        assert [e["attempt"] for e in data_of(events, "step_error")] == [1]


class TestTimeout:
    def test_a_step_that_takes_too_long_fails(self) -> None:
        with pytest.raises(ExecutionTimeout, match="step 'hanging' was not done within 5 s"):
            run(Pipeline("p").add(hanging, timeout=5).run())

    def test_a_timeout_of_the_steps_own_is_its_own(self) -> None:
        async def mine(data: dict[str, Any]) -> dict[str, Any]:
            raise TimeoutError("of mine")

        with pytest.raises(NodeError, match="of mine"):
            run(Pipeline("p").add(mine, timeout=5).run())

    def test_what_a_step_awaited_and_was_cancelled_is_an_error(self) -> None:
        async def waits(data: dict[str, Any]) -> dict[str, Any]:
            raise asyncio.CancelledError

        with pytest.raises(NodeError, match="what the step awaited was cancelled"):
            run(Pipeline("p").add(waits).run())


class TestFallback:
    def test_a_dict_stands_in_for_a_result(self) -> None:
        events = events_of(Pipeline("p").add(broken, fallback={"ok": None}))
        assert result_of(events) == {"ok": None}
        [ended] = data_of(events, "step_complete", "broken")
        assert ended["fallback"] is True
        assert [e["handled"] for e in data_of(events, "step_error")] == ["fallback"]

    def test_a_step_stands_in_for_another(self) -> None:
        async def other(data: dict[str, Any]) -> dict[str, Any]:
            return {"other": data["x"]}

        pipeline = Pipeline("p").add(hanging, timeout=1, fallback=other)
        assert run(pipeline.run({"x": 1})) == {"x": 1, "other": 1}

    def test_a_fallback_may_fail_too(self) -> None:
        with pytest.raises(NodeError, match="for good"):
            run(Pipeline("p").add(hanging, timeout=1, fallback=broken).run())

    def test_one_item_falls_back_alone(self) -> None:
        async def odd(data: dict[str, Any]) -> dict[str, Any]:
            if data["item"] % 2:
                raise ValueError("odd")
            return {"even": True}

        pipeline = Pipeline("p").add(odd, each="items", fallback={"even": False})
        given = run(pipeline.run({"items": [0, 1, 2]}))
        assert [each["even"] for each in given["odd"]] == [True, False, True]


class TestCompensation:
    def booking(self, log: list[Any]) -> Pipeline:
        made = Pipeline("trip").add(Booked(log, "hotel"), name="hotel")
        made.add(Booked(log, "flight"), name="flight", after="hotel")
        made.add(broken, name="pay", after="flight")
        return made.add(Booked(log, "mail"), name="mail", after="pay")

    def test_what_was_done_is_undone_last_first(self) -> None:
        log: list[Any] = []
        events = events_of(self.booking(log), {"who": "ann"})
        assert log == [
            ("flight", {"who": "ann", "hotel": 1}, {"flight": 1}),
            ("hotel", {"who": "ann"}, {"hotel": 1}),
        ]
        said = [(e.step_id, e.data["status"]) for e in events if e.event_type == "step_progress"]
        assert said == [
            ("flight", "compensating"),
            ("flight", "compensated"),
            ("hotel", "compensating"),
            ("hotel", "compensated"),
        ]
        assert events[-1].event_type == "pipeline_error"
        assert "node 'pay'" in events[-1].data["error"]["message"]
        assert data_of(events, "step_start", "mail") == []
        assert data_of(events, "step_complete", "pay") == []

    def test_the_error_keeps_its_cause(self) -> None:
        with pytest.raises(NodeError, match="for good") as caught:
            run(self.booking([]).run())
        assert isinstance(caught.value.__cause__, ValueError)

    def test_a_compensation_that_fails_keeps_no_other_from_being_made(self) -> None:
        class Stuck(Booked):
            async def compensate(self, data: dict[str, Any], result: dict[str, Any]) -> None:
                raise OSError("cannot be undone")

        log: list[Any] = []
        made = Pipeline("trip").add(Booked(log, "hotel"), name="hotel")
        made.add(Stuck(log, "flight"), name="flight", after="hotel")
        events = events_of(made.add(broken, after="flight"))
        assert [each[0] for each in log] == ["hotel"]
        [failed] = [e for e in data_of(events, "step_progress") if "failed" in e["status"]]
        assert failed["message"] == "cannot be undone"

    def test_a_step_beside_that_runs_is_finished_and_undone(self) -> None:
        class Slow(Booked):
            async def run(self, data: dict[str, Any]) -> dict[str, Any]:
                await asyncio.sleep(5)
                return await super().run(data)

        log: list[Any] = []
        made = Pipeline("trip").add(Slow(log, "slow"), name="slow").add(broken)
        made.add(Booked(log, "later"), name="later", after="slow")
        events = events_of(made)
        assert [each[0] for each in log] == ["slow"]
        assert data_of(events, "step_start", "later") == []

    def test_a_fallback_is_undone_in_place_of_what_it_stands_for(self) -> None:
        log: list[Any] = []
        made = Pipeline("trip").add(broken, name="first", fallback=Booked(log, "second"))
        events_of(made.add(broken, after="first"))
        assert [each[0] for each in log] == ["second"]

    def test_of_items_that_fail_together_one_is_told(self) -> None:
        async def bad(data: dict[str, Any]) -> dict[str, Any]:
            await asyncio.sleep(1)
            raise ValueError(f"item {data['item']}")

        made = Pipeline("trip").add(Booked([], "hotel"), name="hotel")
        events = events_of(made.add(bad, after="hotel", each="items"), {"items": [1, 2, 3]})
        assert "item " in events[-1].data["error"]["message"]
        assert len(data_of(events, "step_error")) == 1

    def test_a_condition_that_raises_undoes_too(self) -> None:
        log: list[Any] = []
        made = Pipeline("trip").add(Booked(log, "hotel"), name="hotel")
        events_of(made.add(broken, after="hotel", when=lambda data: data["nothing"]))
        assert [each[0] for each in log] == ["hotel"]


async def leaves(data: dict[str, Any]) -> dict[str, Any]:
    raise SystemExit(3)


def test_a_step_that_calls_exit_fails_alone() -> None:
    with pytest.raises(NodeError, match=r"the step called sys.exit\(3\)"):
        run(Pipeline("p").add(leaves).run())
    assert run(Pipeline("p").add(leaves, fallback={"ok": 1}).run()) == {"ok": 1}
