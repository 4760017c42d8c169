"""`rxstream send`: tell a running execution on a server something it has not asked for."""

from __future__ import annotations

from typing import Any

import click

from rxstream.adapters.cli import failure, logs
from rxstream.adapters.cli.interruption import interruption
from rxstream.adapters.cli.watch import URL, checked_url


@click.command()
@click.argument("execution_id", metavar="ID")
@click.argument("value", metavar="VALUE")
@click.option("--to", metavar="NODE", help="The node, where several take what is sent.")
@click.option("--json", "as_json", is_flag=True, help="VALUE is JSON and not a text.")
@click.option("--url", default=URL, show_default=True, help="The server.")
@logs.logging_options
def send(
    execution_id: str,
    value: str,
    to: str | None,
    as_json: bool,
    url: str,
    verbose: int,
    log_level: str | None,
) -> int:
    """Send VALUE to a running execution: to an agent a message, or what it is to cancel.

    An agent takes a text, '{"type": "cancel_turn"}' and '{"type": "cancel_call", "id": "…"}' with --json.
    """
    logs.configure(verbose, log_level)
    sent = _read(value) if as_json else value
    return interruption.run(_send(execution_id, sent, to, checked_url(url)))


def _read(value: str) -> Any:
    import orjson

    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise failure.Failure(f"{value!r} is not JSON: {error}", failure.USAGE) from error


async def _send(execution_id: str, value: Any, to: str | None, url: str) -> int:
    from rxstream.adapters import http
    from rxstream.adapters.cli.served import Served

    await Served(await http.session(), url, execution_id).send(value, to)
    return failure.DONE
