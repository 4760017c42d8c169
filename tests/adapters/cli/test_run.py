"""`rxstream run`: the result or the events on stdout, the rest on stderr, the status by how it ended."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import Any

import psutil
import pytest


@pytest.fixture(autouse=True)
def _graphs(graphs: Any) -> None: ...


def test_the_result_is_all_that_stdout_gets(rxstream: Any) -> None:
    running = rxstream.start_anew("run", "graphs.py:count", "-p", "n=5")
    assert (running.end(), running.out) == (0, b"4\n")
    said = running.said
    assert said[0].startswith("count ")
    assert said[0].endswith(" started")
    assert said[-1].startswith("completed in ")


def test_a_graph_with_its_parameters_given_runs(rxstream: Any) -> None:
    assert rxstream.run("run", "graphs:bound")[:2] == (0, "1\n")
    assert rxstream.run("run", "graphs:bound", "-p", "n=7")[:2] == (0, "6\n")


def test_who_made_the_others_wait_is_told_at_the_end(rxstream: Any) -> None:
    status, out, said = rxstream.run("run", "graphs.py:slow")
    assert (status, out) == (0, "5\n")
    assert said[-1].startswith("rxstream: 'classify' (at ")
    assert " makes 'numbers' wait: its queue of 1 was full " in said[-1]


def test_jsonl_is_every_event_and_nothing_else(rxstream: Any) -> None:
    running = rxstream.start("run", "graphs.py:prints", "--jsonl")
    assert running.end() == 0
    events = running.events
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["event_type"] == "pipeline_start"
    assert events[-1]["event_type"] == "pipeline_complete"
    assert running.said == ["noise"]


def test_jsonl_comes_as_it_happens(rxstream: Any) -> None:
    running = rxstream.start("run", "graphs.py:count", "-p", "delay=60", "--jsonl")
    running.until(lambda r: r.events and r.events[-1]["event_type"] == "step_output")
    assert running.process.poll() is None


def test_a_failed_execution_is_one_line_and_status_1(rxstream: Any) -> None:
    status, out, said = rxstream.run("run", "graphs.py:breaks")
    assert (status, out) == (1, "")
    assert said[-1].startswith("rxstream: execution ")
    assert "'numbers'" in said[-1]
    assert said[-1].endswith(": no more")
    assert not any("Traceback" in line for line in said)


def test_jsonl_of_a_failed_execution_ends_with_its_error(rxstream: Any) -> None:
    running = rxstream.start("run", "graphs.py:breaks", "--jsonl")
    assert running.end() == 1
    assert running.events[-1]["event_type"] == "pipeline_error"
    assert len(running.said) == 1


@pytest.mark.parametrize("delay", ["0", "60"])
def test_a_reader_that_leaves_ends_it_quietly(rxstream: Any, delay: str) -> None:
    """Also when nothing more would have been written for a minute."""
    running = rxstream.start(
        "run", "graphs.py:count", "-p", "n=100000", "-p", f"delay={delay}", "--jsonl"
    )
    head = subprocess.Popen(
        ["head", "-1"], stdin=running.process.stdout, stdout=subprocess.PIPE, text=True
    )
    running.process.stdout.close()
    out, _ = head.communicate(timeout=20)
    assert json.loads(out)["event_type"] == "pipeline_start"
    assert (running.end(), running.said) == (141, [])


@pytest.mark.slow
def test_a_slow_reader_slows_the_run_and_loses_nothing(rxstream: Any) -> None:
    """Nothing is read until the run stands still, having filled half of what the log may hold."""
    running = rxstream.start("run", "graphs.py:large", "-p", "n=40000", "--jsonl")
    wait_until_it_stands_still(running.process)
    # an event without a number is a gap, and shows as None
    numbers = [number_of(line) for line in running.process.stdout]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 40_000
    assert running.end() == 0


def number_of(line: bytes) -> int | None:
    found = re.search(rb'"sequence":(\d+)', line)
    return int(found[1]) if found else None


def wait_until_it_stands_still(process: subprocess.Popen[bytes]) -> None:
    """Until it holds 100 MB of events and used no time for half a second."""
    seen = psutil.Process(process.pid)
    deadline = time.monotonic() + 30
    worked = 0.0
    while time.monotonic() < deadline:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)  # it must not end before it was read
        before, worked = worked, sum(seen.cpu_times()[:2])
        if seen.memory_info().rss > 100e6 and worked - before < 0.02:
            return
    raise AssertionError(f"still working after {worked} s")


def test_v_shows_what_happens_inside_with_the_execution_id(rxstream: Any) -> None:
    running = rxstream.start("run", "graphs.py:count", "--jsonl", "-v")
    assert running.end() == 0
    records = [json.loads(line) for line in running.said]
    started = next(record for record in records if record["event"] == "execution started")
    assert started["execution_id"] == running.events[0]["execution_id"]
    assert started["level"] == "info"
