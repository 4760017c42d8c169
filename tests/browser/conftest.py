"""A real browser, a real server, and a wire between them that can be cut."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest

from rxstream.engine import Engine
from tests.browser import parts

NAMES = (
    "chromium-headless-shell",
    "chrome-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Where the browser is."""
    pytest.importorskip("playwright", reason="missing: playwright (the extra `test`)")
    for name in NAMES:
        if found := shutil.which(name):
            return found
    pytest.skip(f"missing: browser (none of {', '.join(NAMES)} is on the PATH)")


@pytest.fixture
async def window(browser_path: str) -> AsyncIterator[parts.Window]:
    """A browser; whatever its pages say on the console, beside a broken network, fails the test."""
    async with parts.window(browser_path) as opened:
        yield opened
        assert opened.complaints == []


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine(graphs=parts.GRAPHS) as opened:
        yield opened


@pytest.fixture
async def wire(engine: Engine) -> AsyncIterator[parts.Wire]:
    """The server, behind something that can cut every connection."""
    async with parts.served(engine) as url, parts.wire(url) as opened:
        yield opened
