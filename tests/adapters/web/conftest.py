"""A real engine, a real server on a free port, and a real HTTP client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

import rxstream as rxs
from rxstream import Engine
from tests.adapters.web import parts


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine(graphs=parts.GRAPHS, grace_s=0.05) as opened:
        yield opened


async def approved(text: str) -> str:
    return "yes" if await rxs.ask(bool, f"publish {text}?") else "no"


@pytest.fixture
async def asking(engine: Engine) -> rxs.Execution:
    """One that waits for a yes."""
    graph = rxs.Graph(lambda: rxs.of("it").map_async(approved).named("gate"), "publishing")
    execution = await engine.start(graph)
    await parts.until(lambda: execution.status == "waiting")
    return execution


@pytest.fixture
async def url(engine: Engine) -> AsyncIterator[str]:
    async with parts.served(engine) as address:
        yield address


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield session
