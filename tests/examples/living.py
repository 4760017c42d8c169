"""Runs an example with the real command, kills it where a test says, and reads what its log holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rxstream.adapters.cli import main
from tests.adapters.cli.terminals import Terminal

ROOT = Path(__file__).parents[2]
DEADLINE_S = 50.0

Event = dict[str, Any]


def environment() -> dict[str, str]:
    """Of a user who has rxstream from this tree."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": str(ROOT)}


class Example:
    """One example in a folder of its own."""

    def __init__(self, name: str, folder: Path, **data: Any) -> None:
        self.folder = folder
        folder.mkdir()
        self.command = [
            *(sys.executable, "-m", "rxstream", "run", f"rxstream.examples.{name}:pipeline"),
            *("--log", "events.db", "--jsonl"),
            *(f"-pdata.{key}={value}" for key, value in data.items()),
        ]

    @contextmanager
    def running(self, **streams: Any) -> Iterator[subprocess.Popen[str]]:
        """The command; it is killed when it is left."""
        process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=environment(),
            text=True,
            **(
                {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
                | streams
            ),
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def killed(self, when: Callable[[Event], bool]) -> list[Event]:
        """Run it until an event is seen, and kill it then; returns what was seen."""
        seen = []
        with self.running() as process:
            assert process.stdout is not None
            for line in process.stdout:
                seen.append(json.loads(line))
                if when(seen[-1]):
                    process.kill()
                    process.wait()
                    break
        assert process.returncode == -9, seen[-3:]
        return seen

    def whole(self) -> list[Event]:
        """Run it to its end; returns all events there ever were of it."""
        with self.running() as process:
            out, said = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, said
        return [json.loads(line) for line in out.splitlines()]

    def approved(self) -> list[Event]:
        """Run it at a terminal to its end, and say yes when it asks; returns all events."""
        terminal = Terminal()
        try:
            with self.running(stdin=terminal.slave, stderr=terminal.slave) as process:
                terminal.until("> ")
                terminal.type("yes\n")
                out, _ = process.communicate(timeout=DEADLINE_S)
        finally:
            terminal.close()
        assert process.returncode == 0, terminal.text
        return [json.loads(line) for line in out.splitlines()]

    def verified(self) -> None:
        """The log is as it was written."""
        assert main(["log", "verify", "--log", str(self.folder / "events.db")]) == 0


def shape(events: list[Event]) -> Any:
    """What has to be the same however often it was killed: starts, ends, results, and items in any order."""
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    kept: dict[str, list[str]] = {}
    for event in events:
        if event["event_type"] in (
            "step_start",
            "step_complete",
            "step_output",
            "pipeline_complete",
        ):
            data = event["data"]
            if isinstance(data, dict):
                data = {name: value for name, value in data.items() if name != "duration_ms"}
            told = kept.setdefault(f"{event['event_type']} {event['step_id']}", [])
            told.append(json.dumps(data, sort_keys=True))
    return {key: sorted(values) for key, values in kept.items()}
