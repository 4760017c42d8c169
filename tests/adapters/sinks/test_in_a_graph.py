"""Sources and sinks where they belong: in a graph that an engine runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import psutil
import pytest

import rxstream as rxs
from rxstream.adapters import sinks, sources
from rxstream.adapters.sinks.metrics import render_engine
from tests.adapters.sources.running import until

from .test_metrics import value


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "numbers"
    path.write_text("".join(f"{i}\n" for i in range(1_000)))
    return path


def read(path: Path) -> list[object]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


async def test_a_graph_writes_what_it_reads(numbers: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "out.jsonl", list[str]()

    @rxs.graph
    def copy() -> rxs.Stream[str]:
        lines = sources.lines(numbers).named("lines")
        lines.to(sinks.jsonl(out))
        lines.to(sinks.callback(seen.append))
        return lines

    async with rxs.Engine(graphs=[copy]) as engine:
        execution = await engine.start(copy)
        assert await execution.result() == "999"
        told = [
            e.data["percentage"]
            async for e in execution.events()
            if e.event_type == "step_progress"
        ]
    assert read(out) == seen == [str(i) for i in range(1_000)]
    assert told[-1] == 100


async def test_subscribed_sinks_are_given_what_the_log_has(numbers: Path, tmp_path: Path) -> None:
    out, metrics = tmp_path / "events.jsonl", sinks.metrics()

    @rxs.graph
    def publish() -> rxs.Stream[str]:
        return sources.lines(numbers).named("lines")

    async with rxs.Engine(graphs=[publish]) as engine:
        execution = await engine.start(publish)
        execution.subscribe(sinks.jsonl(out))
        execution.subscribe(metrics)
        await execution.wait()
        events = [event async for event in execution.events()]
        await until(lambda: out.read_bytes().count(b"\n") == len(events))
        await until(lambda: "pipeline_complete" in metrics.render())
        assert value(render_engine(engine), "rxstream_executions", status="completed") == 1
    assert out.read_bytes().splitlines() == [event.json for event in events]
    assert (
        value(metrics.render(), "rxstream_events_total", event_type="step_output", step="lines")
        == 1_000
    )


async def test_a_sink_that_fails_fails_its_node(numbers: Path, tmp_path: Path) -> None:
    @rxs.graph
    def nowhere() -> None:
        sources.lines(numbers).to(sinks.jsonl(tmp_path / "no" / "out.jsonl"), name="out")

    async with rxs.Engine(graphs=[nowhere]) as engine:
        execution = await engine.start(nowhere)
        await execution.wait()
        assert execution.status == "failed"
        assert execution.record.error is not None
        assert "there is no folder" in execution.record.error["message"]


async def test_cancelling_ends_the_processes_of_an_execution() -> None:
    @rxs.graph
    def endless() -> rxs.Stream[str]:
        return sources.subprocess(
            "sh", "-c", "sleep 1000 & while :; do echo x; sleep 0.01; done"
        ).named("sh")

    before = set(psutil.Process().children(recursive=True))
    async with rxs.Engine(graphs=[endless]) as engine:
        execution = await engine.start(endless)
        async for event in execution.events():
            if event.event_type == "step_output":
                break
        family = set(psutil.Process().children(recursive=True)) - before
        assert len(family) >= 2
        execution.cancel("enough")
        async with asyncio.timeout(30):
            await execution.wait()
        assert execution.status == "cancelled"
        await until(lambda: not any(process.is_running() for process in family))
