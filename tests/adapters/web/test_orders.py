"""What clients say on both WebSockets: answers, steering, replays, windows that are acknowledged."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import rxstream as rxs
from rxstream import Engine
from rxstream.adapters.web import protocol
from tests.adapters.web import parts
from tests.adapters.web.test_multiplex import Http, Session, connected


def test_what_the_documents_answer_with(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[3] / "docs" / "web.md"
    [code] = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    exec(compile(code, str(page), "exec"), {})
    assert "published" in capsys.readouterr().out


@pytest.fixture
async def session(url: str, http: Http) -> AsyncIterator[Session]:
    async with connected(http, url) as opened:
        yield opened


async def said(ws: aiohttp.ClientWebSocketResponse, **message: Any) -> dict[str, Any]:
    """What is answered; events that come before are read over."""
    await ws.send_json(message)
    async with asyncio.timeout(30):
        while "type" not in (told := await ws.receive_json()):
            pass
    return dict(told)


async def test_the_socket_of_one_execution_takes_the_answer_to_its_question(
    url: str, http: Http, asking: rxs.Execution
) -> None:
    (asked,) = asking.questions
    async with http.ws_connect(f"{url}/ws/pipeline/{asking.id}") as ws:
        assert (await said(ws, type="ping"))["type"] == "pong"
        refused = await said(ws, type="answer", request_id=asked.request_id, value="maybe")
        assert (refused["stream_id"], refused["error"]["code"]) == (asking.id, "invalid_parameters")
        answered = await said(ws, type="answer", request_id=asked.request_id, value=True)
        assert (answered["type"], answered["stream_id"]) == ("answered", asking.id)
        kinds = [json.loads(message.data)["event_type"] async for message in ws]
    assert (kinds[-1], ws.close_code) == ("pipeline_complete", 1000)
    assert await asking.result() == "yes"


async def test_the_socket_of_one_execution_cancels_it_and_refuses_what_is_of_another(
    url: str, http: Http, asking: rxs.Execution
) -> None:
    async with http.ws_connect(f"{url}/ws/pipeline/{asking.id}") as ws:
        for message in (
            {"type": "cancel", "execution_id": "another"},
            {"type": "subscribe"},
            {"type": "start", "graph": "numbers"},
        ):
            refused = await said(ws, **message)
            assert "/ws" in refused["error"]["message"]
        assert (await said(ws, type="cancel", reason="enough"))["type"] == "cancelling"
        last = [json.loads(message.data) async for message in ws][-1]
    assert last["data"] == {"reason": "enough"}


async def test_a_replay_is_one_stream_of_many(engine: Engine, session: Session) -> None:
    await parts.recorded(engine.log, "e", [*parts.outputs(3), parts.ENDING], "completed")
    await session.say("subscribe", stream_id="e", replay={"speed": 1000, "max_pause": 0})
    end = await session.hear("stream_complete", "e")
    events = session.events("e")
    assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5]
    assert {json.dumps(event["metadata"]) for event in events} == {'{"replayed": true}'}
    assert end["data"]["cursor"] == events[-1]["cursor"]


async def test_a_stream_with_a_window_waits_until_it_is_acknowledged(
    engine: Engine, session: Session
) -> None:
    await parts.recorded(engine.log, "e", [*parts.outputs(8), parts.ENDING], "completed")
    await session.say("subscribe", stream_id="e", window=4)
    sizes: list[int] = []
    while len(session.events("e")) < 10:
        while len(session.events("e")) < min(10, 4 * (len(sizes) + 1)):
            await session.hear("stream_update", "e")
        await session.say("ping")
        await session.hear("pong")
        sizes.append(len(session.events("e")))
        await session.say("ack", stream_id="e", cursor=session.events("e")[-1]["cursor"])
    assert sizes == [4, 8, 10]
    if all(told["type"] != "stream_complete" for told in session.told):
        await session.hear("stream_complete")
    await session.say("ack", stream_id="e", cursor=session.events("e")[-1]["cursor"])
    await session.say("ping")
    assert (await session.hear("pong"))["type"] == "pong"
    assert [told["type"] for told in session.told].count("error") == 0


async def test_what_cannot_be_acknowledged_is_said(engine: Engine, session: Session) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(1))
    await session.say("subscribe", stream_id="e")
    await session.hear("stream_update", "e")
    await session.say("ack", stream_id="e", cursor="x:1")
    assert "no window" in (await session.hear("error"))["error"]["message"]
    await session.say("subscribe", stream_id="paced", execution_id="e", window=1)
    await session.hear("stream_update", "paced")
    await session.say("ack", stream_id="paced", cursor="x:1")
    assert "no event that waits" in (await session.hear("error", "paced"))["error"]["message"]


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ({"type": "subscribe", "window": 0}, "window is 0"),
        ({"type": "subscribe", "window": 100_001}, "1 to 100,000"),
        ({"type": "subscribe", "window": True}, "must be an integer"),
        ({"type": "subscribe", "replay": "fast"}, "replay must be true"),
        ({"type": "subscribe", "replay": {"pace": 1}}, "'pace' is not known"),
        ({"type": "subscribe", "replay": {"speed": "2"}}, "speed must be a number"),
        ({"type": "ack"}, "cursor are needed"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(message: dict[str, Any], word: str) -> None:
    with pytest.raises(protocol.Refused) as refused:
        protocol.parse(json.dumps({"stream_id": "e", **message}))
    assert word in refused.value.error.message


async def test_a_speed_that_is_none_is_told_on_its_stream(engine: Engine, session: Session) -> None:
    await parts.recorded(engine.log, "e", [parts.ENDING], "completed")
    await session.say("subscribe", stream_id="e", replay={"speed": -1})
    assert "more than 0" in (await session.hear("error", "e"))["error"]["message"]
