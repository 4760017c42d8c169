"""A step with `each` is undone item by item: those that ended well, and no others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rxstream.pipeline import Pipeline, Reliability, Retry, Step, Streaming
from rxstream.testing import crash_everywhere, run
from tests.pipeline.parts import data_of, events_of, seen

SEATS = {"seats": [1, 2, 3, 4]}


class Books(Step):
    """Books a seat in as many seconds; `bad` ones fail. Remembers what was booked and what was undone."""

    def __init__(self, *bad: int, pause: float = 0.0) -> None:
        self.bad = bad
        self.pause = pause
        self.booked: list[int] = []
        self.undone: list[Any] = []
        self.at_once = self.most = 0

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(data["item"])
        if data["item"] in self.bad:
            raise OSError(f"no seat {data['item']}")
        self.booked.append(data["item"])
        return {"seat": data["item"]}

    async def compensate(self, data: dict[str, Any], result: dict[str, Any]) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(self.pause)
        self.at_once -= 1
        self.undone.append((data["index"], data["item"], result["seat"]))


async def broken(data: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(data.get("after", 0))
    raise ValueError("for good")


def seats(step: Books, **settings: Any) -> Pipeline:
    return Pipeline("trip").add(step, name="books", each="seats", **settings)


def undone(step: Books) -> list[int]:
    assert all(item == index + 1 == seat for index, item, seat in step.undone)
    return [item for _, item, _ in step.undone]


def said(pipeline: Pipeline, data: dict[str, Any]) -> list[tuple[str, Any]]:
    told = data_of(events_of(pipeline, data), "step_progress")
    return [(each["status"], each["message"]) for each in told if "comp" in each["status"]]


@pytest.mark.parametrize("streaming", [True, False])
def test_what_it_did_is_undone_last_first(streaming: bool) -> None:
    step = Books()
    made = seats(step, concurrency=1).add(broken, after="books")
    made.streaming = Streaming(streaming)
    assert said(made, SEATS) == [("compensating", None), ("compensated", None)]
    assert undone(step) == [4, 3, 2, 1]


def test_as_many_are_undone_at_once_as_are_done() -> None:
    step = Books(pause=1)
    events_of(seats(step, concurrency=3).add(broken, after="books"), SEATS)
    assert sorted(undone(step)) == [1, 2, 3, 4]
    assert step.most == 3


def test_items_of_the_step_that_failed_are_undone() -> None:
    step = Books(3)
    events = events_of(seats(step, concurrency=1), SEATS)
    assert step.booked == [1, 2]
    assert undone(step) == [2, 1]
    assert events[-1].data["error"]["message"].endswith("no seat 3")


def test_items_that_are_under_way_are_finished_and_undone() -> None:
    step = Books(1)
    events = events_of(seats(step, concurrency=3), SEATS)
    assert step.booked == [2, 3], "the fourth had not begun"
    assert sorted(undone(step)) == [2, 3]
    assert len(data_of(events, "step_error")) == 1


def test_an_item_that_waits_to_be_tried_again_is_not_tried() -> None:
    class Busy(Books):
        async def run(self, data: dict[str, Any]) -> dict[str, Any]:
            if data["item"] == 1:
                raise ConnectionError("busy")
            return await super().run(data)

    step = Busy(2)
    retry = Retry(2, first=1_000, maximum=1_000, jitter="none", only="transient")

    async def taken() -> tuple[Any, float]:
        events = await seen(seats(step, concurrency=2, retry=retry), SEATS)
        return events, asyncio.get_running_loop().time()

    events, seconds = run(taken())
    assert events[-1].data["error"]["message"].endswith("no seat 2")
    assert [error["will_retry"] for error in data_of(events, "step_error")] == [True, False]
    assert seconds < 100


def test_items_are_not_begun_when_a_step_beside_has_failed() -> None:
    step = Books()
    made = seats(step, concurrency=1).add(broken)
    events = events_of(made.add(Books(), name="never", after="books"), SEATS | {"after": 2.5})
    assert step.booked == [1, 2]
    assert undone(step) == [2, 1]
    [error] = data_of(events, "step_error", "books")
    message = "step 'broken' failed, so 2 of 4 items were not begun"
    assert error["error"] == {"kind": "cancelled", "code": "cancelled", "message": message}
    assert events[-1].data["error"]["message"].endswith("for good")
    assert data_of(events, "step_complete", "books") == []
    assert data_of(events, "step_start", "never") == []


def test_the_last_items_beside_a_step_that_failed_are_undone_with_the_others() -> None:
    step = Books()
    made = seats(step, concurrency=4).add(broken)
    events = events_of(made, SEATS | {"after": 2.5})
    assert sorted(undone(step)) == [1, 2, 3, 4]
    assert len(data_of(events, "step_complete", "books")) == 1


def test_of_two_steps_that_fail_the_first_is_told_and_all_is_undone() -> None:
    step = Books()
    made = seats(step, concurrency=1).add(broken).add(broken, name="other")
    events = events_of(made, SEATS | {"after": 2.5})
    assert undone(step) == [2, 1]
    assert "node 'broken'" in events[-1].data["error"]["message"]


def test_an_item_that_fell_back_is_undone_by_its_fallback() -> None:
    step, other = Books(2), Books()
    events_of(seats(step, fallback=other).add(broken, after="books"), SEATS)
    assert sorted(undone(step)) == [1, 3, 4]
    assert undone(other) == [2]


def test_of_no_items_nothing_is_undone() -> None:
    step = Books()
    assert said(seats(step).add(broken, after="books"), {"seats": []}) == []
    assert step.undone == []


def test_what_cannot_be_undone_is_counted_and_keeps_nothing_else_from_it() -> None:
    class Stuck(Books):
        async def compensate(self, data: dict[str, Any], result: dict[str, Any]) -> None:
            if data["item"] == 2:
                raise asyncio.CancelledError
            if data["item"] == 3:
                raise SystemExit(3)
            await super().compensate(data, result)

    step = Stuck()
    *_, last = said(seats(step, concurrency=1).add(broken, after="books"), SEATS)
    why = "what the step awaited was cancelled"
    assert last == ("compensation_failed", f"2 of 4 items: {why}")
    assert undone(step) == [4, 1]


def test_a_plain_function_may_undo() -> None:
    log: list[Any] = []

    class Plain(Step):
        async def run(self, data: dict[str, Any]) -> dict[str, Any]:
            return {"n": 1}

        def compensate(self, data: dict[str, Any], result: dict[str, Any]) -> None:
            log.append(result)

    made = Pipeline("p").add(Plain).add(broken, after="plain")
    assert said(made, {}) == [("compensating", None), ("compensated", None)]
    assert log == [{"n": 1}]


def test_a_step_whose_items_are_undone_counts_once() -> None:
    reliability = Reliability()
    reliability.add(events_of(seats(Books(3)).add(broken), SEATS | {"after": 50}))
    report = reliability.report()
    assert (report.steps, report.SR, report.CR) == (2, 0.0, 0.5)


class Slowly(Books):
    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.3 + 0.2 * data["index"])
        if data["item"] in self.bad:
            raise OSError("no seat")
        return {"seat": data["item"]}


@pytest.mark.parametrize("bad", [2, 9], ids=["an item", "a step"])
def test_a_crash_at_any_commit_changes_nothing(bad: int) -> None:
    made = seats(Slowly(bad, pause=0.3), concurrency=3)
    if bad == 9:
        made.add(broken, after="books")
    else:
        made.add(Slowly(pause=0.1), name="beside", each="seats", concurrency=1)
    bound = made.graph.bind(data=SEATS)
    assert crash_everywhere(bound, by=lambda seen: sorted(map(str, seen)), most=30) >= 4
