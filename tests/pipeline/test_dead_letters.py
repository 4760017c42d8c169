"""Items that fail for good are put aside as dead letters, exactly once, and the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest

from rxstream.adapters import sinks
from rxstream.adapters.sinks import files as writing
from rxstream.errors import GraphError, NodeError
from rxstream.pipeline import DeadLetters, Pipeline, Retry, Step
from rxstream.testing import crash_everywhere, run
from tests.pipeline.parts import data_of, events_of, result_of

NUMBERS = {"numbers": list(range(10))}


class Even(Step):
    """Fails for odd numbers, always."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.1)
        await self.emit(data["item"])
        if data["item"] % 2:
            raise ValueError(f"{data['item']} is odd")
        return {"half": data["item"] // 2}


async def count(data: dict[str, Any]) -> dict[str, Any]:
    return {"good": len(data["even"]), "bad": len(data.get("even_dead_letters", ()))}


def made(letters: Any = True, **settings: Any) -> Pipeline:
    given = {"each": "numbers", "concurrency": 2, "dead_letters": letters} | settings
    return Pipeline("halves", streaming=True, resumable=True).add(Even, **given)


def letter(number: int, attempts: int = 1) -> dict[str, Any]:
    error = {"kind": "user", "code": "ValueError", "message": f"{number} is odd"}
    return {"item": number, "index": number, "error": error, "attempts": attempts}


ODD = [letter(number) for number in (1, 3, 5, 7, 9)]


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a sink writes, at once: in virtual time nobody waits for a thread."""

    async def called(function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    monkeypatch.setattr(writing, "blocking", called)
    return tmp_path / "dead.jsonl"


def lines(path: Path) -> list[Any]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


class TestTheStep:
    def test_goes_on_and_gives_its_letters_beside_its_results(self) -> None:
        events = events_of(made().add(count, after="even"), NUMBERS)
        result = result_of(events)
        assert result["even"] == [{"half": n} for n in range(5)]
        assert result["even_dead_letters"] == ODD
        assert (result["good"], result["bad"]) == (5, 5)
        [ended] = data_of(events, "step_complete", "even")
        assert (ended["dead_letters"], ended["count"]) == (5, 10)

    def test_shows_each_letter_and_says_how_many_failed(self) -> None:
        events = events_of(made(), NUMBERS)
        shown = [e for e in data_of(events, "step_output") if isinstance(e, dict)]
        assert shown == [{"type": "dead_letter", **each} for each in ODD]
        assert "10 of 10, 5 failed" in [e["message"] for e in data_of(events, "step_progress")]
        assert [e["will_retry"] for e in data_of(events, "step_error")] == [False] * 5

    def test_shows_none_where_it_does_not_stream(self) -> None:
        quiet = Pipeline("quiet").add(Even, each="numbers", dead_letters=True)
        events = events_of(quiet, NUMBERS)
        assert data_of(events, "step_output") == []
        assert result_of(events)["even_dead_letters"] == ODD

    def test_has_none_where_nothing_failed_or_it_was_skipped(self) -> None:
        result = result_of(events_of(made(), {"numbers": [0, 2]}))
        assert result["even_dead_letters"] == []
        events = events_of(made(when="wanted"), NUMBERS)
        assert data_of(events, "step_complete", "even")[0]["dead_letters"] == 0

    def test_tries_again_before_it_gives_an_item_up(self) -> None:
        steady = Retry(3, first=1, jitter="none")
        events = events_of(made(retry=steady), {"numbers": [0, 1]})
        assert result_of(events)["even_dead_letters"] == [letter(1, attempts=3)]
        again = [(e["attempt"], e["will_retry"]) for e in data_of(events, "step_error")]
        assert again == [(1, True), (2, True), (3, False)]

    def test_asks_the_fallback_before_it_gives_an_item_up(self) -> None:
        assert (
            result_of(events_of(made(fallback={"half": None}), NUMBERS))["even_dead_letters"] == []
        )
        result = result_of(events_of(made(fallback=Even), {"numbers": [1, 2]}))
        assert result["even_dead_letters"] == [letter(1, attempts=2) | {"index": 0}]

    def test_its_letters_are_not_undone(self) -> None:
        undone: list[Any] = []

        class Booked(Even):
            async def compensate(self, data: dict[str, Any], result: dict[str, Any]) -> None:
                undone.append(data["item"])

        async def broken(data: dict[str, Any]) -> dict[str, Any]:
            raise OSError("no")

        booked = Pipeline("p").add(Booked, name="even", each="numbers", dead_letters=True)
        events_of(booked.add(broken, after="even"), NUMBERS)
        assert sorted(undone) == [0, 2, 4, 6, 8]


class TestTheLimit:
    @pytest.mark.parametrize(
        ("letters", "limit"),
        [
            (4, 4),
            (DeadLetters(most=2), 2),
            (DeadLetters(share=0.3), 3),
            (DeadLetters(most=4, share=0.1), 1),
        ],
    )
    def test_one_more_fails_the_step(self, letters: Any, limit: int) -> None:
        said = rf"more than {limit} of 10 items of step 'even' failed, the last with index .*is odd"
        with pytest.raises(Exception, match=said) as caught:
            run(made(letters, concurrency=1).run(NUMBERS))
        assert isinstance(caught.value.__cause__, ValueError)

    @pytest.mark.parametrize("letters", [5, DeadLetters(share=0.5), DeadLetters(5, 0.5)])
    def test_as_many_as_may_do_not(self, letters: Any) -> None:
        assert len(run(made(letters).run(NUMBERS))["even"]) == 5

    def test_a_share_is_what_a_person_would_count(self) -> None:
        assert DeadLetters(share=0.29).limit(100) == 29
        assert DeadLetters().limit(3) > 3

    def test_an_error_that_is_not_meant_fails_the_step_at_once(self) -> None:
        with pytest.raises(NodeError, match="1 is odd"):
            run(made(DeadLetters(only="malformed")).run(NUMBERS))

    def test_a_pipeline_that_is_undone_says_the_same(self) -> None:
        class Undone(Even):
            async def compensate(self, data: dict[str, Any], result: dict[str, Any]) -> None: ...

        undone = Pipeline("p").add(Undone, name="even", each="numbers", dead_letters=2)
        events = events_of(undone, NUMBERS)
        assert events[-1].data["error"]["code"] == "too_many_dead_letters"

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (lambda: made(0), "step 'even': most of dead letters is at least 1, not 0"),
            (lambda: made(each=None), "step 'even': dead_letters are for a step with `each`"),
            (lambda: DeadLetters(share=2), "share of dead letters is above 0 and at most 1, not 2"),
            (lambda: DeadLetters(only="bad"), "bad"),  # type: ignore[arg-type]  # that is the test
            (lambda: DeadLetters(to="out.jsonl"), "go to a sink, not to a str"),  # type: ignore[arg-type]
            (lambda: made(DeadLetters(to=lambda data: 3)).graph.build(), "sink, not to a int"),  # type: ignore[arg-type,return-value]
            (lambda: made(DeadLetters(to=Even)).graph.build(), "cannot be made: TypeError: Even"),  # type: ignore[arg-type]
        ],
    )
    def test_what_makes_no_sense_is_refused(self, wrong: Any, said: str) -> None:
        with pytest.raises(GraphError, match=said):
            wrong()

    def test_no_letters_can_be_asked_for(self) -> None:
        with pytest.raises(NodeError):
            run(made(False).run(NUMBERS))


class TestTheSink:
    def test_gets_each_letter(self, out: Path) -> None:
        result = run(made(DeadLetters(to=sinks.jsonl(out))).add(count, after="even").run(NUMBERS))
        assert lines(out) == ODD
        assert result["bad"] == 5

    def test_may_depend_on_the_input(self, out: Path) -> None:
        where = DeadLetters(to=lambda data: sinks.jsonl(data["out"]))
        run(made(where).run({**NUMBERS, "out": str(out)}))
        assert lines(out) == ODD

    def test_that_is_slow_is_given_no_more_than_it_can_take(self) -> None:
        got: list[Any] = []

        async def slowly(each: Any) -> None:
            await asyncio.sleep(1)
            got.append(each["item"])

        letters = DeadLetters(to=sinks.callback(slowly))
        run(made(letters, concurrency=100).run({"numbers": list(range(401))}))
        assert sorted(got) == list(range(1, 401, 2))

    def test_has_each_letter_once_over_a_crash_anywhere(self, out: Path) -> None:
        pipeline = made(DeadLetters(to=sinks.jsonl(out)), retry=Retry(2, first=0.2, jitter="none"))
        bound = pipeline.add(count, after="even").graph.bind(data=NUMBERS)
        expected = [letter(number, attempts=2) for number in (1, 3, 5, 7, 9)]

        def in_any_order(seen: Any) -> Any:
            found = sorted(lines(out), key=lambda each: each["index"])
            assert found == expected
            return {node: sorted(map(str, items)) for node, items in seen.items()}

        assert crash_everywhere(bound, by=in_any_order, most=40) >= 30

    def test_is_named_after_its_step(self, out: Path) -> None:
        plan = made(DeadLetters(most=3, share=0.5, to=sinks.jsonl(out))).graph.build()
        assert "even_dead_letters" in plan.by_id
        shown = plan.by_id["even"].arguments
        assert (shown["dead_letters"], shown["share"]) == (3, 0.5)


class TestTheFile:
    STEP: ClassVar[dict[str, Any]] = {
        "step": "tests.pipeline.test_dead_letters:Even",
        "each": "numbers",
        "concurrency": 1,
    }

    def read(self, folder: Path, letters: Any) -> Pipeline:
        file = folder / "p.json"
        steps = [{**self.STEP, "dead_letters": letters, "checkpoint": True}]
        file.write_bytes(orjson.dumps({"name": "p", "steps": steps}))
        return Pipeline.from_file(file)

    def test_says_all_that_python_can_say(self, out: Path) -> None:
        sink = {"sink": "rxstream.adapters.sinks:jsonl", "config": {"path": str(out)}}
        whole = {"most": 6, "share": 0.9, "only": ["fatal"], "to": sink}
        run(self.read(out.parent, whole).run(NUMBERS))
        assert lines(out) == ODD

    @pytest.mark.parametrize("letters", [True, 5, {"share": 0.5}])
    def test_says_how_many(self, tmp_path: Path, letters: Any) -> None:
        assert run(self.read(tmp_path, letters).run(NUMBERS))["even_dead_letters"] == ODD

    @pytest.mark.parametrize(
        ("letters", "said"),
        [
            (0, r"steps\[0\]: step 'even': most of dead letters is at least 1"),
            ({"share": 2}, r"p.json: steps\[0\].dead_letters.share: input should be less than"),
            ({"to": {"sink": "orjson:nope"}}, r"steps\[0\].dead_letters.to.sink: orjson has no"),
            (
                {"to": {"sink": "rxstream.adapters.sinks:jsonl", "config": {"x": 1}}},
                r"steps\[0\].dead_letters.to.config: ",
            ),
        ],
    )
    def test_is_refused_where_it_is_wrong(self, tmp_path: Path, letters: Any, said: str) -> None:
        with pytest.raises(GraphError, match=said):
            self.read(tmp_path, letters)
