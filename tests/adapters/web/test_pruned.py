"""Clients whose events were pruned are told by every transport, while it runs and afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rxstream import Engine
from rxstream.log import Retention
from tests.adapters.web import parts
from tests.adapters.web.parts import Client

Http = aiohttp.ClientSession


async def trimmed(engine: Engine, commits: int = 6) -> None:
    """An execution of a few commits, of which only the newest two are left: events from 10 on."""
    for i in range(commits):
        await parts.recorded(engine.log, "e", parts.outputs(2) if i else parts.outputs(1))
    head = await engine.log.head("e")
    await engine.log.prune(Retention(max_events_per_execution=head.last - 9))


def engine_on(path: Path) -> Engine:
    return Engine(f"sqlite:{path / 'events.db'}", graphs=parts.GRAPHS)


@pytest.mark.parametrize("transport", parts.TRANSPORTS)
@pytest.mark.parametrize("after", [None, "4"])
async def test_what_was_pruned_is_told_first(
    tmp_path: Path, http: Http, transport: str, after: str | None
) -> None:
    async with engine_on(tmp_path) as engine, parts.served(engine) as url:
        await trimmed(engine)
        first = (await engine.log.head("e")).first
        assert first > 5
        await parts.complete(engine.log, "e")
        client = Client("e", after)
        await parts.TRANSPORTS[transport](http, url, client)
        sequences = [e["sequence"] for e in client.events if e["event_type"] != "gap"]
        last = (await engine.log.head("e")).last
        assert sequences == list(range(first, last + 1))
        if transport != "poll":
            gap: dict[str, Any] = client.events[0]
            assert gap["event_type"] == "gap"
            assert gap["data"]["first_available"] == first
        address = f"{url}/api/executions/e/events"
        async with http.get(address, params={"after": after} if after else {}) as response:
            told = await response.json()
        assert (told["recovered"], told["first_available"]) == (False, first)


async def test_what_was_removed_is_unknown(tmp_path: Path, http: Http) -> None:
    async with engine_on(tmp_path) as engine, parts.served(engine) as url:
        execution = await engine.start("numbers", {"n": 4})
        await execution.result()
        report = await engine.log.prune(Retention(max_executions=0))
        assert report.removed == (execution.id,)
        for path in (f"/api/executions/{execution.id}/events", f"/stream/pipeline/{execution.id}"):
            async with http.get(f"{url}{path}") as response:
                assert response.status == 404
                assert (await response.json())["error"]["code"] == "unknown_execution"
