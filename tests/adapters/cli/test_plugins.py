"""`rxstream plugins` lists what there is, says what is broken, and begins a new plugin that works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]

SOUND = '''
print("imported")
from collections.abc import Iterator
from rxstream import operators as ops
from rxstream.plugins import Plugin, action

class Sound(Plugin):
    """Makes noise."""

    version = "2"
    operators = {"louder": lambda: ops.map(str.upper)}

    @action(resumable=True, resources={"speaker": 1})
    def play(self, tune: str, times: int = 1) -> Iterator[str]:
        """Plays a tune."""
        yield tune
'''


@pytest.fixture
def folder(rxstream: Any) -> Path:
    place = Path(rxstream.folder) / "mine"
    place.mkdir()
    place.joinpath("sound.py").write_text(SOUND)
    return place


def test_plugins_are_listed_with_what_they_can_do(rxstream: Any, folder: Path) -> None:
    status, out, said = rxstream.run("plugins", "--folder", "mine")
    assert (status, said) == (0, ["imported"])
    assert "sound 2: Makes noise.\n" in out
    assert (
        "  sound.play(tune, times=…) [streams, resumable, needs 1 speaker]: Plays a tune.\n" in out
    )
    assert "  operators: louder\n" in out


def test_json_holds_what_is_known_and_broken_ones_make_the_status_1(
    rxstream: Any, folder: Path
) -> None:
    folder.joinpath("bad.py").write_text("import nowhere")
    status, out, said = rxstream.run("plugins", "--json", "--folder", "mine", "--module", "json")
    data = json.loads(out)
    [sound] = [plugin for plugin in data["plugins"] if plugin["name"] == "sound"]
    assert sound["actions"][0]["parameters"]["required"] == ["tune"]
    assert [broken["name"] for broken in data["broken"]] == ["json", "bad"]
    assert status == 1
    assert any("plugin bad is broken" in line and "nowhere" in line for line in said)


def test_a_new_plugin_passes_its_tests_and_is_found(rxstream: Any) -> None:
    status, out, said = rxstream.run("plugins", "new", "rain-gauge")
    assert (status, said) == (0, [])
    assert out.split() == [
        "rain-gauge/pyproject.toml",
        "rain-gauge/rain_gauge.py",
        "rain-gauge/test_rain_gauge.py",
    ]
    place = Path(rxstream.folder) / "rain-gauge"
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert "2 passed" in tested.stdout, tested.stdout + tested.stderr
    status, out, said = rxstream.run("plugins", "--folder", "rain-gauge")
    assert (status, said) == (0, [])
    assert "rain_gauge.count(upto=…) [streams, resumable]" in out


def test_a_new_plugin_needs_a_name_that_is_free_and_fits(rxstream: Any, folder: Path) -> None:
    status, out, said = rxstream.run("plugins", "new", "mine")
    assert (status, out) == (2, "")
    assert "mine is there already" in said[0]
    for name in ("Upper", "1st", "class", "../up", "json", "data"):
        assert rxstream.run("plugins", "new", name)[0] == 2
    assert sorted(path.name for path in Path(rxstream.folder).iterdir()) == ["mine"]
