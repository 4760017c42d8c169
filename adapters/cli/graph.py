"""`rxstream graph`: what would run, drawn or as data, without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rxstream.adapters.cli import failure, logs, parameters, stdout, target

if TYPE_CHECKING:
    from rxstream.graph import Plan


@click.command()
@click.argument("name", metavar="TARGET")
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "json", "svg"]),
    default="mermaid",
    show_default=True,
    help="What to print.",
)
@parameters.option
@logs.logging_options
def graph(name: str, form: str, pairs: tuple[str, ...], verbose: int, log_level: str | None) -> int:
    """Print the graph a TARGET names."""
    logs.configure(verbose, log_level)
    with stdout.reserved() as descriptor:
        bound = parameters.bind(target.load(name), pairs)
        with failure.building(bound.name):
            plan = bound.build()
        for finding in plan.findings:
            click.echo(f"rxstream: {finding.level}: {finding.message}", err=True)
        stdout.write_all(descriptor, _drawn(plan, form).rstrip("\n").encode() + b"\n")
    return failure.DONE


def _drawn(plan: Plan, form: str) -> str:
    if form == "mermaid":
        return plan.mermaid()
    if form == "svg":
        return plan.svg()
    import orjson

    return orjson.dumps(plan.describe(), option=orjson.OPT_INDENT_2).decode()
