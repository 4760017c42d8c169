"""A real browser, a real server, and a wire between them that can be cut."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

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


@pytest.fixture(scope="session")
def browser(browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one browser for all tests: starting it costs more than most of them."""
    folder = tmp_path_factory.mktemp("browser")
    command = [browser_path, *parts.BROWSER, f"--user-data-dir={folder}", "about:blank"]
    # some systems start it by a script, whose end alone would leave the browser behind
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as running:
        try:
            yield _address(running, folder / "DevToolsActivePort")
        finally:
            os.killpg(running.pid, signal.SIGKILL)


def _address(running: subprocess.Popen[bytes], told: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.poll() is None:
        lines = told.read_text().splitlines() if told.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.02)
    raise RuntimeError(f"the browser did not start: its status is {running.poll()}")


@pytest.fixture
async def window(browser: str) -> AsyncIterator[parts.Window]:
    """Windows; whatever their pages say on the console, beside a broken network, fails the test."""
    async with parts.window(browser) as opened:
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
