"""What the tests of the page are made of: graphs a test feeds, a browser, and a wire to cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

import rxstream as rxs
from rxstream.adapters.web import Settings, serve
from rxstream.engine import Engine
from rxstream.graph import Graph

FEED: asyncio.Queue[Any]
"""What `talk` emits next; None ends it, an exception fails it."""

expect.set_options(timeout=60_000)

SETTINGS = Settings(close_timeout=0.2, write_timeout=2.0)


def new_feed() -> asyncio.Queue[Any]:
    global FEED
    FEED = asyncio.Queue(100_000)
    return FEED


@rxs.graph
def talk(times: int = 1, title: str = "a talk"):  # type: ignore[no-untyped-def]  # as a user writes it
    """Says what it is given."""

    async def speech() -> AsyncIterator[dict[str, str]]:
        count = 0
        while (said := await FEED.get()) is not None:
            if isinstance(said, Exception):
                raise said
            if isinstance(said, dict):
                yield said
                continue
            count += 1
            rxs.progress(min(100.0, count), f"word {count}")
            yield {"type": "token", "text": said}
        yield {"type": "done", "text": "", "finish_reason": "stop"}

    async def clock() -> AsyncIterator[dict[str, float]]:
        for i in range(3):
            yield {"load": i / 2, "heat": 40.0 + i}

    return {"answer": rxs.source(speech), "machine": rxs.source(clock)}


@rxs.graph
def numbers(n: int):  # type: ignore[no-untyped-def]  # as a user writes it
    """Numbers from zero."""
    return rxs.source(range(n)).named("numbers")


GRAPHS: list[Graph[..., Any]] = [talk, numbers]


@asynccontextmanager
async def served(engine: Engine, port: int = 0) -> AsyncIterator[str]:
    server = await serve(engine, port=port, settings=SETTINGS)
    try:
        yield server.url
    finally:
        await server.close()


class Wire:
    """A TCP proxy. `cut` breaks every connection; requests for `blocked` paths are hung up on."""

    def __init__(self, target: str) -> None:
        parsed = urlsplit(target)
        self.target = (parsed.hostname or "", parsed.port or 0)
        self.url = ""
        self.blocked: tuple[bytes, ...] = ()
        self.down = False
        self._open: set[asyncio.StreamWriter] = set()
        self._deaf: set[asyncio.StreamWriter] = set()

    def swallow(self) -> None:
        """From now on nothing that is sent over what is open arrives, and nobody is told."""
        self._deaf |= self._open

    def cut(self) -> int:
        """Break what is open; how many connections that was."""
        for writer in self._open:
            writer.transport.abort()
        return len(self._open)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self.down:
                return
            there, back = await asyncio.open_connection(*self.target)
            ways = [
                self._pump(reader, back, writer, True),
                self._pump(there, writer, writer, False),
            ]
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            back.transport.abort()
        except OSError:
            pass  # the server is gone: hang up, as a dead machine's neighbour would
        finally:
            writer.transport.abort()
            self._open.discard(writer)
            self._deaf.discard(writer)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        upwards: bool,
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                if upwards and data.startswith(self.blocked or b"\0"):
                    return
                if client not in self._deaf:
                    sink.write(data)
                    await sink.drain()


@asynccontextmanager
async def wire(target: str) -> AsyncIterator[Wire]:
    made = Wire(target)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(made.carry(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        made.cut()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


class Window:
    """A browser and what its pages complained about."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.complaints: list[str] = []
        self.contexts: list[BrowserContext] = []

    async def open(self, url: str, **settings: Any) -> Page:
        context = await self.browser.new_context(**settings)
        self.contexts.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._heard(message.type, message.text))
        await page.goto(url)
        return page

    def _heard(self, kind: str, text: str) -> None:
        # the browser itself reports a network that broke; no page can prevent it
        network = "net::ERR_" in text or text.startswith("WebSocket connection to")
        refused = "the server responded with a status of" in text
        if kind in ("error", "warning") and not network and not refused:
            self.complaints.append(text)


BROWSER = (
    "--headless",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--remote-debugging-port=0",
)
"""How it is started: a page behind another one is as awake as any."""


@asynccontextmanager
async def window(address: str) -> AsyncIterator[Window]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(address)
        opened = Window(browser)
        try:
            yield opened
        finally:
            for context in opened.contexts:
                await context.close()
            await browser.close()


# -- what a person sees -------------------------------------------------------------------------


async def sees(page: Page, where: str, what: str, seconds: float = 60.0) -> None:
    await expect(page.locator(where)).to_have_text(what, timeout=seconds * 1_000)


async def text_of_talk(page: Page) -> str:
    return await page.locator('[data-output="answer"] .said').text_content() or ""


async def until(condition: Callable[[], Coroutine[Any, Any, bool]], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  # what a browser shows cannot be awaited
            await asyncio.sleep(0.02)


async def sequences(page: Page) -> list[int]:
    """The numbers of all events the page holds, in its order."""
    found: list[int] = await page.evaluate("run.events.map((event) => event.sequence)")
    return found
