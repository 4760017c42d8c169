"""`rxstream run`: one execution in this process, shown while it happens."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from rxstream.adapters.cli import failure, logs, parameters, show, stdout, target
from rxstream.adapters.cli.interruption import interruption

if TYPE_CHECKING:
    from rxstream.engine import Engine, Execution
    from rxstream.events import StreamEvent
    from rxstream.graph import BoundGraph
    from rxstream.log import EventLog, Reader

_BATCH: Final = 1_000
_LEAVING: Final = 1.0
"""Seconds an interrupted execution has to say that it ended."""

_LAG: Final = 100_000
"""Events a slow reader of `--jsonl` may be behind before everything waits for it."""


@click.command()
@click.argument("name", metavar="TARGET")
@parameters.option
@click.option("--jsonl", is_flag=True, help="Print every event as JSON, one a line.")
@click.option("--log", "log_path", metavar="PATH", help="Keep the events in this file.")
@logs.logging_options
def run(
    name: str,
    pairs: tuple[str, ...],
    jsonl: bool,
    log_path: str | None,
    verbose: int,
    log_level: str | None,
) -> int:
    """Run the graph a TARGET names and print its result."""
    logs.configure(verbose, log_level, default="error")
    if not jsonl:
        bound = parameters.bind(target.load(name), pairs)
        return interruption.run(_run(bound, log_path, None))
    with stdout.reserved() as descriptor:
        bound = parameters.bind(target.load(name), pairs)
        return interruption.run(_run(bound, log_path, descriptor))


async def _run(bound: BoundGraph, log_path: str | None, json_to: int | None) -> int:
    from rxstream.engine import Engine

    async with Engine(log_path, graphs=[bound.graph]) as engine:
        with failure.building(bound.name):
            execution = await engine.start(bound)
        display = show.choose(json_to, partial(_far_behind, engine.log))
        display.begin(node.id for node in execution.plan.nodes if node.told)
        async with display:
            terminal = await follow(engine, execution, display)
        found = execution.statistics().bottleneck
        if found is not None and display.tells_result:
            show.tell_bottleneck(str(found), found.blocked_s)
    return show.conclude(terminal, tell_result=display.tells_result)


async def follow(engine: Engine, execution: Execution, display: show.Show) -> StreamEvent:
    """Show an execution of this process to its end; when nobody wants it any more, end it."""
    reader = await engine.log.follow(execution.id)
    try:
        return await _pump(reader, display)
    except (asyncio.CancelledError, BrokenPipeError) as reason:
        gone = isinstance(reason, BrokenPipeError)
        execution.cancel("nobody reads its output" if gone else "the command was interrupted")
        # the ending is shown and logged too, as far as there is time
        with suppress(TimeoutError, BrokenPipeError):
            async with asyncio.timeout(_LEAVING):
                await _pump(reader, display)
        raise


async def _pump(reader: Reader, display: show.Show) -> StreamEvent:
    while True:
        events = await reader.next(limit=_BATCH)
        if not events:
            continue
        await display.show(events)
        if events[-1].terminal:
            return events[-1]


async def _far_behind(log: EventLog, event: StreamEvent) -> bool:
    """Whether a log in memory may soon forget what its reader has not seen."""
    if log.durable:
        return False
    head = await log.head(event.execution_id)
    unread = head.last - (event.sequence or head.last)
    kept = max(head.last - head.first + 1, 1)
    # about: events may differ in size
    return unread > _LAG or log.rings.bytes * unread // kept > log.rings.max_bytes // 4
