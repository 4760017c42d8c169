"""The plugin `monitor` measures this machine, and says when a threshold is crossed."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import pytest

from rxstream.errors import InvalidParameters
from rxstream.plugins import PluginManager
from rxstream.plugins.examples import Monitor
from rxstream.plugins.examples.monitoring import Crossings, Meter
from rxstream.plugins.examples.ticking import Ticks
from rxstream.testing import check_plugin, virtual_time


@pytest.fixture
def plugins() -> PluginManager:
    made = PluginManager()
    made.load(Monitor)
    return made


async def test_it_measures_this_machine(plugins: PluginManager) -> None:
    before = time.time()
    first, second = await plugins.call("monitor.system", {"every": 0.05, "samples": 2})
    assert before <= first["at"] < second["at"] <= time.time()
    for sample in (first, second):
        assert all(0 <= sample[key] <= 100 for key in sample if key.endswith("_percent"))
        assert sample["memory_used_bytes"] > 0
        assert sample["processes"] >= 1


async def test_work_is_seen_as_load() -> None:
    meter = Meter(os.sep)
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert meter.read()["cpu_percent"] > 0


async def test_thresholds_become_events(plugins: PluginManager) -> None:
    found = await plugins.call(
        "monitor.watch",
        {"thresholds": {"memory_percent": 0, "disk_percent": 100}, "every": 0.01, "samples": 3},
    )
    assert [(each["measure"], each["state"]) for each in found] == [("memory_percent", "over")]


def test_a_measure_is_back_only_when_it_is_well_below() -> None:
    crossings = Crossings({"cpu_percent": 80}, margin=10)
    values = [50, 81, 90, 75, 85, 70, 79, 95]
    said: list[Any] = [
        (value, crossing["state"])
        for value in values
        for crossing in crossings.of({"at": 0.0, "cpu_percent": value})  # type: ignore[typeddict-item]  # the rest is not looked at
    ]
    assert said == [(81, "over"), (70, "back"), (95, "over")]


async def test_the_largest_processes_come_first(plugins: PluginManager) -> None:
    [found] = await plugins.call("monitor.processes", {"most": 3, "samples": 1})
    sizes = [each["memory_bytes"] for each in found]
    assert len(found) <= 3
    assert sizes == sorted(sizes, reverse=True)


@virtual_time
async def test_ticks_keep_their_times_and_leave_out_those_that_were_missed() -> None:
    loop = asyncio.get_running_loop()
    seen = []
    async for number in Ticks(2.0, 4):
        seen.append((number, loop.time()))
        await asyncio.sleep(5.0 if number == 1 else 0.5)
    assert seen == [(0, 0.0), (1, 2.0), (2, 8.0), (3, 10.0)]


def test_a_threshold_of_something_unknown_is_refused(plugins: PluginManager) -> None:
    with pytest.raises(InvalidParameters, match="thresholds"):
        plugins.stream("monitor.watch", {"thresholds": {"fan": 3}})


def test_it_keeps_the_contract_of_plugins() -> None:
    quick: dict[str, Any] = {"every": 0.01, "samples": 2}
    samples: dict[str, Any] = {
        "system": quick,
        "watch": {**quick, "thresholds": {"cpu_percent": 50}},
    }
    check_plugin(Monitor, {**samples, "processes": {**quick, "most": 1}})
