"""What docs/tools.md shows of `bash`, the sandbox and `http_get` works as it is written there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "tools.md"


def section(title: str) -> str:
    """The code of one section."""
    text = PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return str(code)


@pytest.mark.usefixtures("boundary")
def test_what_is_said_of_bash_the_sandbox_and_http_get(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("project").mkdir()
    space: dict[str, Any] = {}
    exec(compile(section("bash"), str(PAGE), "exec"), space)
    said = capsys.readouterr().out
    assert "begun" in said
    assert "'exit_code': 3" in said or '"exit_code":3' in said
    exec(compile(section("The sandbox"), str(PAGE), "exec"), space)
    assert capsys.readouterr().out.startswith("0 42\n None\n")
    exec(compile(section("http_get"), str(PAGE), "exec"), space)
    assert "*.python.org" in capsys.readouterr().out
