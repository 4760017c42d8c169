"""What it costs a pipeline to show what it does: the same pipeline with streaming on and off.

Steps of 10 ms that wait in a thread; streaming, each shows one item and says twice how far it is, a SQLite
log records it and a WebSocket client in a process of its own reads along. Not streaming, the same steps run
in the same engine on the same log, and the same client reads the lifecycle. The processor's time that
streaming adds to a step, which a step that waits has to spare, is a row of its own.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from rxstream.pipeline import Pipeline, Step
from tests.benchmarks.harness import Row, interleave, ratios, spread
from tests.benchmarks.parts import clients, engine_on, served

STEP_S = 0.01
STEPS = 50


class Works(Step):
    """10 ms, and what there is to show of it."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        await self.emit_progress(0.0, "working")
        await asyncio.to_thread(time.sleep, STEP_S)
        await self.emit({"rows": 100})
        await self.emit_progress(1.0, "done")
        return {"rows": data.get("rows", 0) + 100}


def chained(streaming: bool) -> Pipeline:
    pipeline = Pipeline("steps", streaming=streaming)
    for number in range(STEPS):
        after = f"step_{number - 1}" if number else ()
        pipeline.add(Works, name=f"step_{number}", after=after)
    return pipeline


def ran(streaming: bool) -> tuple[float, float]:
    """Wall time of one run, and the processor's time of this process, in seconds."""

    async def run() -> tuple[float, float]:
        graph = chained(streaming).graph
        async with (
            clients() as to,
            engine_on("sqlite", [graph]) as engine,
            served(engine) as address,
        ):
            await asyncio.to_thread(lambda: None)
            begun, worked = time.perf_counter(), time.process_time()
            execution = await engine.start(graph)
            connecting = asyncio.create_task(to.connect(address, f"/ws/pipeline/{execution.id}"))
            assert (await execution.result())["rows"] == 100 * STEPS
            took = time.perf_counter() - begun, time.process_time() - worked
            await connecting
            await to.latencies()
            return took

    return asyncio.run(run())


def measure(short: bool = False) -> list[Row]:
    """Streaming over not streaming."""
    rounds = 3 if short else 15
    worked: dict[bool, list[float]] = {False: [], True: []}

    def way(streaming: bool) -> float:
        wall, cpu = ran(streaming)
        worked[streaming].append(cpu)
        return wall

    off, on = "not streaming (base)", "streaming"
    samples = interleave({off: partial(way, False), on: partial(way, True)}, rounds)
    figure = f"pipeline of {STEPS} steps of 10 ms"
    lines = []
    for name, costs in samples.items():
        ratio = ratios(samples, name, off)
        asked = "< 1.01" if name == on else ""
        lines.append(
            Row(figure, name, spread(costs).scaled(1e3), "ms", ratio, asked, ratio.median < 1.05)
        )
    # the first round is not counted, as in the samples
    added = [(b - a) / STEPS for a, b in zip(worked[False][1:], worked[True][1:], strict=True)]
    share = spread(added).scaled(100 / STEP_S)
    lines.append(Row(figure, "processor's time streaming adds to a step", share, "% of a step"))
    return lines
