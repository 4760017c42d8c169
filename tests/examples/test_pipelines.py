"""Each example pipeline does its work, and does it once, however often its process is killed."""

from __future__ import annotations

import asyncio
import csv
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import rxstream as rxs
from rxstream.examples import data, review
from rxstream.pipeline import Pipeline
from rxstream.testing import run
from tests.examples.living import Event, Example, shape


def outputs(events: list[Event], step: str) -> list[Any]:
    return [e["data"] for e in events if (e["event_type"], e["step_id"]) == ("step_output", step)]


def of(step: str, kind: str) -> Any:
    return lambda event: (event["event_type"], event["step_id"]) == (kind, step)


def is_letter(index: int, event: Event) -> bool:
    """Whether it is the dead letter of that item."""
    return [each["index"] for each in outputs([event], "deliver")] == [index]


def half_way(event: Event) -> bool:
    """Whether something is done and something is left."""
    return bool(0 < event["data"]["percentage"] < 100)


class TestData:
    def table(self, path: Path, rows: int) -> Path:
        with path.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["city", "amount", "note"])
            for number in range(rows):
                city = ("Bern", "Lima", "Oslo, north")[number % 3]
                table.writerow([city, number, "" if number % 2 else "even"])
        return path

    def test_it_is_killed_and_goes_on(self, tmp_path: Path) -> None:
        file = self.table(tmp_path / "table.csv", 100_000)
        undisturbed = Example("data", tmp_path / "whole", file=file, parts=100)
        expected = undisturbed.whole()
        example = Example("data", tmp_path / "killed", file=file, parts=100)
        seen = example.killed(lambda event: of("part", "step_progress")(event) and half_way(event))
        events = example.whole()
        assert events[: len(seen)] == seen
        assert shape(events) == shape(expected)
        [saved] = [e for e in events if of("part", "checkpoint_saved")(e)]
        assert saved["data"]["bytes"] > 0
        assert events[-1]["data"]["result"] == {"report": "report.json", "rows": 100_000}
        report = json.loads((example.folder / "report.json").read_text())
        assert report == json.loads((undisturbed.folder / "report.json").read_text())
        assert report["numbers"]["amount"]["mean"] == 49_999.5
        assert report["texts"]["city"]["commonest"][2] == ["Oslo, north", 33_333]
        assert report["texts"]["note"]["commonest"] == [["even", 50_000]]
        example.verified()

    def test_without_a_file_it_describes_this_python(
        self, tmp_path: Path, monkeypatch: Any
    ) -> None:
        monkeypatch.chdir(tmp_path)
        data.python_files(data.FILES)
        with open(data.FILES, newline="") as file:
            files = list(csv.DictReader(file))
        assert {"json", "asyncio"} <= {row["package"] for row in files}
        table = data.parts_of(data.FILES, 7)
        parts = [data.described(data.FILES, table["columns"], *each) for each in table["ranges"]]
        assert sum(part["rows"] for part in parts) == len(files)
        largest = max(part["columns"]["lines"]["most"] for part in parts)
        assert largest == max(int(row["lines"]) for row in files)

    def test_an_empty_table_has_no_parts(self, tmp_path: Path) -> None:
        assert data.parts_of(str(self.table(tmp_path / "none.csv", 0)), 4)["ranges"] == []


class TestFanout:
    def test_it_is_killed_twice_and_goes_on(self, tmp_path: Path) -> None:
        given = {"count": 300, "seconds": 0.02}
        expected = Example("fanout", tmp_path / "whole", **given).whole()
        example = Example("fanout", tmp_path / "killed", **given)
        for index in (7, 157):
            seen = example.killed(partial(is_letter, index))
        events = example.whole()
        assert events[: len(seen)] == seen
        assert shape(events) == shape(expected)
        assert events[-1]["data"]["result"] == {"delivered": 294, "late": 30, "dead": 6}
        letters = (example.folder / "dead-letters.jsonl").read_text().splitlines()
        assert sorted(json.loads(line)["index"] for line in letters) == [7, 57, 107, 157, 207, 257]
        assert {json.loads(line)["attempts"] for line in letters} == {1}
        example.verified()


class TestReview:
    @pytest.mark.parametrize(
        "where",
        [
            pytest.param(of("approval", "input_requested"), id="it asks"),
            pytest.param(of("summary", "step_output"), id="it speaks", marks=pytest.mark.slow),
        ],
    )
    def test_it_is_killed_while_and_asks_again(
        self, tmp_path: Path, model: str, where: Any
    ) -> None:
        expected = Example("review", tmp_path / "whole", model=model).approved()
        example = Example("review", tmp_path / "killed", model=model)
        seen = example.killed(where)
        events = example.approved()
        assert events[: len(seen)] == seen
        *tokens, done = outputs(events, "summary")
        assert done["text"] == "".join(token["text"] for token in tokens)
        assert len([e for e in events if e["event_type"] == "input_requested"]) == 1
        [told] = [e["result"] for e in outputs(events, "figures") if e["type"] == "tool_result"]
        assert (told["words"], told["sentences"], told["doubled"]) == (43, 3, ["the"])
        result = events[-1]["data"]["result"]
        assert result == expected[-1]["data"]["result"]
        assert result["summary"] == done["text"].strip()
        published = (example.folder / "published.md").read_text()
        assert published == f"> {result['summary']}\n\n{review.TEXT}"
        example.verified()

    def test_what_is_not_approved_is_not_published(self) -> None:
        async def life() -> Any:
            async with rxs.Engine() as engine:
                execution = await engine.start(refused().graph)
                while not execution.questions:  # noqa: ASYNC110  # virtual time
                    await asyncio.sleep(0.01)
                await execution.answer(execution.questions[0].request_id, False)
                return await execution.result()

        def refused() -> Pipeline:
            given = {"summary": "s", "figures": {"ease": 1}, "text": "t"}

            async def found(data: Any) -> Any:
                return given

            made = Pipeline("p").add(found).add(review.Approval, after="found")
            return made.add(review.publish, after="approval", when="approved")

        assert "published" not in run(life())

    def test_a_text_without_words_cannot_be_measured(self) -> None:
        with pytest.raises(Exception, match="there is no text to measure"):
            run(Pipeline("p").add(review.figures).run({"text": "..."}))
