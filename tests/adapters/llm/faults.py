"""llmock: a server that we did not write and that has on command every fault of the real providers.

In a child process, because its own fixture leaves threads behind, and the tests here look whether ours do.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from rxstream.adapters.http import session

PATHS: Final = {
    "openai": "/v1",
    "openai-responses": "/v1",
    "anthropic": "/anthropic",
    "gemini": "/gemini",
}
"""Behind its address, by our provider."""

_CHILD = """
import sys
from llmock.testing import LLMockServer
print(LLMockServer().start().url, flush=True)
sys.stdin.read()
"""


class Faulty:
    """A running one."""

    def __init__(self, url: str) -> None:
        self.url = url

    def base_url(self, provider: str) -> str:
        """What a model of that provider is given."""
        return self.url + PATHS[provider]

    async def will(self, **behaviour: Any) -> None:
        """Have this fault once, and no other; `type` and more as llmock names them."""
        await self._post("reset", {})
        await self._post("scenario", {"behaviors": [behaviour]})

    async def verdict(self) -> str:
        """What it says of how its faults were taken."""
        async with (await session()).get(f"{self.url}/_llmock/verdict?format=text") as response:
            return await response.text()

    async def _post(self, path: str, body: Any) -> None:
        async with (await session()).post(f"{self.url}/_llmock/{path}", json=body) as response:
            assert response.status < 300, await response.text()


@pytest.fixture(scope="session")
def faulty() -> Iterator[Faulty]:
    """A server with faults, of OpenAI, Anthropic and Gemini."""
    if importlib.util.find_spec("llmock") is None:
        pytest.skip("missing: llmock (the extra `test`)")
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        try:
            yield Faulty(process.stdout.readline().strip())
        finally:
            process.kill()
