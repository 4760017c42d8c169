"""Ctrl-C ends every command in under two seconds, whatever it is doing, and says so by its status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rxstream.adapters.cli import interruption, serve
from tests.adapters.cli.conftest import PATIENT
from tests.shipped import ROOT

INTERRUPT, TERMINATE = signal.SIGINT, signal.SIGTERM


@pytest.fixture(autouse=True)
def _graphs(graphs: Any) -> None: ...


def test_what_does_not_end_by_itself_is_ended_in_time() -> None:
    """The figures are the command's; that it keeps to them is tested where something hangs for a minute."""
    assert interruption.GRACE < 2
    assert serve._PATIENCE < 10


@pytest.mark.parametrize(("signum", "status"), [(INTERRUPT, 130), (TERMINATE, 143)])
def test_a_run_is_cancelled_and_its_ending_is_told(rxstream: Any, signum: int, status: int) -> None:
    arguments = ("run", "graphs.py:count", "-p", "delay=60", "--jsonl")
    running = rxstream.start(*arguments, limits=PATIENT)
    running.until(lambda r: r.events and r.events[-1]["event_type"] == "step_output")
    running.signal(signum)
    assert running.end() == status
    assert running.events[-1]["event_type"] == "pipeline_cancelled"
    assert running.said == []


@pytest.mark.parametrize("begun", [["-m", "rxstream"], ["rxstream"]])
def test_one_that_comes_while_it_is_still_imported_ends_it_without_a_word(
    begun: list[str], tmp_path: Path
) -> None:
    # what is imported first holds the import up until the signal has come
    held = tmp_path / "held"
    held.mkdir()
    (held / "reactivex.py").write_text("import sys, time\nprint(flush=True)\ntime.sleep(60)\n")
    (tmp_path / "rxstream").write_text("import rxstream.adapters.cli\n")
    with subprocess.Popen(
        [sys.executable, *begun],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(held), str(ROOT)))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(INTERRUPT)
        _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, b"")


@pytest.mark.parametrize("blocking", [False, True])
def test_a_signal_that_another_thread_was_given_ends_it_as_well(
    rxstream: Any, blocking: bool
) -> None:
    running = rxstream.start("run", "graphs.py:unheard", "-p", f"blocking={blocking}", "--jsonl")
    running.until(lambda r: r.err == b"here")
    running.signal(INTERRUPT)
    assert running.end() == 130
    assert blocking or running.events[-1]["event_type"] == "pipeline_cancelled"


@pytest.mark.parametrize("graph", ["blocks", "refuses_to_close"])
def test_code_that_does_not_return_does_not_hold_it(rxstream: Any, graph: str) -> None:
    running = rxstream.start("run", f"graphs.py:{graph}", "--jsonl")
    running.until(lambda r: r.events)
    running.signal(INTERRUPT)
    assert running.end() == 130
    assert running.said == []


def test_a_second_one_ends_it_at_once(rxstream: Any) -> None:
    running = rxstream.start("run", "graphs.py:refuses_to_close", "--jsonl", limits=PATIENT)
    running.until(lambda r: any(e["event_type"] == "step_output" for e in r.events))
    running.process.send_signal(INTERRUPT)
    running.until(lambda r: r.events[-1]["event_type"] != "step_output" or _handled(r))
    running.signal(INTERRUPT)
    assert running.end() == 130
    assert running.said == []


def _handled(running: Any) -> bool:
    """Whether the first signal is no longer pending, as the kernel tells it."""
    with open(f"/proc/{running.process.pid}/status", encoding="ascii") as file:
        pending = next(line for line in file if line.startswith("ShdPnd")).split()[1]
    return not int(pending, 16) & 1 << (INTERRUPT - 1)


def test_a_forked_copy_dies_by_its_own_signal_and_the_command_goes_on(rxstream: Any) -> None:
    running = rxstream.start("run", "graphs.py:forks", "--jsonl")
    assert running.end() == 0
    outputs = [e["data"] for e in running.events if e["event_type"] == "step_output"]
    assert outputs == [-signal.SIGTERM]


def test_while_a_target_is_imported(rxstream: Any) -> None:
    rxstream.write("slow.py", "import os, time\nos.write(2, b'here')\ntime.sleep(60)")
    running = rxstream.start("run", "slow.py:x", limits=PATIENT)
    running.until(lambda r: r.err == b"here")
    running.signal(INTERRUPT)
    assert (running.end(), running.out, running.err) == (130, b"", b"here")


@pytest.mark.parametrize(("signum", "status"), [(INTERRUPT, 130), (TERMINATE, 0)])
def test_a_server_ends_well_when_told(rxstream: Any, signum: int, status: int) -> None:
    """Ending by SIGTERM is what a server is for; Ctrl-C is told apart all the same."""
    arguments = ("serve", "graphs.py:count", "--port", "0", "--log", "memory:")
    server = rxstream.start(*arguments, limits=PATIENT)
    execution = server.execute("count", n=100, delay=60)
    watching = rxstream.start("watch", execution, "--url", server.url, "--jsonl")
    watching.until(lambda r: r.events)
    server.signal(signum)
    assert server.end() == status
    assert all(json.loads(line)["level"] == "info" for line in server.said)


def test_a_watch_ends_while_it_waits(rxstream: Any) -> None:
    server = rxstream.start("serve", "graphs.py:count", "--port", "0", "--log", "memory:")
    execution = server.execute("count", n=100, delay=60)
    arguments = ("watch", execution, "--url", server.url, "--jsonl")
    watching = rxstream.start(*arguments, limits=PATIENT)
    watching.until(lambda r: r.events)
    watching.signal(INTERRUPT)
    assert (watching.end(), watching.said) == (130, [])


def test_nobody_else_in_the_group_is_needed(rxstream: Any) -> None:
    """A terminal sends Ctrl-C to the whole group; the command must not wait for its children's deaths."""
    arguments = ("run", "graphs.py:count", "-p", "delay=60", "--jsonl")
    running = rxstream.start(*arguments, limits=PATIENT)
    running.until(lambda r: r.events)
    os.killpg(running.process.pid, INTERRUPT)
    assert running.end() == 130
