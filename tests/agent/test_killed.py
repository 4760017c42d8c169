"""An agent whose process is killed for real goes on in the next one: shown once, sent once."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import web

import rxstream as rxs
from tests.adapters.llm.provider import listening
from tests.agent.scripted import results, text_of

LIVING = Path(__file__).with_name("living.py")
ROOT = Path(__file__).parents[2]
FIRST = "".join(f"word{number} " for number in range(30))
SECOND = "".join(f"end{number} " for number in range(20))
DEADLINE_S = 40


def chunk(reason: str | None = None, **delta: Any) -> bytes:
    said = {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
    return f"data: {json.dumps(said)}\n\n".encode()


CALL = {"index": 0, "id": "c1", "function": {"name": "send", "arguments": '{"to": "x"}'}}


class Server:
    """Says a long text and a call to the first question, another text to the second."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[list[str]] = []
        """The roles of the messages of each question."""
        self.said = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        roles = [each["role"] for each in (await request.json())["messages"]]
        self.asked.append(roles)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        text = SECOND if "tool" in roles else FIRST
        with suppress(ConnectionError):
            for start in range(0, len(text), 5):
                await response.write(chunk(content=text[start : start + 5]))
                self.said += 1
                await asyncio.sleep(0.005)
            if text is FIRST:
                await response.write(chunk(tool_calls=[CALL]))
            reason = "tool_calls" if text is FIRST else "stop"
            await response.write(chunk(reason) + b"data: [DONE]\n\n")
        return response


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    async with listening(server.answer) as server.url:
        yield server


async def test_killed_in_an_answer_and_in_a_call_it_shows_nothing_and_sends_nothing_twice(
    tmp_path: Path,
) -> None:
    log, notes = tmp_path / "events.db", tmp_path / "notes"

    async def life(until: Any) -> None:
        """One process, killed as soon as that holds."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(LIVING), str(log), str(notes), server.url),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        async with asyncio.timeout(DEADLINE_S):
            while process.returncode is None and not until():  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.002)
            if process.returncode is None:
                process.kill()
            await process.wait()

    async with serving() as server:
        await life(lambda: server.said >= 15)
        await life(notes.exists)
        await life(lambda: False)
    async with rxs.Engine(str(log)) as engine:
        [record] = await engine.records()
        events = await engine.log.read(record.execution_id)
    found = [each.data for each in events if each.event_type == "step_output"]
    assert [each.sequence for each in events] == list(range(1, len(events) + 1))
    assert text_of(found) == FIRST + SECOND
    assert results(found) == {"c1": "unknown"}
    assert notes.read_text() == "send x\n"
    assert (found[-1]["type"], found[-1]["text"], record.status) == ("done", SECOND, "completed")
    assert server.asked == [["user"], ["user"], ["user", "assistant", "tool"]]
