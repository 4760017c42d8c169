"""Reads `--resource gpu=2`: what there is of everything executions may need."""

from __future__ import annotations

from collections.abc import Sequence

import click

from rxstream.adapters.cli.failure import USAGE, Failure

option = click.option(
    "--resource",
    "resources",
    metavar="NAME=AMOUNT",
    multiple=True,
    help="What executions may ask for, such as gpu=2; more than once.",
)


def read(given: Sequence[str]) -> dict[str, int]:
    """Amounts by name. Raises `Failure`."""
    found = {}
    for text in given:
        name, _, amount = text.partition("=")
        if not name or not (amount.isascii() and amount.isdecimal() and len(amount) <= 9):
            raise Failure(
                f"--resource {text!r} is not NAME=AMOUNT with a whole amount, such as gpu=2", USAGE
            )
        found[name] = int(amount)
    return found
