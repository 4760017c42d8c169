"""`monitor`: how busy this machine is, and events when a measure crosses a threshold.

Every run measures for itself, so any number of them side by side see the same as one. Rates and the
processor's load are means over the time since the measure before.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import psutil
from pydantic import Field
from typing_extensions import TypedDict

from rxstream.plugins import Plugin, action
from rxstream.plugins.examples.ticking import Ticks

Measure = Literal["cpu_percent", "memory_percent", "disk_percent"]
Every = Annotated[float, Field(gt=0)]
"""Seconds from one measure to the next."""

Samples = Annotated[int, Field(ge=1)] | None
"""After how many it ends; None is never."""


class Sample(TypedDict):
    """One measure. `at` is in seconds since 1970, percentages are of the whole machine."""

    at: float
    cpu_percent: float
    memory_percent: float
    memory_used_bytes: int
    disk_percent: float
    network_in_bytes_per_s: float
    network_out_bytes_per_s: float
    processes: int


class Crossing(TypedDict):
    """A measure that went over its threshold, or came back."""

    at: float
    measure: str
    value: float
    threshold: float
    state: Literal["over", "back"]


class ProcessUse(TypedDict):
    """What one process uses; `memory_bytes` is resident."""

    pid: int
    name: str
    memory_bytes: int


class Monitor(Plugin):
    """How busy this machine is."""

    version = "1.0"
    tags = ("system",)

    @action
    async def system(
        self, every: Every = 1.0, samples: Samples = None, disk: str = os.sep
    ) -> AsyncIterator[Sample]:
        """Load of the processor, memory, the disk that holds a path, and the network."""
        meter = Meter(disk)
        async for _ in Ticks(every, samples):
            yield meter.read()

    @action
    async def watch(
        self,
        thresholds: dict[Measure, Annotated[float, Field(ge=0)]],
        margin: Annotated[float, Field(ge=0)] = 5.0,
        every: Every = 1.0,
        samples: Samples = None,
        disk: str = os.sep,
    ) -> AsyncIterator[Crossing]:
        """An event when a measure goes over its threshold in percent, and one when it is back.

        It is back when it is `margin` below.
        """
        meter, crossings = Meter(disk), Crossings(thresholds, margin)
        async for _ in Ticks(every, samples):
            for crossing in crossings.of(meter.read()):
                yield crossing

    @action
    async def processes(
        self, most: Annotated[int, Field(ge=1)] = 5, every: Every = 5.0, samples: Samples = None
    ) -> AsyncIterator[list[ProcessUse]]:
        """The processes that use the most memory."""
        async for _ in Ticks(every, samples):
            # looking at every process takes long enough to hold up the loop
            yield await asyncio.to_thread(largest, most)


@dataclass(frozen=True)
class _Totals:
    """Counters of the system that only grow."""

    at: float
    busy_s: float
    all_s: float
    received: int
    sent: int


class Meter:
    """Measures, each time since the time before."""

    def __init__(self, disk: str) -> None:
        self._disk = disk
        self._before = _totals()

    def read(self) -> Sample:
        """How busy the machine was since the last reading. Raises `OSError` for a path that is not there."""
        before, now = self._before, _totals()
        self._before = now
        seconds = now.at - before.at
        counted = now.all_s - before.all_s
        memory = psutil.virtual_memory()
        return Sample(
            at=time.time(),
            cpu_percent=_percent(now.busy_s - before.busy_s, counted),
            memory_percent=memory.percent,
            memory_used_bytes=memory.used,
            disk_percent=psutil.disk_usage(self._disk).percent,
            network_in_bytes_per_s=_rate(now.received - before.received, seconds),
            network_out_bytes_per_s=_rate(now.sent - before.sent, seconds),
            processes=len(psutil.pids()),
        )


class Crossings:
    """Says when measures cross their thresholds; within `margin` below one, nothing changes."""

    def __init__(self, thresholds: Mapping[Measure, float], margin: float) -> None:
        self._thresholds = thresholds
        self._margin = margin
        self._over: set[str] = set()

    def of(self, sample: Sample) -> Iterator[Crossing]:
        """What this sample changes."""
        for measure, threshold in self._thresholds.items():
            value = sample[measure]
            state: Literal["over", "back"]
            if value > threshold and measure not in self._over:
                self._over.add(measure)
                state = "over"
            elif value <= threshold - self._margin and measure in self._over:
                self._over.remove(measure)
                state = "back"
            else:
                continue
            yield Crossing(
                at=sample["at"], measure=measure, value=value, threshold=threshold, state=state
            )


def largest(most: int) -> list[ProcessUse]:
    """The processes with the most resident memory; those that may not be looked at are left out."""
    found = [
        ProcessUse(
            pid=process.info["pid"],
            name=process.info["name"] or "",
            memory_bytes=process.info["memory_info"].rss,
        )
        for process in psutil.process_iter(["pid", "name", "memory_info"])
        if process.info["memory_info"] is not None
    ]
    return sorted(found, key=lambda use: use["memory_bytes"], reverse=True)[:most]


def _totals() -> _Totals:
    times: Any = psutil.cpu_times()
    # Linux counts a guest's time as its host's too
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    whole = sum(times) - guests
    idle = times.idle + getattr(times, "iowait", 0.0)
    network = psutil.net_io_counters()
    received, sent = (network.bytes_recv, network.bytes_sent) if network is not None else (0, 0)
    return _Totals(time.monotonic(), whole - idle, whole, received, sent)


def _percent(part: float, whole: float) -> float:
    return round(min(100.0, max(0.0, 100.0 * part / whole)), 1) if whole > 0 else 0.0


def _rate(amount: float, seconds: float) -> float:
    return round(max(0.0, amount / seconds), 1) if seconds > 0 else 0.0
