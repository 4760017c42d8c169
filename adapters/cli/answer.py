"""`rxstream answer`: what an execution on a server asks, and the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rxstream.adapters.cli import failure, logs
from rxstream.adapters.cli.interruption import interruption
from rxstream.adapters.cli.watch import URL, checked_url

if TYPE_CHECKING:
    from rxstream.adapters.cli.answers import Asked


@click.command()
@click.argument("execution_id", metavar="ID")
@click.argument("request_id", metavar="[REQUEST_ID]", required=False)
@click.argument("value", metavar="[VALUE]", required=False)
@click.option("--url", default=URL, show_default=True, help="The server.")
@logs.logging_options
def answer(
    execution_id: str,
    request_id: str | None,
    value: str | None,
    url: str,
    verbose: int,
    log_level: str | None,
) -> int:
    """Answer what an execution on a server asks; without a VALUE, list what it asks.

    VALUE is typed as the question wants it: yes or no, a choice or its number, text, a number, else JSON.
    """
    logs.configure(verbose, log_level)
    return interruption.run(_answer(execution_id, request_id, value, checked_url(url)))


async def _answer(execution_id: str, request_id: str | None, value: str | None, url: str) -> int:
    from rxstream.adapters import http
    from rxstream.adapters.cli import answers
    from rxstream.adapters.cli.answers import Asked
    from rxstream.adapters.cli.served import Served

    served = Served(await http.session(), url, execution_id)
    asked = [Asked.told(each) for each in (await served.record()).get("inputs", ())]
    if request_id is not None:
        asked = [each for each in asked if each.request_id == request_id]
    if not asked:
        named = "no question" if request_id is None else f"no question {request_id!r}"
        failure.say(f"{named} of {execution_id} is open")
        return failure.DONE if request_id is None else failure.FAILED
    if value is None:
        for each in asked:
            click.echo(_line(each))
        return failure.DONE
    try:
        given = answers.read(value, asked[0].schema)
    except answers.NotAnAnswer as error:
        raise failure.Failure(f"{value!r} is no answer: {error}", failure.USAGE) from error
    await served.answer(asked[0].request_id, given)
    return failure.DONE


def _line(asked: Asked) -> str:
    """One question: its id, what is wanted, what it says."""
    from rxstream.adapters.cli.answers import wanted
    from rxstream.adapters.terminal.text import one_line

    return f"{asked.request_id}\t{one_line(wanted(asked.schema))}\t{one_line(asked.message)}"
