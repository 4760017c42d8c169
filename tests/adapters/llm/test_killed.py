"""A process that shows an answer is killed for real, again and again; the next one goes on with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from tests.adapters.llm.provider import chunk, listening
from tests.adapters.llm.reader import Reader

ANSWERING = Path(__file__).with_name("answering.py")
ROOT = Path(__file__).parents[3]
WORDS = [f"word{number} " for number in range(60)]
TEXT = "".join(WORDS)


class Slow:
    """Says its words one by one, behind an assistant's last message if there is one."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        """What each question was to be gone on with behind."""
        self.sent = 0
        self.reached = asyncio.Event()
        """As much as a test waits for was sent."""
        self.wanted = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        last = (await request.json())["messages"][-1]
        prefix = last["content"] if last["role"] == "assistant" else ""
        self.asked.append(prefix)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            rest = TEXT[len(prefix) :]
            for start in range(0, len(rest), 5):
                await response.write(chunk(rest[start : start + 5]).encode())
                self.sent += 1
                if self.sent == self.wanted:
                    self.reached.set()
                await asyncio.sleep(0.004)
            await response.write(f"{chunk(reason='stop')}data: [DONE]\n\n".encode())
        return response


@asynccontextmanager
async def slow() -> AsyncIterator[Slow]:
    serving = Slow()
    async with listening(serving.answer) as serving.url:
        yield serving


@pytest.mark.parametrize(("provider", "kills"), [("local", [25, 20]), ("openai", [40])])
async def test_the_next_life_shows_the_rest(
    provider: str, kills: list[int], tmp_path: Path
) -> None:
    async def life(kill_after: int | None) -> bytes:
        server.wanted = server.sent + (kill_after or 0)
        server.reached.clear()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ANSWERING), f"{provider}:m", server.url),
            str(tmp_path / "events.db"),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "k"},
        )
        if kill_after is not None:
            async with asyncio.timeout(30):
                await server.reached.wait()
            process.kill()
        printed, _ = await process.communicate()
        return printed

    async with slow() as server:
        for pieces in kills:
            await life(pieces)
        reader = Reader().read(orjson.loads((await life(None)).splitlines()[-1]))
    assert reader.text == TEXT
    assert reader.restarts == 0
    assert reader.done is not None
    assert reader.done["text"] == TEXT
    assert len(server.asked) == len(kills) + 1
    assert [bool(prefix) for prefix in server.asked[1:]] == [provider == "local"] * len(kills)
