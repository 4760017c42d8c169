"""What docs/tools.md shows of files and screenshots works as it is written there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.tools.filing import lay

PAGE = Path(__file__).parents[3] / "docs" / "tools.md"


def blocks(title: str) -> list[str]:
    """The Python of one section."""
    _, _, rest = PAGE.read_text().partition(f"\n## {title}\n")
    return re.findall(r"```python\n(.*?)```", rest.partition("\n## ")[0], re.DOTALL)


def test_what_is_said_about_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lay(tmp_path, {"project/a.py": "x = 1\ndef main():\n    pass\n", "project/app.log": "one\n"})
    space: dict[str, Any] = {}
    for code in blocks("files"):
        exec(compile(code, str(PAGE), "exec"), space)
    said = capsys.readouterr().out
    assert "     2: def main():" in said
    assert "one" in said
    assert "end of file" in said


def test_what_is_said_about_screenshots() -> None:
    space: dict[str, Any] = {}
    [made] = blocks("screenshot")
    exec(compile(made, str(PAGE), "exec"), space)
    tool = space["screenshot"]
    assert tool.settings.approval is True
    _, _, rest = PAGE.read_text().partition("\n## screenshot\n")
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", rest, re.MULTILINE))))
    assert named == set(tool.spec.parameters["properties"])


def test_every_argument_of_the_file_tools_is_told() -> None:
    space: dict[str, Any] = {}
    exec("from rxstream.adapters import tools\nmade = tools.files('.')", space)
    _, _, rest = PAGE.read_text().partition("\n## files\n")
    for tool in space["made"]:
        [row] = re.findall(rf"^\| `{tool.name}` \| (.*?) \|", rest, re.MULTILINE)
        named = set(re.findall(r"`([a-z_]+)`", row))
        assert named == set(tool.spec.parameters["properties"]), tool.name
