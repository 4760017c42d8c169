"""`rxstream serve` and `rxstream demo`: a server that runs until it is told to stop.

SIGTERM means that another process will follow: nothing new is started, what can go on is put away for it in
the log, clients are told to come back, and all that takes under ten seconds. Ctrl-C does the same in a hurry.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rxstream.adapters.cli import amounts, failure, logs, show, target
from rxstream.adapters.cli.interruption import Interrupted, interruption
from rxstream.adapters.cli.run import follow
from rxstream.errors import AlreadyEnded

if TYPE_CHECKING:
    from rxstream.engine import Engine
    from rxstream.graph import Graph

HOST: Final = "127.0.0.1"
PORT: Final = 8765
LOG: Final = ".rxstream/events.db"

_ENDING: Final = 0.8
"""Seconds executions have to end after Ctrl-C; what takes longer is ended by its engine."""

_DRAINING: Final = 6.5
"""Seconds that executions have to be put away or to end after SIGTERM."""

_PATIENCE: Final = 9.5
"""Seconds after SIGTERM in which the process has ended, whatever happens."""

_TELLING: Final = 0.1

_host = click.option("--host", default=HOST, show_default=True, help="Address to listen on.")
_port = click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=PORT,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)


@click.command()
@click.argument("names", metavar="TARGET...", nargs=-1, required=True)
@_host
@_port
@click.option(
    "--log", "log_path", metavar="PATH", default=LOG, show_default=True, help="The event log."
)
@click.option(
    "--max-running",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Executions that run at one time; more wait.",
)
@amounts.option
@click.option(
    "--grace",
    type=click.FloatRange(0, 5),
    default=0.0,
    show_default=True,
    help="Seconds that executions which cannot go on later have to end after SIGTERM.",
)
@logs.logging_options
def serve(
    names: tuple[str, ...],
    host: str,
    port: int,
    log_path: str,
    max_running: int,
    resources: tuple[str, ...],
    grace: float,
    verbose: int,
    log_level: str | None,
) -> int:
    """Serve graphs over HTTP, SSE and WebSocket until told to stop."""
    logs.configure(verbose, log_level, default="info")
    graphs = [_graph(name) for name in names]
    there = amounts.read(resources)
    interruption.patience = _PATIENCE

    async def main() -> None:
        from rxstream.engine import Engine

        made = Engine(log_path, graphs=graphs, max_running=max_running, resources=there)
        async with (
            made as engine,
            _listening(engine, host, port, partial(_put_away, engine, grace)),
        ):
            await _for_ever()

    return _until_told(main)


@click.command()
@_host
@_port
@logs.logging_options
def demo(host: str, port: int, verbose: int, log_level: str | None) -> int:
    """Serve a live example with a page to look at."""
    logs.configure(verbose, log_level, default="error")
    graph = _graph("rxstream.examples.demo:demo")
    # the folder goes when the demo ends; a demo that was killed leaves it to the system
    with tempfile.TemporaryDirectory(prefix="rxstream-demo-", ignore_cleanup_errors=True) as folder:
        return _until_told(lambda: _demo(graph, host, port, Path(folder)))


def _graph(name: str) -> Graph[..., Any]:
    from rxstream.graph import Graph

    found = target.load(name)
    if not isinstance(found, Graph):
        raise failure.Failure(
            f"target {name!r} has its parameters given already, and a server takes them from clients: "
            "name the graph itself",
            failure.USAGE,
        )
    return found


def _until_told(main: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Run a server; SIGTERM is how it is meant to end, so it ends well, while Ctrl-C says 130."""
    try:
        interruption.run(main())
    except Interrupted as interrupted:
        if interrupted.signum != signal.SIGTERM:
            raise
    return failure.DONE


@asynccontextmanager
async def _listening(
    engine: Engine, host: str, port: int, end: Callable[[], Awaitable[None]]
) -> AsyncGenerator[str, None]:
    from rxstream.adapters import web

    server = await web.serve(engine, host, port)
    try:
        print(f"rxstream listening on {server.url}", flush=True)
        yield server.url
    finally:
        await end()
        await server.close()


async def _put_away(engine: Engine, grace: float) -> None:
    """Bring what runs to rest while clients still listen, so that each is told how it stands."""
    told = bool(engine.statistics().executions)
    if interruption.signum == signal.SIGTERM:
        await engine.drain(grace_s=grace, timeout=_DRAINING)
    else:
        await engine.drain(timeout=_ENDING)
    if told:
        await asyncio.sleep(_TELLING)


async def _end_what_runs(engine: Engine) -> None:
    """Cancel executions while clients still listen, so that they are told and do not wait for us."""
    engine.draining = True
    running = [engine.execution(told.execution_id) for told in engine.statistics().executions]
    for execution in running:
        with suppress(AlreadyEnded):
            execution.cancel("the server was stopped")
    if not running:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(_ENDING):
            await asyncio.gather(*(execution.wait() for execution in running))
    # the endings are in the log now, and a moment lets the streams that wait for them write them
    await asyncio.sleep(_TELLING)


async def _demo(graph: Graph[..., Any], host: str, port: int, folder: Path) -> None:
    from rxstream.engine import Engine

    async with (
        Engine(folder / "events.db", graphs=[graph]) as engine,
        _listening(engine, host, port, partial(_end_what_runs, engine)) as url,
    ):
        with failure.building(graph.name):
            execution = await engine.start(graph)
        there = "" if (host, url) == (HOST, f"http://{HOST}:{PORT}") else f" --url {url}"
        failure.tell(f"Open {url} in a browser, or watch from another terminal:")
        failure.tell(f"  rxstream watch {execution.id}{there}")
        failure.tell("Ctrl-C ends the demo.")
        if show.on_terminal():
            display = show.choose(None)
            display.begin(node.id for node in execution.plan.nodes if node.told)
            async with display:
                await follow(engine, execution, display)
            failure.tell("The demo's run has ended; the page stays open until Ctrl-C.")
        await _for_ever()


async def _for_ever() -> None:
    await asyncio.Event().wait()
