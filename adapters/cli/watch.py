"""`rxstream watch`: an execution on a server, shown as if it ran here."""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from rxstream.adapters.cli import failure, logs, show, stdout
from rxstream.adapters.cli.interruption import interruption

if TYPE_CHECKING:
    from rxstream.adapters.cli.asking import Asking
    from rxstream.adapters.cli.served import Served
    from rxstream.events import StreamEvent

URL: Final = "http://127.0.0.1:8765"
"""Where a server is, unless somebody says otherwise."""


@click.command()
@click.argument("execution_id", metavar="ID")
@click.option("--url", default=URL, show_default=True, help="The server.")
@click.option("--after", metavar="CURSOR", help="Show what came after this event.")
@click.option("--jsonl", is_flag=True, help="Print every event as JSON, one a line.")
@logs.logging_options
def watch(
    execution_id: str,
    url: str,
    after: str | None,
    jsonl: bool,
    verbose: int,
    log_level: str | None,
) -> int:
    """Follow an execution on a server; ends as the execution ends."""
    logs.configure(verbose, log_level)
    return interruption.run(
        _watch(execution_id, checked_url(url), after, stdout.STDOUT if jsonl else None)
    )


def checked_url(url: str) -> str:
    """The URL. Raises `Failure` for what is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise failure.Failure(f"--url {url}: write it as http://HOST:PORT", failure.USAGE)
    return url


async def _watch(execution_id: str, url: str, after: str | None, json_to: int | None) -> int:
    from rxstream.adapters import http
    from rxstream.adapters.cli.answerable import There
    from rxstream.adapters.cli.asking import Asking
    from rxstream.adapters.cli.follow import Follower
    from rxstream.adapters.cli.served import Served

    served = Served(await http.session(), url, execution_id)
    follower = Follower(served, after, tell=failure.say)
    terminal: StreamEvent | None = None
    async with AsyncExitStack() as stack:
        display: show.Show | None = None
        asking: Asking | None = None
        async with aclosing(follower.batches()) as batches:
            async for events in batches:
                if display is None or asking is None:
                    # only now: an id that is not there shall not flash an empty picture
                    display = await stack.enter_async_context(show.choose(json_to))
                    asking = await stack.enter_async_context(Asking(There(served), display))
                await display.show(events)
                asking.notice(events)
                terminal = events[-1] if events[-1].terminal else None
    if terminal is not None:
        if json_to is None:
            await _tell_bottleneck(served)
        return show.conclude(terminal, tell_result=json_to is None)
    return _conclude_from(await served.record(), tell_result=json_to is None)


async def _tell_bottleneck(served: Served) -> None:
    with suppress(failure.Failure):  # the server may have gone since, and all that matters was seen
        found = (await served.record()).get("bottleneck")
        if isinstance(found, dict):
            show.tell_bottleneck(str(found.get("message")), float(found.get("blocked_s") or 0))


def _conclude_from(record: dict[str, object], *, tell_result: bool) -> int:
    """Everything had been read before, so the ending is known only from the record."""
    import orjson

    if record["status"] == "completed":
        if tell_result:
            print(orjson.dumps(record.get("result")).decode(), flush=True)
        return failure.DONE
    return show.ended_badly(str(record["execution_id"]), str(record["status"]), record.get("error"))
