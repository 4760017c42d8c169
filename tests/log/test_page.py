"""What docs/log.md shows works as it is written there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from rxstream.adapters.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "log.md"


async def test_the_engine_of_the_page_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    space: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), space)
    async with space["engine"] as engine:
        assert engine.log.retention.by_graph["clicks"].max_executions == 100


def test_the_commands_of_the_page_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for line in block.splitlines():
        words = shlex.split(line.partition(">")[0], comments=True)[1:]
        assert main([*words, "--help"]) == 0
        main(words)
        assert "there is no event log at" in capfd.readouterr().err
