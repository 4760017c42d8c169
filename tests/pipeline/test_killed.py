"""A pipeline whose process was killed goes on in the next one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import rxstream as rxs
from rxstream.events import StreamEvent
from tests.pipeline.parts import data_of

PROGRAM = Path(__file__).with_name("living.py")
DEADLINE_S = 30.0


def live(log: Path, notes: Path, dies: str) -> int:
    """Let a process live until it kills itself in a call, or to its end."""
    command = [sys.executable, str(PROGRAM), str(log), str(notes), dies]
    return subprocess.run(command, timeout=DEADLINE_S, check=False).returncode


async def events_in(log: Path) -> list[StreamEvent]:
    async with rxs.Engine(str(log)) as engine:
        [record] = await engine.records()
        return await engine.log.read(record.execution_id)


async def test_killed_twice_it_runs_no_finished_step_again_and_shows_nothing_twice(
    tmp_path: Path,
) -> None:
    log, notes = tmp_path / "events.db", tmp_path / "notes"
    assert live(log, notes, "call alone") == -9
    assert live(log, notes, "call 1") == -9
    assert live(log, notes, "none") == 0
    events = await events_in(log)
    names = ["call alone", "call 0", "call 1"]
    shown = [f"{name}: {number}" for name in names for number in range(10)]
    assert data_of(events, "step_output") == shown
    assert events[-1].data["result"]["call alone"] is True
    called = notes.read_text().split("\n")
    assert called[:-1] == ["call alone", "call alone", "call 0", "call 1", "call 1"]
    assert [e.sequence for e in events] == list(range(1, len(events) + 1))
