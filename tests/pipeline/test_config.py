"""Pipelines from JSON and TOML files, and what is said of a file that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

import rxstream as rxs
from rxstream.errors import GraphError
from rxstream.failures import Budget
from rxstream.pipeline import SLO, Pipeline, Retry, Streaming
from rxstream.testing import run
from tests.pipeline.parts import data_of, events_of

WHOLE = """
name = "sums"
description = "Adds and doubles."
resumable = true
resources = { cpu = 1 }

[streaming]
enabled = true
emit_progress = false
buffer_size = 1000
flush_interval_ms = 100

[[steps]]
step = "tests.pipeline.units:Add"
config = { by = 5 }

[[steps]]
name = "small"
step = "tests.pipeline.units:double"
after = "add"
when = "tests.pipeline.units:is_small"
retry = 3
timeout = 5

[[steps]]
name = "each"
step = "tests.pipeline.units:double"
after = ["add"]
each = "numbers"
concurrency = 2
retry = { attempts = 2, first = 0, only = ["transient"], budget = { retries = 5, per_seconds = 1 } }

[[steps]]
name = "refuse"
step = "tests.pipeline.units:refuse"
when = "numbers"
fallback = { refused = true }

[[steps]]
name = "other"
step = "tests.pipeline.units:refuse"
after = "refuse"
fallback = "tests.pipeline.units:Nested.Add"
"""

SCHEMA = Path(__file__).parents[2] / "docs" / "pipeline.schema.json"


def written(folder: Path, text: str, name: str = "p.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def step(**settings: Any) -> str:
    """A JSON file of one step."""
    return json.dumps({"name": "p", "steps": [{"step": "tests.pipeline.units:Add", **settings}]})


class TestFile:
    def test_a_toml_file_is_a_whole_pipeline(self, tmp_path: Path) -> None:
        pipeline = Pipeline.from_file(written(tmp_path, WHOLE))
        assert pipeline.steps == ["add", "small", "each", "refuse", "other"]
        assert pipeline.streaming == Streaming(True, emit_progress=False)
        assert pipeline.graph.resources == {"cpu": 1}
        assert pipeline.graph.description == "Adds and doubles."

        async def result() -> Any:
            async with rxs.Engine(resources={"cpu": 1}) as engine:
                return await (
                    await engine.start(pipeline.graph, {"data": {"numbers": [1, 2]}})
                ).result()

        assert run(result()) == {
            "numbers": [1, 2],
            "n": 1,
            "doubled": 10,
            "each": [{"doubled": 2}, {"doubled": 4}],
            "refused": True,
        }

    def test_a_json_file_says_the_same(self, tmp_path: Path) -> None:
        pipeline = Pipeline.from_file(written(tmp_path, step(config={"by": 2}), "p.json"))
        assert run(pipeline.run({"n": 1})) == {"n": 3}
        assert data_of(events_of(pipeline), "step_output") == []  # not streaming is the default

    def test_what_a_file_says_may_be_given_as_it_is(self) -> None:
        said = json.loads(step(config={"by": 2}))
        assert run(Pipeline.from_config(said).run({"n": 1})) == {"n": 3}
        with pytest.raises(GraphError, match=r"config: steps\[0\].colour: there is no such"):
            Pipeline.from_config({**said, "steps": [{**said["steps"][0], "colour": 1}]})

    def test_a_name_may_be_a_title(self) -> None:
        made = Pipeline.from_config({**json.loads(step()), "name": "Nightly Report"})
        assert (made.name, made.description) == ("Nightly-Report", "Nightly Report")

    def test_a_byte_order_mark_is_no_matter(self, tmp_path: Path) -> None:
        path = tmp_path / "p.json"
        path.write_text(step(), "utf-8-sig")
        assert Pipeline.from_file(path).steps == ["add"]

    def test_what_it_promises_is_said_too(self, tmp_path: Path) -> None:
        promises = [{"metric": "SR", "at_least": 0.99, "window": 600, "name": "good"}]
        text = json.dumps({**json.loads(step()), "slos": promises})
        pipeline = Pipeline.from_file(written(tmp_path, text, "p.json"))
        assert pipeline.slos == (SLO("SR", at_least=0.99, window=600, name="good"),)
        both = text.replace('"window"', '"at_most": 1, "window"')
        with pytest.raises(
            GraphError, match=r"p\.json: slos\[0\]: SLO SR: give at_least or at_most"
        ):
            Pipeline.from_file(written(tmp_path, both, "p.json"))
        with pytest.raises(GraphError, match=r"slos\[0\]\.metric: input should be 'SR'"):
            Pipeline.from_file(written(tmp_path, text.replace("SR", "XX"), "p.json"))

    def test_retry_may_be_said_in_full(self, tmp_path: Path) -> None:
        plan = Pipeline.from_file(written(tmp_path, WHOLE)).graph.build()
        settings = plan.by_id["each"].spec.make().settings
        assert settings.retry == Retry(2, first=0, only=["transient"], budget=Budget(5, 1))
        assert plan.by_id["each"].where.endswith("p.toml: steps[2]")


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('name = "p"\nsteps = [}', "p.toml: .*line 2"),
            ('name = "p"', "p.toml: steps: field required"),
            ('name = "p"\nsteps = []', "p.toml: steps: list should have at least 1 item"),
            (f"{WHOLE}\nretry = 0", r"steps\[4\]: retry needs at least one attempt"),
            (
                f"{WHOLE}\nretry = {{ first = -1 }}",
                r"p.toml: steps\[4\].retry.first: input should be",
            ),
            (f"{WHOLE}\ncolour = 3", r"p.toml: steps\[4\].colour: there is no such setting"),
            (f'{WHOLE}\nconfig = {{ by = "x", z = 1 }}', r"steps\[4\].config: "),
        ],
    )
    def test_a_toml_file_is_refused_where_it_is_wrong(
        self, tmp_path: Path, text: str, said: str
    ) -> None:
        with pytest.raises(GraphError, match=said):
            Pipeline.from_file(written(tmp_path, text))

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            (
                {"step": "nothing.here:Step"},
                r"steps\[0\].step: 'nothing.here:Step' cannot be imported",
            ),
            (
                {"step": "tests.pipeline.units:Nope"},
                r"steps\[0\].step: tests.pipeline.units has no 'Nope'",
            ),
            ({"step": "tests.pipeline.units:CONSTANT"}, r"steps\[0\]: 'int' is not a step"),
            (
                {"step": "units"},
                r"steps\[0\].step: 'units' is no path to import: write module:name",
            ),
            (
                {"step": "tests.pipeline.broken:x"},
                r"steps\[0\].step: .* broken.py:3: ValueError: at",
            ),
            (
                {"when": "tests.pipeline.units:nope"},
                r"steps\[0\].when: tests.pipeline.units has no",
            ),
            ({"streaming": 1}, r"steps\[0\].streaming: there is no such setting"),
        ],
    )
    def test_a_step_is_refused_where_it_is_wrong(
        self, tmp_path: Path, settings: Any, said: str
    ) -> None:
        with pytest.raises(GraphError, match=said):
            Pipeline.from_file(written(tmp_path, step(**settings), "p.json"))

    def test_a_broken_json_file_says_its_line(self, tmp_path: Path) -> None:
        with pytest.raises(GraphError, match=r"p.json: .*line 2 column 1"):
            Pipeline.from_file(written(tmp_path, '{"name":\n', "p.json"))

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('{"name": "p", "name": "q"}', r"p.json: 'name' is said twice"),
            ('{"a":' * 9_000, r"p.json: it is nested too deep"),
            ('"p"', r"p.json: the file: it has to be a table, an object in JSON"),
            ('{"name": "prüf"}', r"p.json: name: 'prüf' is no name: use letters"),
            (step(after="add"), r"p.json: steps of pipeline 'p' go in a circle: add → add"),
            (step(after="x"), r"p.json: steps\[0\]\) comes after 'x'"),
            (
                step()[:-1] + ', "result": "x"}',
                r"p.json: the result of pipeline 'p' is that of 'x'",
            ),
            (step()[:-1] + ', "resources": {"gpu": 0}}', r"p.json: resources.gpu: input should be"),
            (
                step()[:-1] + ', "streaming": {"flush_interval_ms": Infinity}}',
                r"p.json: streaming needs a flush",
            ),
        ],
    )
    def test_a_json_file_is_refused_where_it_is_wrong(
        self, tmp_path: Path, text: str, said: str
    ) -> None:
        with pytest.raises(GraphError, match=said):
            Pipeline.from_file(written(tmp_path, text, "p.json"))

    def test_two_steps_of_one_name_are_refused_by_place(self, tmp_path: Path) -> None:
        twice = '[[steps]]\nstep = "tests.pipeline.units:Add"\n' * 2
        with pytest.raises(
            GraphError, match=r"two steps named 'add': at .*steps\[0\] and at .*\[1\]"
        ):
            Pipeline.from_file(written(tmp_path, f'name = "p"\n{twice}'))

    def test_a_file_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(GraphError, match=r"none\.toml cannot be read"):
            Pipeline.from_file(tmp_path / "none.toml")


class TestSchema:
    def test_the_published_schema_is_the_one_that_is_used(self) -> None:
        assert json.loads(SCHEMA.read_text()) == Pipeline.schema()

    def test_it_takes_what_is_read_and_refuses_what_is_not(self) -> None:
        import tomllib

        validator = jsonschema.Draft202012Validator(Pipeline.schema())
        assert list(validator.iter_errors(tomllib.loads(WHOLE))) == []
        assert list(validator.iter_errors(json.loads(step(streaming=1)))) != []
