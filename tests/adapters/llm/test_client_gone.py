"""Who asked has gone: the model is told to stop, through all of it and over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

import rxstream as rxs
from rxstream.adapters.llm import chat
from tests.adapters.llm.faulty import Faulty, Said, faulty
from tests.adapters.llm.provider import transcript
from tests.adapters.web.parts import served

STARTED = transcript()[:300]
"""The beginning of an answer."""


class Chat:
    """A server with one graph, and a browser's way to it."""

    def __init__(self, model: Faulty, url: str, session: aiohttp.ClientSession) -> None:
        self.model = model
        self.url = url
        self.session = session

    async def start(self, **how: Any) -> str:
        body = {"graph": "talk", "params": {"url": self.model.url}, **how}
        async with self.session.post(f"{self.url}/api/executions", json=body) as answer:
            return str((await answer.json())["execution_id"])

    async def listen(self, execution: str) -> aiohttp.ClientResponse:
        """Read its events until the first token."""
        response = await self.session.get(f"{self.url}/stream/pipeline/{execution}")
        async for line in response.content:
            if b'"token"' in line:
                return response
        raise AssertionError("it ended")

    async def shown(self, execution: str) -> Any:
        async with self.session.get(f"{self.url}/api/executions/{execution}") as answer:
            return await answer.json()

    async def status(self, execution: str) -> str:
        return str((await self.shown(execution))["status"])


@rxs.graph
def talk(url: str) -> rxs.Stream[Any]:
    """One answer."""
    return chat("Speak.", model="openai:m", base_url=url, api_key="k").named("answer")


@asynccontextmanager
async def chatting(grace_s: float) -> AsyncIterator[Chat]:
    async with (
        faulty(Said(STARTED, "hang")) as model,
        rxs.Engine(graphs=[talk], grace_s=grace_s) as engine,
        served(engine) as url,
        aiohttp.ClientSession() as session,
    ):
        yield Chat(model, url, session)


async def test_the_model_stops_when_the_last_listener_has_left() -> None:
    async with chatting(grace_s=0.05) as it:
        execution = await it.start(on_last_listener="cancel")
        (await it.listen(execution)).close()
        async with asyncio.timeout(30):
            await it.model.left.wait()
            while (status := await it.status(execution)) != "cancelled":
                assert status == "running"
            tallies = (await it.shown(execution))["tallies"]
        assert 0 < tallies["completion"] < 6


@pytest.mark.parametrize("how", [{}, {"on_last_listener": "cancel"}])
async def test_it_goes_on_while_somebody_listens_or_nobody_has_to(how: dict[str, Any]) -> None:
    async with chatting(grace_s=0.02) as it:
        execution = await it.start(**how)
        staying = await it.listen(execution) if how else None
        (await it.listen(execution)).close()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await it.model.left.wait()
        assert await it.status(execution) == "running"
        if staying is not None:
            staying.close()
            async with asyncio.timeout(30):
                await it.model.left.wait()


async def test_a_loop_over_the_events_is_a_listener_too() -> None:
    async with (
        faulty(Said(STARTED, "hang")) as model,
        rxs.Engine(graphs=[talk], grace_s=0.02) as engine,
    ):
        execution = await engine.start(talk.bind(url=model.url), on_last_listener="cancel")
        async for event in execution.events():
            if event.event_type == "step_output":
                assert execution.listeners == 1
                break
        async with asyncio.timeout(30):
            await model.left.wait()
            await execution.wait()
        assert (execution.status, execution.listeners) == ("cancelled", 0)
