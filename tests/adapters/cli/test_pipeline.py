"""Pipelines from files are targets like any graph."""

from __future__ import annotations

import json
from typing import Any

import pytest

STEPS = """
from rxstream import Pipeline, Step


class Count(Step):
    async def run(self, data):
        for n in range(data.get("n", 3)):
            await self.emit(n)
        return {"counted": data.get("n", 3)}


class Draw(Step):
    resources = {"gpu": 1}

    async def run(self, data):
        return {"drawn": True}


async def fail(data):
    raise OSError("no disk")


counting = Pipeline("counting").add(Count)
round = Pipeline("round").add(fail, name="a", after="b").add(fail, name="b", after="a")
"""

FILE = """
name = "counts"

[streaming]
enabled = true

[[steps]]
step = "steps:Count"
"""


@pytest.fixture(autouse=True)
def _files(rxstream: Any) -> None:
    rxstream.write("flows/steps.py", STEPS)
    rxstream.write("flows/counts.toml", FILE)
    rxstream.write("flows/broken.py", "raise ValueError('no luck')")


def test_a_toml_file_runs_and_prints_its_result(rxstream: Any) -> None:
    status, out, said = rxstream.run("run", "flows/counts.toml", "-p", 'data={"n": 2}')
    assert (status, json.loads(out)) == (0, {"n": 2, "counted": 2})
    assert said[-1].startswith("completed in ")


def test_its_events_are_those_of_any_graph(rxstream: Any) -> None:
    running = rxstream.start("run", "flows/counts.toml", "--jsonl")
    assert running.end() == 0
    told = [event["event_type"] for event in running.events]
    assert told == [
        "pipeline_start",
        "step_start",
        *["step_output"] * 3,
        "step_complete",
        "pipeline_complete",
    ]


def test_a_json_file_that_fails_has_status_1(rxstream: Any) -> None:
    file = {"name": "fails", "steps": [{"step": "steps:fail", "retry": 2}]}
    rxstream.write("flows/fails.json", json.dumps(file))
    status, out, said = rxstream.run("run", "flows/fails.json")
    assert (status, out) == (1, "")
    assert said[-1].endswith("node 'fail' (at flows/fails.json: steps[0]): no disk")


def test_a_pipeline_in_python_is_a_target_too(rxstream: Any) -> None:
    assert rxstream.run("run", "flows/steps.py:counting")[:2] == (0, '{"counted":3}\n')
    status, out, _ = rxstream.run("graph", "flows/counts.toml")
    assert status == 0
    assert "count" in out


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("flows/none.toml", "target 'flows/none.toml': there is no file flows/none.toml"),
        ("flows/wrong.json", "flows/wrong.json: steps[0].each: input should be a valid string"),
        ("flows/steps.py:round", "steps of pipeline 'round' go in a circle: a → b → a; take one `after` "
                                 "away"),
        ("flows/raises.json", "flows/raises.json: steps[0].step: 'broken:Step' cannot be imported: "
                              "broken.py:1: ValueError: no luck"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_line(rxstream: Any, target: str, line: str) -> None:
    wrong = {"name": "p", "steps": [{"step": "steps:Count", "each": 3}]}
    rxstream.write("flows/wrong.json", json.dumps(wrong))
    raises = {"name": "p", "steps": [{"step": "broken:Step"}]}
    rxstream.write("flows/raises.json", json.dumps(raises))
    assert rxstream.run("run", target) == (2, "", [f"rxstream: {line}"])


def test_what_a_step_needs_is_given_on_the_command_line(rxstream: Any) -> None:
    rxstream.write("flows/draws.toml", 'name = "draws"\n[[steps]]\nstep = "steps:Draw"\n')
    status, out, said = rxstream.run("run", "flows/draws.toml")
    assert (status, out) == (2, "")
    assert said[0].endswith(
        "draw (step) needs it: give the engine as much, by Engine(resources=…) or --resource NAME=AMOUNT"
    )
    status, out, said = rxstream.run("run", "flows/draws.toml", "--resource", "gpu=1")
    assert (status, json.loads(out)) == (0, {"drawn": True})
