"""Many streams over one WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from rxstream import Engine
from rxstream.adapters.web import Settings, serve
from tests.adapters.web import parts

Http = aiohttp.ClientSession


class Session:
    """One multiplexed connection, and what it was told about each stream."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.told: list[dict[str, Any]] = []

    async def say(self, kind: str, **fields: Any) -> None:
        await self.ws.send_json({"type": kind, **fields})

    async def hear(self, kind: str, stream_id: str | None = None) -> dict[str, Any]:
        """The next message of a kind; everything is kept in `told`."""
        async with asyncio.timeout(30):
            while True:
                message = await self.ws.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, message
                self.told.append(json.loads(message.data))
                if self.told[-1]["type"] == kind and stream_id in (
                    None,
                    self.told[-1].get("stream_id"),
                ):
                    return self.told[-1]

    def events(self, stream_id: str) -> list[dict[str, Any]]:
        return [
            message["data"]
            for message in self.told
            if message["type"] == "stream_update" and message["stream_id"] == stream_id
        ]


@asynccontextmanager
async def connected(http: Http, url: str) -> AsyncIterator[Session]:
    async with http.ws_connect(f"{url}/ws") as ws:
        yield Session(ws)


@pytest.fixture
async def session(url: str, http: Http) -> AsyncIterator[Session]:
    async with connected(http, url) as opened:
        yield opened


async def test_two_streams_are_told_apart_and_each_is_complete(
    engine: Engine, session: Session
) -> None:
    first = await engine.start("numbers", {"n": 50})
    second = await engine.start("numbers", {"n": 70})
    await session.say("subscribe", stream_id=first.id)
    await session.say("subscribe", stream_id="mine", execution_id=second.id)
    ends = {(await session.hear("stream_complete"))["stream_id"] for _ in range(2)}
    assert ends == {first.id, "mine"}
    for stream_id, execution in ((first.id, first), ("mine", second)):
        stored = [event.to_dict() async for event in execution.events()]
        assert session.events(stream_id) == stored


async def test_a_stream_that_ends_says_how_and_where(engine: Engine, session: Session) -> None:
    execution = await engine.start("numbers", {"n": 1})
    await session.say("subscribe", execution_id=execution.id)
    end = await session.hear("stream_complete")
    assert end["stream_id"] == execution.id
    last = session.events(execution.id)[-1]
    assert end["data"] == {
        "execution_id": execution.id,
        "status": "completed",
        "cursor": last["cursor"],
    }
    assert last["event_type"] == "pipeline_complete"


async def test_a_stream_goes_on_after_a_cursor_or_tells_the_gap(
    engine: Engine, session: Session
) -> None:
    await parts.recorded(engine.log, "e", [*parts.outputs(3), parts.ENDING], "completed")
    await session.say("subscribe", stream_id="a", execution_id="e", after=3)
    await session.hear("stream_complete", "a")
    await session.say("subscribe", stream_id="b", execution_id="e", after="deadbeef:1")
    await session.hear("stream_complete", "b")
    assert [event["sequence"] for event in session.events("a")] == [4, 5]
    assert [event["sequence"] for event in session.events("b")] == [None, 1, 2, 3, 4, 5]
    assert session.events("b")[0]["event_type"] == "gap"


async def test_a_filter_passes_only_what_was_asked_for(engine: Engine, session: Session) -> None:
    execution = await engine.start("numbers", {"n": 3})
    for name, wanted in (
        ("types", {"event_types": ["step_output", "pipeline_complete"]}),
        ("steps", {"step_ids": ["numbers"]}),
        ("both", {"event_types": ["step_output"], "step_ids": ["numbers"]}),
        ("none", {"step_ids": ["nobody"]}),
    ):
        await session.say("subscribe", stream_id=name, execution_id=execution.id, filter=wanted)
        await session.hear("stream_complete", name)
    seen = {
        name: [event["event_type"] for event in session.events(name)]
        for name in ("types", "steps", "both", "none")
    }
    assert seen["types"] == ["step_output"] * 3 + ["pipeline_complete"]
    assert seen["steps"] == ["step_start"] + ["step_output"] * 3 + ["step_complete"]
    assert seen["both"] == ["step_output"] * 3
    assert seen["none"] == []


async def test_unsubscribe_ends_one_stream_and_leaves_the_other(
    engine: Engine, session: Session
) -> None:
    await parts.recorded(engine.log, "a", parts.outputs(0))
    await parts.recorded(engine.log, "b", parts.outputs(0))
    for name in ("a", "b"):
        await session.say("subscribe", stream_id=name)
        await session.hear("stream_update", name)
    await session.say("unsubscribe", stream_id="a")
    await session.hear("unsubscribed", "a")
    await parts.complete(engine.log, "a")
    await parts.complete(engine.log, "b")
    await session.hear("stream_complete", "b")
    assert len(session.events("a")) == 1
    await session.say("unsubscribe", stream_id="a")
    assert (await session.hear("error"))["error"]["code"] == "unknown_stream"


async def test_start_answers_with_the_execution_and_follows_it(session: Session) -> None:
    await session.say("start", graph="numbers", params={"n": 2}, stream_id="mine")
    started = await session.hear("started", "mine")
    assert started["data"].keys() == {"execution_id", "status"}
    await session.hear("stream_complete", "mine")
    outputs = [e["data"] for e in session.events("mine") if e["event_type"] == "step_output"]
    assert outputs == [0, 1]
    assert session.events("mine")[0]["execution_id"] == started["data"]["execution_id"]


async def test_a_stream_is_named_after_its_execution_unless_told_otherwise(
    session: Session,
) -> None:
    await session.say("start", graph="numbers", params={"n": 2})
    started = await session.hear("started")
    assert started["stream_id"] == started["data"]["execution_id"]
    assert (await session.hear("stream_complete"))["stream_id"] == started["stream_id"]


async def test_subscribing_to_what_start_follows_already_doubles_nothing(
    engine: Engine, session: Session
) -> None:
    queue = parts.feed()
    await session.say("start", graph="fed", params={"feed": "feed"})
    execution_id = (await session.hear("started"))["data"]["execution_id"]
    await session.say("subscribe", stream_id=execution_id)
    await session.hear("subscribed")
    await session.hear("subscribed")
    queue.put_nowait(None)
    await session.hear("stream_complete", execution_id)
    sequences = [event["sequence"] for event in session.events(execution_id)]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_start_need_not_follow(engine: Engine, session: Session) -> None:
    await session.say("start", graph="numbers", params={"n": 2}, subscribe=False)
    execution_id = (await session.hear("started"))["data"]["execution_id"]
    await engine.execution(execution_id).wait()
    await session.say("ping")
    await session.hear("pong")
    assert session.events(execution_id) == []


async def test_cancel_by_stream_or_by_execution(engine: Engine, session: Session) -> None:
    for named in ("stream_id", "execution_id"):
        parts.feed()
        await session.say("start", graph="fed", params={"feed": "feed"}, stream_id="s")
        execution_id = (await session.hear("started", "s"))["data"]["execution_id"]
        target = "s" if named == "stream_id" else execution_id
        await session.say("cancel", **{named: target}, reason="enough")
        await session.hear("cancelling")
        end = await session.hear("stream_complete", "s")
        assert end["data"]["status"] == "cancelled"
        assert session.events("s")[-1]["data"] == {"reason": "enough"}
        await session.say("cancel", execution_id=execution_id)
        assert (await session.hear("error"))["error"]["code"] == "already_ended"


@pytest.mark.parametrize(
    ("said", "code", "stream_id"),
    [
        ('{"type":"subscribe","stream_id":"nope"}', "unknown_execution", "nope"),
        ('{"type":"subscribe","stream_id":"e","after":"x"}', "invalid_cursor", "e"),
        ('{"type":"subscribe"}', "bad_request", None),
        ('{"type":"subscribe","stream_id":"e","filter":{"event_types":["x"]}}', "bad_request", "e"),
        ('{"type":"subscribe","stream_id":"e","since":1}', "bad_request", "e"),
        ('{"type":"start","graph":"nope"}', "unknown_graph", None),
        ('{"type":"start","graph":"numbers","stream_id":"s"}', "invalid_parameters", "s"),
        ('{"type":"start","graph":"undrawable","stream_id":"s"}', "internal_error", "s"),
        ('{"type":"cancel","stream_id":"nope"}', "unknown_execution", "nope"),
        (
            '{"type":"answer","execution_id":"e","request_id":"r","value":1}',
            "already_ended",
            None,
        ),
        ('{"type":"dance"}', "bad_request", None),
        ("{}", "bad_request", None),
        ("[]", "bad_request", None),
        ("hello", "invalid_json", None),
        ("[" * 65 + "]" * 65, "invalid_json", None),
    ],
)
async def test_what_is_wrong_is_told_and_the_connection_goes_on(
    engine: Engine, session: Session, said: str, code: str, stream_id: str | None
) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    await session.ws.send_str(said)
    told = await session.hear("error")
    assert told["error"]["code"] == code
    assert told.get("stream_id") == stream_id
    assert "secret internals" not in str(told)
    await session.say("ping", stream_id="p")
    assert await session.hear("pong") == {"type": "pong", "stream_id": "p", "data": {}}


async def test_a_binary_message_is_refused(session: Session) -> None:
    await session.ws.send_bytes(b"{}")
    assert (await session.hear("error"))["error"]["code"] == "bad_request"


async def test_one_stream_id_names_one_stream(engine: Engine, session: Session) -> None:
    await parts.recorded(engine.log, "a", parts.outputs(0))
    await parts.recorded(engine.log, "b", parts.outputs(0))
    await session.say("subscribe", stream_id="s", execution_id="a")
    await session.say("subscribe", stream_id="s", execution_id="b")
    assert (await session.hear("error", "s"))["error"]["code"] == "already_subscribed"


async def test_a_connection_follows_a_bounded_number_of_streams(engine: Engine, http: Http) -> None:
    await parts.recorded(engine.log, "e", parts.outputs(0))
    settings = Settings(max_subscriptions=2, close_timeout=0.2)
    async with parts.served(engine, settings) as url, connected(http, url) as session:
        for name in ("a", "b", "c"):
            await session.say("subscribe", stream_id=name, execution_id="e")
        assert (await session.hear("error", "c"))["error"]["code"] == "overloaded"
        await session.say("unsubscribe", stream_id="a")
        await session.hear("unsubscribed")
        await session.say("subscribe", stream_id="c", execution_id="e")
        await session.hear("subscribed", "c")


async def test_a_busy_stream_does_not_starve_a_quiet_one(engine: Engine, session: Session) -> None:
    await parts.recorded(engine.log, "busy", [*parts.outputs(3_000, 2_000), parts.ENDING])
    await parts.recorded(engine.log, "quiet", [*parts.outputs(3), parts.ENDING], "completed")
    await session.say("subscribe", stream_id="busy")
    await session.say("subscribe", stream_id="quiet")
    await session.hear("stream_complete", "quiet")
    assert len(session.events("busy")) < 2_000
    await session.hear("stream_complete", "busy")
    assert len(session.events("busy")) == 3_002


async def test_unsubscribing_while_the_client_is_slow_harms_no_other_stream(
    engine: Engine, http: Http
) -> None:
    queue = parts.feed()
    execution = await engine.start("fed", {"feed": "feed"}, on_last_listener="cancel")
    await parts.recorded(engine.log, "b", parts.outputs(0))
    server = await serve(engine, port=0, settings=Settings(close_timeout=0.2))
    async with connected(http, server.url) as session:
        for stream_id, execution_id in (("a", execution.id), ("b", "b")):
            await session.say("subscribe", stream_id=stream_id, execution_id=execution_id)
            await session.hear("stream_update", stream_id)
        for _ in range(100):  # more than a connection holds, so the stream waits for its client
            queue.put_nowait("x" * 400_000)
        await parts.until(lambda: max(parts.buffered(server)) > 100_000)
        await session.say("unsubscribe", stream_id="a")
        # nobody listens to it any more, and still nothing was read
        await parts.until(lambda: execution.ended)
        await parts.complete(engine.log, "b")
        await session.hear("stream_complete", "b")
    assert [event["sequence"] for event in session.events("b")] == [1, 2]
    await server.close()


async def test_a_server_that_closes_says_so(http: Http) -> None:
    async with Engine() as engine:
        await parts.recorded(engine.log, "e", parts.outputs(0))
        server = await serve(engine, port=0, settings=parts.QUICK)
        async with http.ws_connect(f"{server.url}/ws") as ws:
            await ws.send_json({"type": "subscribe", "stream_id": "e"})
            while (await ws.receive_json())["type"] != "stream_update":
                pass
            closing = asyncio.create_task(server.close())
            assert (await ws.receive()).data == 1012
            await closing


async def test_a_log_that_closes_ends_the_connection(http: Http) -> None:
    async with Engine() as engine, parts.served(engine) as url:
        await parts.recorded(engine.log, "e", parts.outputs(0))
        async with http.ws_connect(f"{url}/ws") as ws:
            await ws.send_json({"type": "subscribe", "stream_id": "e"})
            while (await ws.receive_json())["type"] != "stream_update":
                pass
            await engine.log.close()
            assert (await ws.receive()).data == 1012


async def test_who_listens_over_one_connection_counts_as_a_listener(
    engine: Engine, url: str, http: Http
) -> None:
    parts.feed()
    execution = await engine.start("fed", {"feed": "feed"}, on_last_listener="cancel")
    async with connected(http, url) as session:
        await session.say("subscribe", stream_id=execution.id)
        await session.hear("stream_update")
    await parts.until(lambda: execution.ended)
    assert execution.status == "cancelled"
