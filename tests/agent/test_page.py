"""What docs/agents.md shows works as it is written there, a scripted model standing for the local one."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from rxstream.agent import settings
from rxstream.models import Model, Question
from tests.agent.scripted import Line, Scripted, calls

PAGE = Path(__file__).parents[2] / "docs" / "agents.md"


class Local(Scripted):
    """Calls the first tool it is told of, then says a word."""

    def line(self, question: Question) -> Line:
        if any(message["role"] == "tool" for message in question.messages):
            return ["So it is."]
        given: dict[str, dict[str, Any]] = {
            "count_words": {"path": "notes.txt"},
            "pay": {"to": "Ada", "amount": 500},
        }
        (spec,) = question.tools
        return [calls(spec.name, **given[spec.name])]


def opened(name: str | Model, **options: Any) -> Model:
    assert name == "local:smollm2" or not isinstance(name, str)
    return Local() if isinstance(name, str) else name


def test_what_is_said_about_agents(
    tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "open_model", opened)
    Path("notes.txt").write_text("to be\nor not\n")
    printed: list[str] = []
    space: dict[str, Any] = {"__name__": "page"}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(code, str(PAGE), "exec"), space)
        printed.append(capsys.readouterr().out)
    first, tools, paid, steering, budget, crashes = printed
    assert "tool_output 1: 2\n" in first
    assert "done So it is." in first
    assert "'result': 'first\\nsecond\\n'" in tools
    assert "['fetch'] 1" in tools
    assert 'much money pay({"amount":500,"to":"Ada"})\n' in paid
    assert paid.endswith("So it is.\n")
    assert steering == budget == ""
    assert re.search(r"\d+ crashes\n", crashes)


@pytest.mark.parametrize("module", ["history", "transcript"])
def test_examples_in_docstrings_are_true(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"rxstream.agent.{module}"))
    assert (result.failed, result.attempted > 1) == (0, True)
