"""A replay reaches any client over SSE and WebSocket, marked, paced and filtered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
import pytest

from rxstream import Engine
from rxstream.log import Commit
from tests.adapters.web import parts
from tests.replay.parts import ID, end, output, record

Http = aiohttp.ClientSession
both = pytest.mark.parametrize("transport", ["sse", "websocket"])

Query = Mapping[str, str] | Sequence[tuple[str, str]]


@pytest.fixture
async def _recorded(engine: Engine) -> None:
    """Two seconds of numbers, and noise between them."""
    drafts = [output(n / 10, n, "noise" if n % 2 else "numbers") for n in range(20)]
    await engine.log.commit(Commit(ID, [*drafts, end(2)], record()))


async def telling(
    http: Http, url: str, transport: str, query: Query, execution: str = ID
) -> AsyncIterator[dict[str, Any]]:
    """The events of one connection as they come, to its good end."""
    if transport == "websocket":
        async with http.ws_connect(f"{url}/ws/pipeline/{execution}", params=query) as ws:
            async for message in ws:
                yield json.loads(message.data)
            assert ws.close_code == 1000
        return
    async with http.get(f"{url}/stream/pipeline/{execution}", params=query) as response:
        assert response.status == 200
        async for told in parts.messages(response.content):
            yield json.loads(told["data"])


async def seen(http: Http, url: str, transport: str, query: Query) -> list[dict[str, Any]]:
    """Every event one connection gives."""
    return [event async for event in telling(http, url, transport, query)]


@both
@pytest.mark.usefixtures("_recorded")
async def test_everything_is_marked_and_keeps_its_cursor(
    engine: Engine, url: str, http: Http, transport: str
) -> None:
    plain = await seen(http, url, transport, {})
    again = await seen(http, url, transport, {"replay": "1"})
    assert [event["metadata"] for event in plain] == [None] * 21
    assert [event.pop("metadata") for event in again] == [{"replayed": True}] * 21
    assert again == [{k: v for k, v in e.items() if k != "metadata"} for e in plain]


@both
@pytest.mark.usefixtures("_recorded")
async def test_only_what_was_chosen_is_told_and_the_ending(
    url: str, http: Http, transport: str
) -> None:
    query = [("replay", "1"), ("step_id", "numbers"), ("event_type", "step_output"), ("after", "4")]
    events = await seen(http, url, transport, query)
    assert [event["data"] for event in events[:-1]] == [4, 6, 8, 10, 12, 14, 16, 18]
    assert events[-1]["event_type"] == "pipeline_complete"


@both
@pytest.mark.usefixtures("_recorded")
async def test_the_pace_is_kept(url: str, http: Http, transport: str) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await seen(http, url, transport, {"replay": "1", "speed": "10"})
    slow = loop.time() - begun
    assert slow >= 0.19  # two seconds, ten times as fast: never sooner
    await seen(http, url, transport, {"replay": "1", "speed": "0.001", "max_pause": "0"})


@both
async def test_who_has_seen_a_replay_goes_on_live(
    engine: Engine, url: str, http: Http, transport: str
) -> None:
    queue = parts.feed()
    execution = await engine.start("fed", {"feed": "feed"})
    queue.put_nowait("past")
    await parts.until(lambda: execution.recorder.events >= 3)
    events = []
    async for event in telling(http, url, transport, {"replay": "1"}, execution.id):
        events.append(event)
        if event["data"] == "past":
            queue.put_nowait("now")
            queue.put_nowait(None)
    marked = {e["data"]: e["metadata"] for e in events if e["event_type"] == "step_output"}
    assert marked == {"past": {"replayed": True}, "now": None}
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))


@pytest.mark.usefixtures("_recorded")
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("replay=yes", "replay is 'yes'"),
        ("replay=1&speed=fast", "speed is 'fast': it must be a number"),
        ("replay=1&speed=0", "it must be more than 0"),
        ("replay=1&max_pause=-1", "it must be at least 0"),
        ("replay=1&event_type=token", "which is no event type"),
        ("replay=1&" + "step_id=a&" * 300, "at most 256"),
        ("speed=1", "speed is for a replay: add replay=1"),
    ],
)
async def test_what_cannot_be_asked_is_refused(url: str, http: Http, query: str, said: str) -> None:
    async with http.get(f"{url}/stream/pipeline/{ID}?{query}") as response:
        assert response.status == 400
        assert said in (await response.json())["error"]["message"]
    async with http.ws_connect(f"{url}/ws/pipeline/{ID}?{query}") as ws:
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 4400


@pytest.mark.usefixtures("_recorded")
async def test_a_silence_of_a_replay_is_filled_with_heartbeats(url: str, http: Http) -> None:
    async with http.get(f"{url}/stream/pipeline/{ID}?replay=1&speed=0.01") as response:
        beats = 0
        async for chunk in response.content.iter_any():
            beats += chunk.count(b":\n\n")
            if beats > 3:
                break
