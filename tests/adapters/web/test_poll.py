"""Events by polling."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from rxstream import Engine
from rxstream.adapters.web import Settings
from rxstream.log import MemoryLog
from tests.adapters.web import parts

Http = aiohttp.ClientSession


async def get(http: Http, url: str, **query: str | int) -> dict[str, object]:
    async with http.get(f"{url}/api/executions/e/events", params=query) as response:
        assert response.status == 200
        told = await response.json()
    assert list(told) == ["events", "cursor", "recovered", "first_available"]
    return dict(told)


async def test_a_page_goes_on_after_its_cursor(engine: Engine, url: str, http: Http) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(4))
    first = await get(http, url, limit=3)
    second = await get(http, url, limit=3, after=str(first["cursor"]))
    sequences = [event["sequence"] for event in first["events"] + second["events"]]  # type: ignore[operator]  # lists
    assert sequences == [1, 2, 3, 4, 5]
    assert first["recovered"] is second["recovered"] is True
    assert first["first_available"] == 1


async def test_an_empty_page_keeps_the_cursor(engine: Engine, url: str, http: Http) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(1))
    page = await get(http, url, after=2)
    assert page["events"] == []
    assert page["cursor"] == f"{engine.log.epoch}:2"


async def test_a_poll_waits_for_what_comes(engine: Engine, url: str, http: Http) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(1))
    waiting = asyncio.create_task(get(http, url, after=2, wait=20))
    await parts.until(lambda: engine.log._waiting)
    await parts.complete(engine.log, "e")
    page = await waiting
    assert [event["event_type"] for event in page["events"]] == ["pipeline_complete"]  # type: ignore[attr-defined]  # a list


async def test_a_poll_of_what_has_ended_does_not_wait(engine: Engine, url: str, http: Http) -> None:
    await parts.recorded(engine.log, "e", [*parts.outputs(1), parts.ENDING], "completed")
    async with asyncio.timeout(30):
        page = await get(http, url, after=3, wait=60)
    assert page["events"] == []


async def test_a_poll_that_waited_in_vain_is_an_empty_page(
    engine: Engine, url: str, http: Http
) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(1))
    page = await get(http, url, after=2, wait="0.05")
    assert page["events"] == []


@pytest.mark.parametrize("cursor", ["99", "deadbeef:1", "deadbeef:99"])
async def test_a_cursor_that_cannot_be_served_is_told_and_read_from_the_start(
    engine: Engine, url: str, http: Http, cursor: str
) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(1))
    page = await get(http, url, after=cursor)
    assert page["recovered"] is False
    assert [event["sequence"] for event in page["events"]] == [1, 2]  # type: ignore[attr-defined]  # a list


async def test_what_was_trimmed_away_is_told(http: Http) -> None:
    log = MemoryLog(ring_events=8)
    async with Engine(log, graphs=parts.GRAPHS) as engine, parts.served(engine) as url:
        await parts.recorded(log, "e", parts.outputs(20))
        first = (await log.head("e")).first
        assert first > 1
        page = await get(http, url, after=1)
    assert page["recovered"] is False
    assert page["first_available"] == first
    assert page["events"][0]["sequence"] == first  # type: ignore[index]  # a list


async def test_an_answer_stops_growing_at_its_limit(engine: Engine, http: Http) -> None:
    settings = Settings(max_poll_bytes=10_000)
    async with parts.served(engine, settings) as url:
        await parts.recorded(engine.log, "e", [*parts.outputs(9, 4_000), parts.ENDING])
        client = parts.Client("e")
        pages = 0
        while not client.ended:
            page = await get(http, url, **client.query)
            assert len(json.dumps(page)) < 14_000
            for event in page["events"]:  # type: ignore[attr-defined]  # a list
                client.saw(json.dumps(event))
            pages += 1
    assert client.sequences == list(range(1, 12))
    assert pages >= 4


async def test_one_event_over_the_limit_of_an_answer_is_sent_alone(
    engine: Engine, http: Http
) -> None:
    settings = Settings(max_poll_bytes=1_000)
    async with parts.served(engine, settings) as url:
        await parts.recorded(engine.log, "e", parts.outputs(1, 4_000))
        page = await get(http, url, after=1)
    assert len(page["events"]) == 1  # type: ignore[arg-type]  # a list
