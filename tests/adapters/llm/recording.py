"""Records the transcripts in `wire/`: `python -m tests.adapters.llm.recording`.

Bytes as they came from the real local model, and from aimock where no real server can be run here. Each is
what a dialect of ours asked for, so a transcript is also a proof that the server took the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from rxstream.adapters.llm import local
from rxstream.adapters.llm.client import joined
from rxstream.adapters.llm.dialect import Dialect
from rxstream.adapters.llm.hermes import BEGINNING, HermesChat
from rxstream.models import Question, ToolSpec
from tests.adapters.llm import aimock
from tests.adapters.llm.dialects import ADD, DIALECTS, NOW, WEATHER

FOLDER = Path(__file__).parent / "wire"


def question(text: str, *tools: ToolSpec, **options: Any) -> Question:
    return Question(({"role": "user", "content": text},), tools, 40, 0.0, options)


async def record(name: str, dialect: Dialect, base: str, key: str, asked: Question) -> None:
    url = joined(base, dialect.path("m"))
    body = dialect.body("m", asked)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
        session.post(url, json=body, headers=dialect.headers(key)) as response,
    ):
        said = await response.read()
        assert response.status == 200, (name, response.status, said)
    (FOLDER / name).write_bytes(said)
    print(f"{name}: {len(said)} bytes")


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    emojis = question("Answer with three emojis.")
    async with local() as endpoint:
        where = (endpoint.base_url, endpoint.api_key)
        real: Mapping[str, Dialect] = {
            name: DIALECTS[name] for name in ("openai", "responses", "anthropic")
        }
        for name, dialect in real.items():
            await record(f"local.{name}", dialect, *where, emojis)
        asked = question("How much is 17 plus 25?", ADD, parallel_tool_calls=True)
        await record("local-tool.openai", HermesChat(), *where, asked)
        begun = (*asked.messages, {"role": "assistant", "content": BEGINNING})
        for name, choice in (("responses", "required"), ("anthropic", {"type": "any"})):
            forced = Question(begun, (ADD,), 40, 0.0, {"tool_choice": choice})
            await record(f"local-tool.{name}", DIALECTS[name], *where, forced)
    with aimock.serving() as url:
        for name, dialect in DIALECTS.items():
            base = f"{url}/v1" if name in ("openai", "responses") else url
            await record(f"aimock.{name}", dialect, base, "k", question("Hi."))
            await record(
                f"aimock-tools.{name}", dialect, base, "k", question("two tools", WEATHER, ADD)
            )
            await record(f"aimock-thought.{name}", dialect, base, "k", question("think first", NOW))


if __name__ == "__main__":
    asyncio.run(main())
