"""`rxstream run`: one execution in this process, shown while it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import click
import orjson

from rxstream.adapters.cli import amounts, failure, logs, parameters, show, stdout, target
from rxstream.adapters.cli.interruption import interruption

if TYPE_CHECKING:
    from rxstream.adapters.cli.asking import Asking
    from rxstream.engine import Engine, Execution
    from rxstream.errors import LogError
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
@click.option(
    "--log",
    "log_path",
    metavar="PATH",
    help="Keep the events in this file; after a crash the same command goes on where it was.",
)
@amounts.option
@click.option("--new", is_flag=True, help="Start another one, also where one could go on.")
@logs.logging_options
def run(
    name: str,
    pairs: tuple[str, ...],
    jsonl: bool,
    log_path: str | None,
    resources: tuple[str, ...],
    new: bool,
    verbose: int,
    log_level: str | None,
) -> int:
    """Run the graph a TARGET names and print its result."""
    logs.configure(verbose, log_level, default="error")
    there = amounts.read(resources)
    if not jsonl:
        bound = parameters.bind(target.load(name), pairs)
        return interruption.run(_run(bound, log_path, there, None, new))
    with stdout.reserved() as descriptor:
        bound = parameters.bind(target.load(name), pairs)
        return interruption.run(_run(bound, log_path, there, descriptor, new))


async def _run(
    bound: BoundGraph,
    log_path: str | None,
    there: Mapping[str, int],
    json_to: int | None,
    new: bool,
) -> int:
    from rxstream.adapters.cli.answerable import Here
    from rxstream.adapters.cli.asking import Asking
    from rxstream.engine import Engine
    from rxstream.errors import LogError

    # it serves no graph, so that what others left in the log is left to them
    async with Engine(log_path, resources=there) as engine:
        with failure.building(bound.name):
            left = None if new or log_path is None else await _left_over(engine, bound)
            execution = left or await engine.start(bound)
        if left is not None:
            click.echo(f"rxstream: going on with {left.id} (--new starts another)", err=True)
        display = show.choose(json_to, partial(_far_behind, engine.log))
        nodes = execution.plan.nodes
        display.begin(node.id for node in nodes if node.told and not node.spec.quiet)
        try:
            async with display, Asking(Here(execution), display) as asking:
                terminal = await follow(engine, execution, display, asking)
        except LogError as error:
            return await unrecorded(execution, error, tell_result=display.tells_result)
        found = execution.statistics().bottleneck
        if found is not None and display.tells_result:
            show.tell_bottleneck(str(found), found.blocked_s)
    return show.conclude(terminal, tell_result=display.tells_result)


async def unrecorded(execution: Execution, error: LogError, *, tell_result: bool) -> int:
    """Print the result of a pipeline whose log took no more. Raises the error where there is none."""
    await execution.wait()
    if execution.status != "completed":
        raise error
    failure.say(f"done, but not recorded: {error.message}")
    if tell_result:
        print(orjson.dumps(execution.record.result).decode(), flush=True)
    return 0


async def _left_over(engine: Engine, bound: BoundGraph) -> Execution | None:
    """The newest execution of this graph with these parameters that died and can go on, if there is one."""
    from rxstream.engine.resuming import CannotResume
    from rxstream.engine.takeover import interrupt, not_ended

    params = bound.build().params
    for record in sorted(await not_ended(engine.log), key=lambda r: r.created_at, reverse=True):
        if (record.graph, record.params) == (bound.name, params):
            try:
                return await engine.resume(record.execution_id, bound)
            except CannotResume as reason:
                await interrupt(engine.log, record, reason)
    return None


async def follow(
    engine: Engine, execution: Execution, display: show.Show, asking: Asking | None = None
) -> StreamEvent:
    """Show an execution of this process to its end; when nobody wants it any more, end it."""
    reader = await engine.log.follow(execution.id)
    try:
        return await _pump(reader, display, asking)
    except (asyncio.CancelledError, BrokenPipeError) as reason:
        gone = isinstance(reason, BrokenPipeError)
        execution.cancel("nobody reads its output" if gone else "the command was interrupted")
        # the ending is shown and logged too, as far as there is time
        with suppress(TimeoutError, BrokenPipeError):
            async with asyncio.timeout(_LEAVING):
                await _pump(reader, display, asking)
        raise


async def _pump(reader: Reader, display: show.Show, asking: Asking | None) -> StreamEvent:
    while True:
        events = await reader.next(limit=_BATCH)
        if not events:
            continue
        await display.show(events)
        if asking is not None:
            asking.notice(events)
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
