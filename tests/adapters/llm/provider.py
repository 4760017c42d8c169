"""A model server on loopback that does on command what a real one only does on a bad day."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

WORDS = ["Flüsse", " tragen", " 🌊", " Schiffe", " — 船", ".\n"]


def chunk(content: str | None = None, reason: str | None = None, **more: Any) -> str:
    delta = {} if content is None else {"content": content}
    said = {
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        "model": "m",
        **more,
    }
    return f"data: {json.dumps(said, ensure_ascii=False)}\n\n"


def transcript(words: Sequence[str] = WORDS, done: bool = True) -> bytes:
    """A whole answer as it goes over the wire, with keep-alives between."""
    usage = json.dumps({"choices": [], "usage": {"completion_tokens": len(words)}})
    lines = [": keep-alive\n\n", chunk("")]
    lines += [chunk(word) for word in words]
    lines += [": keep-alive\n\n", chunk(reason="stop"), f"data: {usage}\n\n"]
    return "".join(lines + ["data: [DONE]\n\n"] * done).encode()


class Provider:
    """Answers every question with `parts`, then ends well, breaks off, or stays silent."""

    def __init__(self) -> None:
        self.url = ""
        self.parts: list[bytes] = [transcript()]
        self.pause = 0.0
        self.media_type = "text/event-stream"
        self.ending = "well"
        self.status = 200
        self.location = ""
        self.refusal: Any = {"error": {"message": "no"}}
        self.asked: list[tuple[str | None, Any]] = []
        self.left = asyncio.Event()
        self.connections: set[Any] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        self.asked.append((request.headers.get("Authorization"), await request.json()))
        if self.status != 200:
            headers = {"Location": self.location} if self.location else {}
            return web.json_response(self.refusal, status=self.status, headers=headers)
        response = web.StreamResponse(headers={"Content-Type": self.media_type})
        await response.prepare(request)
        try:
            for part in self.parts:
                await response.write(part)
                await asyncio.sleep(self.pause)
            if self.ending == "silent":
                await asyncio.Event().wait()
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise
        if self.ending == "cut":
            assert request.transport is not None
            request.transport.abort()
        return response


@asynccontextmanager
async def listening(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """Answers chat completions by a function; the base URL. One whose client leaves is cancelled."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving() -> AsyncIterator[Provider]:
    provider = Provider()
    async with listening(provider.answer) as provider.url:
        yield provider
