"""`rxstream replay` shows a recorded execution again, or compares what a graph makes of its input."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any

import pytest

from rxstream.adapters.cli import main
from rxstream.adapters.logs import SQLiteLog
from rxstream.events import Draft
from tests.replay.parts import end, output, recorded

SHOP = """
import rxstream as rxs
from rxstream import operators as ops

def prices():
    print("opened")
    yield from [0, 10, 20, 30]

@rxs.graph
def gross(rate: float = 1.5):
    prices_ = rxs.source(prices).named("prices")
    return {"prices": prices_, "gross": prices_.pipe(ops.map(lambda p: p * rate))}

@rxs.graph
def strict(rate: float = 1.5):
    prices_ = rxs.source(prices).named("prices")
    paid = prices_.pipe(ops.filter(lambda p: p), ops.map(lambda p: p * rate + (p == 20)))
    return {"prices": prices_, "gross": paid}

@rxs.graph
def unpublished():
    return rxs.source(prices).named("prices").pipe(ops.map(lambda p: p * 1.5)).named("gross")

@rxs.graph
def lists(window: float):
    ticks = rxs.interval(60).take(5).named("ticks")
    return {"ticks": ticks, "lists": ticks.pipe(ops.buffer_with_time(window))}
"""


@pytest.fixture(autouse=True)
def _graphs(graphs: Any, rxstream: Any) -> None:
    rxstream.write("shop.py", SHOP)


def ran(rxstream: Any, target: str, *options: str) -> str:
    """Runs a graph into events.db; the execution's id."""
    status, _, said = rxstream.run("run", target, *options, "--log", "events.db")
    assert status in (0, 1)
    started = next(line for line in said if line.endswith(" started"))
    return str(started.split()[1])


def written(rxstream: Any, *drafts: Draft, **params: Any) -> None:
    """Puts an execution with these events into events.db, without running anything."""

    async def write() -> None:
        log = await recorded(*drafts, log=SQLiteLog(rxstream.folder / "events.db"), **params)
        await log.close()

    asyncio.run(write())


@pytest.fixture
def shop(rxstream: Any) -> None:
    """What the graph `gross` records."""
    prices = [output(0, n, "prices") for n in (0, 10, 20, 30)]
    paid = [output(0, n * 1.5, "gross") for n in (0, 10, 20, 30)]
    written(rxstream, *prices, *paid, end(0))


def replayed(rxstream: Any, *arguments: str) -> tuple[int, str, list[str]]:
    found: tuple[int, str, list[str]] = rxstream.run("replay", *arguments, "--log", "events.db")
    return found


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_it_shows_what_the_run_showed(rxstream: Any) -> None:
    run = rxstream.run("run", "graphs.py:count", "--log", "events.db")
    again = replayed(rxstream, "last")
    assert again[:2] == run[:2] == (0, "2\n")
    assert again[2] == run[2]


def test_jsonl_is_every_event_marked_as_told_again(rxstream: Any) -> None:
    written(rxstream, *(output(0, n) for n in range(5)), end(0))
    status, out, _ = replayed(rxstream, "last", "--jsonl")
    assert status == 0
    assert [event["sequence"] for event in lines(out)] == list(range(1, len(lines(out)) + 1))
    assert all(event["metadata"]["replayed"] for event in lines(out))


def test_a_part_can_be_chosen_and_begun_at_any_event(rxstream: Any) -> None:
    rows = [output(0, {"row": n}, "rows") for n in range(5)]
    written(rxstream, output(0, "noise", "model"), *rows, output(0, "noise", "model"), end(0))
    execution = "last"
    chosen = lines(
        replayed(rxstream, execution, "--jsonl", "--step", "rows", "--type", "step_output")[1]
    )
    assert [event["data"] for event in chosen[:-1]] == [{"row": n} for n in range(5)]
    assert chosen[-1]["event_type"] == "pipeline_complete"
    after = lines(replayed(rxstream, execution, "--jsonl", "--after", chosen[-2]["cursor"])[1])
    assert after[0]["sequence"] == chosen[-2]["sequence"] + 1
    nothing = replayed(rxstream, execution, "--jsonl", "--after", chosen[-1]["cursor"])
    assert nothing == (0, "", [f"nothing was recorded after {chosen[-1]['cursor']}"])


def test_a_failed_execution_ends_the_replay_as_it_ended(rxstream: Any) -> None:
    execution = ran(rxstream, "graphs.py:breaks")
    status, out, said = replayed(rxstream, execution, "--speed", "100")
    assert (status, out) == (1, "")
    assert said[-1].startswith(f"rxstream: execution {execution} failed")


def test_a_running_execution_of_a_server_is_followed_to_its_end(rxstream: Any) -> None:
    server = rxstream.start("serve", "graphs.py:count", "--port", "0", "--log", "events.db")
    execution = server.execute("count", n=60, delay=0.01)
    status, out, _ = replayed(rxstream, execution, "--jsonl", "--type", "step_output")
    assert status == 0
    assert [event["data"] for event in lines(out)[:-1]] == list(range(60))


def test_an_execution_whose_process_died_is_shown_as_far_as_it_came(rxstream: Any) -> None:
    running = rxstream.start(
        "run", "graphs.py:count", "-p", "delay=60", "--jsonl", "--log", "events.db"
    )
    running.until(lambda r: r.events and r.events[-1]["event_type"] == "step_output")
    os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()
    status, out, said = replayed(rxstream, "last", "--jsonl")
    assert (status, lines(out)[-1]["data"]) == (1, 0)
    assert "has not ended and nobody writes" in said[-1]


def test_wrong_usage_is_one_line_and_status_2(
    rxstream: Any, shop: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(rxstream.folder)
    for arguments, expected in WRONG.items():
        log = () if "--log" in arguments else ("--log", "events.db")
        assert main(["replay", *arguments.split(), *log]) == 2
        said = capfd.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert expected in said.err


WRONG = {
    "nobody": "no execution has the id 'nobody'",
    "last --type token": "--type token: events are of the types",
    "last --speed 0": "it must be more than 0",
    "last --after x": "is not a cursor",
    "last --diff": "--diff is for a replay with --through TARGET",
    "last --through shop.py:gross --step a": "--step is for a replay without",
    "last --through shop.py:nothing": "has no 'nothing'",
    "last --through shop.py:gross -p rate=much": "rate",
    "last --log other.db": "there is no event log at",
}


# -- through a graph --------------------------------------------------------------------------------


def test_what_a_run_recorded_can_be_fed_again_and_no_source_is_opened(rxstream: Any) -> None:
    ran(rxstream, "shop.py:gross", "-p", "rate=2")
    found = replayed(rxstream, "last", "--through", "shop.py:gross", "--diff")
    assert found == (0, "gross: 4 same\n", [])


def test_each_difference_is_a_line_and_status_1(rxstream: Any, shop: None) -> None:
    status, out, _ = replayed(rxstream, "last", "--through", "shop.py:strict", "--diff")
    assert status == 1
    assert out.splitlines() == [
        "- gross[0] 0.0",
        "~ gross[2] 30.0 → 31.0",
        "gross: 2 same, 1 changed, 1 missing",
    ]


def test_parameters_can_be_others_than_recorded(rxstream: Any, shop: None) -> None:
    status, out, _ = replayed(rxstream, "last", "--through", "shop.py:gross", "-p", "rate=2.5")
    assert (status, out) == (1, "gross: 1 same, 3 changed\n")


def test_what_it_found_comes_as_data(rxstream: Any, shop: None) -> None:
    status, out, _ = replayed(rxstream, "last", "--through", "shop.py:strict", "--jsonl")
    found = json.loads(out)
    assert (status, found["equal"], found["inputs"]) == (1, False, {"prices": 4})
    assert found["outputs"]["gross"]["differences"][0]["kind"] == "missing"


def test_a_source_that_was_not_recorded_is_status_2_or_runs_for_real(rxstream: Any) -> None:
    written(rxstream, *(output(0, n * 1.5, "gross") for n in (0, 10, 20, 30)), end(0))
    status, out, said = replayed(rxstream, "last", "--through", "shop.py:unpublished")
    assert (status, out) == (2, "")
    assert "holds no elements of 'prices'" in said[0]
    status, out, said = replayed(rxstream, "last", "--through", "shop.py:unpublished", "--live")
    assert (status, out) == (0, "gross: 4 same\nran for real: prices\n")
    assert said == ["opened"]


def test_virtual_time_gives_windows_what_they_had_without_waiting(rxstream: Any) -> None:
    ticks = [output(60 * n + 30, n, "ticks") for n in range(5)]
    lists = [output(0, found, "lists") for found in ([0, 1], [2, 3], [4])]
    written(rxstream, *ticks, *lists, end(300))
    given = ["last", "--through", "shop.py:lists", "--input", "ticks", "-p", "window=120"]
    assert replayed(rxstream, *given, "--virtual")[:2] == (0, "lists: 3 same\n")
    assert replayed(rxstream, *given)[0] == 1
