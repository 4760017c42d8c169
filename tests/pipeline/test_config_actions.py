"""Actions of plugins as steps of a pipeline's file, and what is said of those that cannot be."""

from __future__ import annotations

import asyncio
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from rxstream.errors import GraphError
from rxstream.pipeline import Pipeline
from rxstream.plugins import Access, PluginManager
from rxstream.testing import crash_everywhere, run
from tests.pipeline.acting import Acting
from tests.pipeline.parts import data_of, events_of

SUMS = """
name = "sums"
plugins = ["tests.pipeline.acting:Acting", "./extra", "one.py"]
streaming = { enabled = true }

[[steps]]
action = "acting.count"
params = { every = 0 }
params_from = { to = "most" }

[[steps]]
action = "acting.sums"
params_from = { numbers = "count" }
after = "count"

[[steps]]
name = "hello"
action = "greeting.say"
retry = 2
timeout = 5

[[steps]]
action = "one.one"
"""

PLUGIN = """
from rxstream.plugins import Plugin, action

class {name}(Plugin):
    @action
    async def {action}(self):
        return "{action}"
"""

SCHEMA = jsonschema.Draft202012Validator(Pipeline.schema())


def written(folder: Path, text: str, name: str = "p.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def step(**settings: Any) -> dict[str, Any]:
    return {"name": "p", "plugins": ["tests.pipeline.acting"], "steps": [settings]}


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with plugins in it."""
    (tmp_path / "extra").mkdir()
    written(tmp_path / "extra", PLUGIN.format(name="Greeting", action="say"), "greeting.py")
    written(tmp_path, PLUGIN.format(name="One", action="one"), "one.py")
    return tmp_path


class TestFile:
    def test_steps_are_actions_of_the_plugins_it_names(self, beside: Path) -> None:
        pipeline = Pipeline.from_file(written(beside, SUMS))
        events = events_of(pipeline, {"most": 3})
        assert data_of(events, "step_output", "count") == [0, 1, 2]
        assert events[-1].data["result"] == {
            **{"most": 3, "count": [0, 1, 2], "total": 3},
            **{"hello": "say", "one": "one"},
        }
        assert list(SCHEMA.iter_errors(tomllib.loads(SUMS))) == []

    def test_installed_plugins_are_there_by_themselves(self, tmp_path: Path) -> None:
        rows = written(tmp_path, "n\n1\n2\n", "rows.csv")
        said = {"name": "p", "steps": [{"action": "data.profile", "params": {"path": str(rows)}}]}
        pipeline = Pipeline.from_file(written(tmp_path, json.dumps(said), "p.json"))
        result = run(pipeline.run())
        assert (result["rows"], result["done"]) == (2, True)

    def test_a_crash_anywhere_changes_nothing(self, tmp_path: Path) -> None:
        rows = written(tmp_path, "n\n" + "7\n" * 40, "rows.csv")
        params = {"path": str(rows), "every": 10}
        said = {
            "name": "p",
            "resumable": True,
            "streaming": {"enabled": True, "flush_interval_ms": 0},
            "steps": [{"action": "data.profile", "params": params}],
        }
        pipeline = Pipeline.from_file(written(tmp_path, json.dumps(said), "p.json"))
        assert crash_everywhere(pipeline.graph) > 4

    def test_plugins_may_be_given(self, beside: Path) -> None:
        said = {"name": "p", "steps": [{"action": "greeting.say"}]}
        path = written(beside, json.dumps(said), "p.json")
        assert run(Pipeline.from_file(path, [beside / "extra"]).run()) == {"say": "say"}
        manager = PluginManager()
        manager.load(beside / "extra")
        assert run(Pipeline.from_file(path, manager).run()) == {"say": "say"}

    def test_a_manager_that_is_given_keeps_its_rules_and_what_it_has(self, tmp_path: Path) -> None:
        said = step(action="acting.square", params={"number": 2})
        path = written(tmp_path, json.dumps(said), "p.json")
        manager = PluginManager()
        for _ in range(2):  # the second time its plugins are loaded already
            assert run(Pipeline.from_file(path, manager).run()) == {"square": 4}
        with pytest.raises(GraphError, match=r"steps\[0\].action: action acting.square is not al"):
            Pipeline.from_file(path, PluginManager(access=Access(deny=("*",))))

    def test_what_is_not_installed_is_not_looked_for_when_a_manager_is_given(
        self, tmp_path: Path
    ) -> None:
        said = {"name": "p", "steps": [{"action": "data.profile"}]}
        path = written(tmp_path, json.dumps(said), "p.json")
        with pytest.raises(GraphError, match="no plugin 'data' is loaded; there are none"):
            Pipeline.from_file(path, PluginManager())

    def test_the_file_on_the_page_profiles_a_file(self, tmp_path: Path) -> None:
        page = Path(__file__).parents[2] / "docs" / "pipelines.md"
        text = page.read_text().partition("```toml\n")[2].partition("```")[0]
        profiling = text[text.index("[[steps]]\naction") :]
        path = written(tmp_path, f'name = "p"\n{profiling}')
        rows = written(tmp_path, "n\n1\n3\n", "rows.csv")
        result = run(Pipeline.from_file(path).run({"file": str(rows)}))
        assert list(result["columns"]["n"]["quantiles"]) == ["0.5"]


class TestErrors:
    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({}, r"steps\[0\]: say what it is: either step or action"),
            (
                {"step": "tests.pipeline.units:Add", "action": "acting.rows"},
                r"steps\[0\]: say what it is: either step or action",
            ),
            (
                {"step": "tests.pipeline.units:Add", "params": {}},
                r"steps\[0\].params: only an action",
            ),
            (
                {"step": "tests.pipeline.units:Add", "params_from": {}},
                r"steps\[0\].params_from: only an action",
            ),
            ({"action": "acting.rows", "config": {}}, r"steps\[0\].config: only a step has it"),
            ({"action": "acting"}, r"steps\[0\].action: 'acting' is no action"),
            ({"action": "acting.nope"}, r"steps\[0\].action: plugin 'acting' has no action 'nope'"),
            ({"action": "nobody.acts"}, r"steps\[0\].action: no plugin 'nobody' is loaded"),
            (
                {"action": "acting.count", "params": {"to": "x"}},
                r"steps\[0\].params: to: input should be a valid integer",
            ),
            ({"action": "acting.count"}, r"steps\[0\].params: to is missing"),
            (
                {"action": "acting.count", "params_from": {"to": 3}},
                r"steps\[0\].params_from.to: input should be a valid string",
            ),
        ],
    )
    def test_a_step_is_refused_where_it_is_wrong(
        self, tmp_path: Path, settings: Any, said: str
    ) -> None:
        with pytest.raises(GraphError, match=said):
            Pipeline.from_file(written(tmp_path, json.dumps(step(**settings)), "p.json"))

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"step": "tests.pipeline.units:Add", "action": "acting.rows"},
            {"step": "tests.pipeline.units:Add", "params": {}},
            {"action": "acting.rows", "config": {}},
            {"action": "acting"},
        ],
    )
    def test_the_schema_refuses_it_too(self, settings: Any) -> None:
        assert list(SCHEMA.iter_errors(step(**settings))) != []

    @pytest.mark.parametrize(
        ("place", "said"),
        [
            (
                "no_such_module",
                r"plugins\[0\]: module no_such_module cannot be loaded: ModuleNotFound",
            ),
            ("./nowhere", r"plugins\[0\]: .*nowhere is no folder"),
            ("./broken.py", r"plugins\[0\]: file .*broken.py cannot be loaded: ZeroDivisionError"),
        ],
    )
    def test_a_plugin_that_cannot_be_loaded_is_said_where_it_is_named(
        self, tmp_path: Path, place: str, said: str
    ) -> None:
        written(tmp_path, "1 / 0", "broken.py")
        text = json.dumps({**step(action="acting.rows"), "plugins": [place]})
        with pytest.raises(GraphError, match=said):
            Pipeline.from_file(written(tmp_path, text, "p.json"))

    def test_places_that_are_given_are_said_too(self, tmp_path: Path) -> None:
        path = written(tmp_path, json.dumps(step(action="acting.rows")), "p.json")
        with pytest.raises(GraphError, match="plugins: module nope cannot be loaded"):
            Pipeline.from_file(path, "nope")

    def test_two_actions_of_one_name_are_refused_by_place(self, tmp_path: Path) -> None:
        said = step(action="acting.rows")
        said["steps"] *= 2
        with pytest.raises(GraphError, match=r"two steps named 'rows': at .*steps\[0\] and at"):
            Pipeline.from_file(written(tmp_path, json.dumps(said), "p.json"))


async def test_the_command_runs_such_a_file(beside: Path) -> None:
    path = written(beside, SUMS)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rxstream", "run", str(path), "-p", 'data={"most": 2}'),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert '"total":1' in output.decode().replace(" ", "")


def test_the_version_that_was_loaded_is_kept(tmp_path: Path) -> None:
    manager = PluginManager()
    manager.load(Acting)
    said = {"name": "p", "steps": [{"action": "acting.square", "params": {"number": 3}}]}
    pipeline = Pipeline.from_file(written(tmp_path, json.dumps(said), "p.json"), manager)
    manager.unload("acting")
    assert run(pipeline.run()) == {"square": 9}
