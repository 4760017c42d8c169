"""A real engine, a real server on a free port, and a real HTTP client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from rxstream import Engine
from tests.adapters.web import parts


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine(graphs=parts.GRAPHS, grace_s=0.05) as opened:
        yield opened


@pytest.fixture
async def url(engine: Engine) -> AsyncIterator[str]:
    async with parts.served(engine) as address:
        yield address


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield session
