"""`rxstream log`: look after the file an engine writes.

`verify`, `stats` and `export` only read, so the log may belong to a server that runs. `prune` writes: it is
refused, by name, while another process has the log.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rxstream.adapters.cli import exporting, failure, logs
from rxstream.adapters.cli.interruption import interruption
from rxstream.adapters.cli.replay import seen
from rxstream.adapters.cli.serve import LOG

if TYPE_CHECKING:
    from rxstream.adapters.logs.counting import LogStatistics
    from rxstream.log import EventLog, PruneReport, Retention

_path = click.option(
    "--log", "log_path", metavar="PATH", default=LOG, show_default=True, help="The event log."
)


def _amount(text: str, kind: str, units: dict[str, float], example: str) -> float:
    """A number with a unit."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", text.strip())
    if found is None or found[2].lower() not in units:
        known = ", ".join(unit for unit in units if unit)
        raise click.BadParameter(f"{text!r} is no {kind}: write it as {example} ({known})")
    return float(found[1]) * units[found[2].lower()]


def _duration(text: str) -> float:
    return _amount(text, "duration", {"s": 1, "m": 60, "h": 3_600, "d": 86_400}, "7d")


def _bytes(text: str) -> int:
    units = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}
    return int(_amount(text, "size", units, "1GB"))


@click.group()
def log() -> None:
    """The event log: verify it, count it, prune it, export it."""


# -- verify -------------------------------------------------------------------------------------


@log.command()
@_path
@click.option(
    "--json", "as_json", is_flag=True, help="Print each damaged place as JSON, one a line."
)
@logs.logging_options
def verify(log_path: str, as_json: bool, verbose: int, log_level: str | None) -> int:
    """Read the whole log and tell each place that is not as it was written; status 1 if there are any."""
    logs.configure(verbose, log_level)
    return interruption.run(_verify(log_path, as_json))


async def _verify(log_path: str, as_json: bool) -> int:
    from rxstream.adapters.logs.verifying import plain

    async with seen(log_path) as view:
        found = await view.verify()
    for damage in found.damage:
        click.echo(plain(damage) if as_json else str(damage))
    whole = f"{found.events:,} events of {_some(found.executions, 'execution')}"
    if not found.damage:
        failure.tell(f"{view.path}: {whole}, all as they were written")
        return failure.DONE
    failure.say(
        f"{view.path}: {_some(len(found.damage), 'place')} damaged, listed above; {whole} are as they "
        "were written and can be read: take them out with `rxstream log export`"
    )
    return failure.FAILED


# -- stats --------------------------------------------------------------------------------------


@log.command()
@_path
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@logs.logging_options
def stats(log_path: str, as_json: bool, verbose: int, log_level: str | None) -> int:
    """Tell what the log holds: executions, events, bytes, times."""
    logs.configure(verbose, log_level)
    return interruption.run(_stats(log_path, as_json))


async def _stats(log_path: str, as_json: bool) -> int:
    async with seen(log_path) as view:
        told = await view.statistics()
    if as_json:
        import orjson

        click.echo(
            orjson.dumps({**asdict(told), "bytes_per_event": round(told.bytes_per_event, 1)})
        )
        return failure.DONE
    for name, value in _lines(told):
        click.echo(f"{name:<12}{value}")
    return failure.DONE


def _lines(told: LogStatistics) -> list[tuple[str, str]]:
    return [
        ("executions", _counts(told.executions)),
        ("graphs", _counts(told.graphs)),
        ("events", f"{told.events:,}, {_size(told.event_bytes)} of JSON"),
        ("per event", f"{told.bytes_per_event:,.0f} bytes of the file"),
        (
            "checkpoints",
            f"{_size(told.state_bytes)}, the largest {_size(told.largest_state_bytes)}",
        ),
        ("blobs", f"{told.blobs:,}, {_size(told.blob_bytes)}"),
        ("file", f"{_size(told.file_bytes)}, of which {_size(told.used_bytes)} are in use"),
        ("oldest", _time(told.oldest)),
        ("newest", _time(told.newest)),
    ]


# -- prune --------------------------------------------------------------------------------------


@log.command()
@_path
@click.option(
    "--older-than", type=_duration, metavar="AGE", help="What is older goes, as 7d or 12h."
)
@click.option(
    "--keep", type=click.IntRange(0), metavar="N", help="So many ended executions stay, the newest."
)
@click.option(
    "--max-bytes", type=_bytes, metavar="SIZE", help="Take the oldest beyond this, as 1GB."
)
@click.option(
    "--max-events",
    type=click.IntRange(0),
    metavar="N",
    help="So many events of each execution stay.",
)
@click.option("--graph", metavar="NAME", help="Only executions of this graph.")
@click.option("--dry-run", is_flag=True, help="Tell what would go, and take nothing.")
@logs.logging_options
def prune(
    log_path: str,
    older_than: float | None,
    keep: int | None,
    max_bytes: int | None,
    max_events: int | None,
    graph: str | None,
    dry_run: bool,
    verbose: int,
    log_level: str | None,
) -> int:
    """Remove old executions, and old events of those that have not ended.

    Prints the ids of the executions that are removed. What it takes is gone for good.
    """
    from rxstream.log import Retention

    logs.configure(verbose, log_level)
    limits = Retention(older_than, keep, max_bytes, max_events)
    if limits.unlimited:
        raise failure.Failure(
            "nothing was said to go: give --older-than, --keep, --max-bytes or --max-events",
            failure.USAGE,
        )
    return interruption.run(_prune(log_path, limits, graph, dry_run))


async def _prune(log_path: str, limits: Retention, graph: str | None, dry_run: bool) -> int:
    async with seen(log_path) if dry_run else _written(log_path) as log:
        report = await log.prune(limits, graph=graph, dry_run=dry_run)
    for execution_id in report.removed:
        click.echo(execution_id)
    failure.tell(_told(report, dry_run))
    return failure.DONE


def _told(report: PruneReport, dry_run: bool) -> str:
    if not report.executions and not report.trimmed:
        return "nothing to take"
    took = "would take" if dry_run else "took"
    trimmed = f" and the oldest events of {report.trimmed:,}" if report.trimmed else ""
    return (
        f"{took} {_some(report.executions, 'execution')}{trimmed}: {report.events:,} events, "
        f"{_size(report.bytes)}"
    )


@asynccontextmanager
async def _written(path: str) -> AsyncGenerator[EventLog]:
    """The log at a path, which must be there, as its only writer. Raises `LogError`, `LogLocked`."""
    from rxstream.adapters.logs import SQLiteLog

    async with seen(path) as view:  # a path that was mistyped shall not make a new log
        path = view.path
    log = SQLiteLog(path)
    await log.open()
    try:
        yield log
    finally:
        await log.close()


# -- export -------------------------------------------------------------------------------------


@log.command()
@_path
@click.option("--execution", "execution_id", metavar="ID", help="Only this one, or `last`.")
@click.option("--graph", metavar="NAME", help="Only executions of this graph.")
@click.option(
    "-o", "--output", metavar="FILE", default="-", help="Where to; `-` is stdout, the default."
)
@click.option(
    "--blobs",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the binary data events refer to into this folder, a file for each SHA-256.",
)
@logs.logging_options
def export(
    log_path: str,
    execution_id: str | None,
    graph: str | None,
    output: str,
    blobs: Path | None,
    verbose: int,
    log_level: str | None,
) -> int:
    """Write events as JSON lines, execution after execution, the oldest first.

    What is damaged is left out and told; the status is then 1.
    """
    logs.configure(verbose, log_level)
    return interruption.run(exporting.export(log_path, execution_id, graph, output, blobs))


# -- words --------------------------------------------------------------------------------------


def _some(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def _size(size: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if size < 1_000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1_000
    return f"{size:,.1f} GB"


def _time(at: datetime | None) -> str:
    return "never" if at is None else at.isoformat(timespec="seconds")
