"""`rxstream models`: who can be asked, the small models that run here, and fetching their files."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import TYPE_CHECKING

import click

from rxstream.adapters.cli import failure, logs
from rxstream.adapters.cli.interruption import interruption

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def models() -> None:
    """Models: who can be asked, which run here, fetch one of these."""


@models.command("list")
def list_models() -> int:
    """Print the known models, one a line: name, size, whether it is here, what it is."""
    from rxstream.adapters.llm.weights import models as known

    for model in known():
        here = str(model.path) if model.fetched else "not fetched"
        click.echo(f"{model.name}\t{model.size / 1e6:.0f} MB\t{here}\t{model.description}")
    return failure.DONE


@models.command()
def providers() -> int:
    """Print what may stand before the colon of a model's name, one a line: name, its key, what it is."""
    from importlib.metadata import entry_points

    from rxstream.adapters.llm.providers import KEY_VARIABLES

    for point in sorted(entry_points(group="rxstream.models"), key=lambda point: point.name):
        variable = KEY_VARIABLES.get(point.name)
        key = (
            f"{variable} is {'set' if os.environ.get(variable) else 'not set'}" if variable else "-"
        )
        try:
            told = (
                (point.load().__doc__ or "")
                .strip()
                .partition("\n")[0]
                .partition(". ")[0]
                .rstrip(".")
            )
        except Exception as error:  # of another package
            told = f"cannot be loaded: {type(error).__name__}: {error}"
        click.echo(f"{point.name}\t{key}\t{told}")
    return failure.DONE


@models.command()
@click.argument("name")
@logs.logging_options
def fetch(name: str, verbose: int, log_level: str | None) -> int:
    """Download the model NAME into the cache and print its path."""
    logs.configure(verbose, log_level)
    path = interruption.run(_fetch(name))
    click.echo(path)
    return failure.DONE


async def _fetch(name: str) -> Path:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from rxstream.adapters.llm.weights import fetch, find

    find(name)  # an unknown name is said before anything is drawn
    stop = threading.Event()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(f"fetching {name}", total=None)

        def tell(here: int, total: int) -> None:
            bar.update(task, completed=here, total=total)

        fetching = asyncio.create_task(
            asyncio.to_thread(fetch, name, progress=tell, stop=stop.is_set)
        )
        try:
            return await asyncio.shield(fetching)
        except asyncio.CancelledError:
            # the thread ends pip and removes what is half there; the watchdog bounds how long
            stop.set()
            await asyncio.wait([fetching])
            fetching.exception()
            raise
