"""What the page on replays says is what happens."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.shipped import ROOT

PAGE = ROOT.joinpath("docs", "replay.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
    )


def test_the_commands_and_the_test_of_the_page_work(tmp_path: Path) -> None:
    for block in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", block)
        if name:
            tmp_path.joinpath(name[1]).write_text(block)
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    *others, comparing = [run(tmp_path, "-m", *shlex.split(command)) for command in commands]
    assert [done.returncode for done in others] == [0, 0, 0]
    assert others[2].stdout.count('"event_type":"step_output"') == 12
    assert comparing.stdout == blocks("text")[0]
    assert comparing.returncode == 1
    tested = run(tmp_path, "-c", "import test_shop; test_shop.test_invoices_are_what_they_were()")
    assert tested.returncode == 0, tested.stderr
