"""`rxstream replay`: a recorded execution, shown again or fed to a graph again.

The log is only read, so it may belong to a server that runs. Without `--speed` nothing is waited for. With
`--through` the status is 0 when the outputs are equal, 1 when they differ, 2 when the record cannot be fed.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

from rxstream.adapters.cli import failure, logs, parameters, show, stdout, target
from rxstream.adapters.cli.interruption import interruption
from rxstream.adapters.cli.serve import LOG
from rxstream.errors import LogError, UnknownExecution
from rxstream.events import EventType

if TYPE_CHECKING:
    from rxstream.adapters.logs import LogView
    from rxstream.events import StreamEvent
    from rxstream.graph import BoundGraph, Graph
    from rxstream.replay import Replay, Rerun

LAST: Final = "last"
_NEWEST: Final = 5


@click.command()
@click.argument("execution_id", metavar="ID")
@click.option(
    "--log", "log_path", metavar="PATH", default=LOG, show_default=True, help="The event log."
)
@click.option(
    "--speed", type=float, help="1 is the original pace, 2 twice as fast; else no pauses."
)
@click.option("--max-pause", type=float, metavar="SECONDS", help="Shorten longer silences to this.")
@click.option("--after", metavar="CURSOR", help="Show what came after this event.")
@click.option("--step", "steps", multiple=True, metavar="ID", help="Only events of this node.")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Only events of this type, as step_output.",
)
@click.option("--jsonl", is_flag=True, help="Print every event as JSON, or what a re-run found.")
@click.option(
    "--through", metavar="TARGET", help="Feed the recorded input to this graph and compare."
)
@click.option("--diff", is_flag=True, help="With --through: show each difference.")
@parameters.option
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="ID",
    help="With --through: one more node to replace.",
)
@click.option("--live", is_flag=True, help="With --through: run sources that were not recorded.")
@click.option(
    "--virtual", is_flag=True, help="With --through: pass the recorded time without waiting for it."
)
@logs.logging_options
def replay(
    execution_id: str,
    log_path: str,
    speed: float | None,
    max_pause: float | None,
    after: str | None,
    steps: tuple[str, ...],
    types: tuple[str, ...],
    jsonl: bool,
    through: str | None,
    diff: bool,
    pairs: tuple[str, ...],
    inputs: tuple[str, ...],
    live: bool,
    virtual: bool,
    verbose: int,
    log_level: str | None,
) -> int:
    """Show a recorded execution again, or compare what a graph makes of its input.

    ID is its id, or `last` for the newest in the log.
    """
    logs.configure(verbose, log_level, default="error" if through else "warning")
    if through is not None:
        _refuse(
            {"--after": after, "--step": steps, "--type": types, "--max-pause": max_pause},
            "without",
        )
        options = {"inputs": inputs, "live": live, "speed": speed}
        return _compare(log_path, execution_id, through, pairs, options, virtual, diff, jsonl)
    _refuse(
        {"--diff": diff, "-p": pairs, "--input": inputs, "--live": live, "--virtual": virtual},
        "with",
    )
    known = sorted(str(kind) for kind in EventType)
    for name in types:
        if name not in known:
            raise failure.Failure(
                f"--type {name}: events are of the types {', '.join(known)}", failure.USAGE
            )
    return interruption.run(
        _replay(
            log_path,
            execution_id,
            speed,
            max_pause,
            after,
            steps or None,
            types or None,
            stdout.STDOUT if jsonl else None,
        )
    )


def _refuse(options: dict[str, Any], how: str) -> None:
    given = [name for name, value in options.items() if value not in (None, (), False)]
    if given:
        raise failure.Failure(f"{given[0]} is for a replay {how} --through TARGET", failure.USAGE)


def _compare(
    log_path: str,
    name: str,
    through: str,
    pairs: tuple[str, ...],
    options: dict[str, Any],
    virtual: bool,
    every: bool,
    jsonl: bool,
) -> int:
    from rxstream.adapters.cli import difference

    # what the graph prints goes to stderr, like what is said while it runs
    with stdout.reserved() as descriptor:
        graph = target.load(through)
        comparing = _rerun(log_path, name, graph, pairs, options, virtual)
        found = interruption.run(comparing, virtual=virtual)
        if jsonl:
            text = orjson.dumps(found.to_dict()).decode() + "\n"
        else:
            text = difference.text(found, colour=os.isatty(descriptor), every=every)
        stdout.write_all(descriptor, text.encode(errors="replace"))
    return failure.DONE if found.equal else failure.FAILED


async def _rerun(
    log_path: str,
    name: str,
    graph: Graph[..., Any] | BoundGraph,
    pairs: tuple[str, ...],
    options: dict[str, Any],
    virtual: bool,
) -> Rerun:
    from rxstream.graph import BoundGraph
    from rxstream.replay import rerun

    schema = (graph.graph if isinstance(graph, BoundGraph) else graph).parameters
    if virtual and options["speed"] is None:
        options["speed"] = 1.0
    # virtual time does not wait for threads
    async with seen(log_path, threaded=not virtual) as log:
        execution_id = await find(log, name)
        with failure.building(graph.name):
            return await rerun(log, execution_id, graph, parameters.parse(pairs, schema), **options)


async def _replay(
    log_path: str,
    name: str,
    speed: float | None,
    max_pause: float | None,
    after: str | None,
    steps: tuple[str, ...] | None,
    types: tuple[str, ...] | None,
    json_to: int | None,
) -> int:
    from rxstream.replay import Replay

    async with seen(log_path) as log:
        playing = Replay(
            log,
            await find(log, name),
            speed=speed,
            after=after,
            types=types,
            steps=steps,
            max_pause_s=max_pause,
        )
        last = await _show(playing, log, json_to)
    if last is None:
        failure.tell(f"nothing was recorded after {after}")
        return failure.DONE
    return show.conclude(last, tell_result=json_to is None)


async def _show(playing: Replay, log: LogView, json_to: int | None) -> StreamEvent | None:
    """Show it to its end; the last event is the terminal one, or none when there was nothing."""
    last: StreamEvent | None = None
    async with AsyncExitStack() as stack:
        display: show.Show | None = None
        while not playing.ended:
            try:
                events = await playing.next()
            except LogError as error:
                if error.code != "log_abandoned":
                    raise
                reached = last.sequence if last is not None else "nothing"
                raise failure.Failure(
                    f"execution {playing.execution_id} has not ended and nobody writes {log.path} any "
                    f"more: what was recorded ends at {reached}",
                    failure.FAILED,
                ) from error
            if events:
                if display is None:
                    # only now: what cannot be shown shall not flash an empty picture
                    display = await stack.enter_async_context(show.choose(json_to, past=True))
                await display.show(events)
                last = events[-1]
    return last


@asynccontextmanager
async def seen(path: str, *, threaded: bool = True) -> AsyncGenerator[LogView]:
    """The log at a path, open for reading. Raises `LogError`."""
    from rxstream.adapters.logs import LogView

    log = LogView(path, threaded=threaded)
    try:
        await log.open()
    except LogError as error:
        if error.code != "log_missing":
            raise
        raise failure.Failure(error.message, failure.USAGE) from error
    try:
        yield log
    finally:
        await log.close()


async def find(log: LogView, name: str) -> str:
    """The id of an execution in a log. Raises `Failure`, which tells the newest there are."""
    newest = [record.execution_id for record in await log.records(limit=_NEWEST)]
    if name == LAST and newest:
        return newest[0]
    try:
        await log.head(name)
    except UnknownExecution:
        there = f"the newest are {', '.join(newest)}" if newest else "it holds none"
        raise failure.Failure(
            f"no execution has the id {name[:80]!r} in {log.path}: {there}", failure.USAGE
        ) from None
    return name
