"""What is stored of an execution beside its events: by itself, when it was asked for, and told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import rxstream as rxs
from rxstream.errors import AlreadyEnded, AuthorError
from rxstream.testing import virtual_time
from tests.engine.crashing import Ticks, died, lived, totals
from tests.engine.parts import events_of, within

SAVED = "checkpoint_saved"


class TestQuietState:
    @virtual_time
    async def test_what_publishes_nothing_is_stored_once_a_second(self) -> None:
        @rxs.graph
        def silent() -> Any:
            return rxs.source(Ticks(50, 0.1)).count()

        journal, whole = await lived(silent)
        assert 4 <= len(journal.commits) <= 12
        async with rxs.Engine(died(journal, 5), graphs=[silent]) as engine:
            begun = asyncio.get_running_loop().time()
            assert await engine.execution(whole.id).result() == 50
            assert asyncio.get_running_loop().time() - begun < 4


class TestCheckpoints:
    def test_are_made_on_request_and_told(self, tmp_path: Path) -> None:
        async def main() -> None:
            async with rxs.Engine(tmp_path / "events.db", graphs=[totals]) as engine:
                execution = await engine.start("totals")
                async for event in execution.events():
                    if event.data == 10:
                        info = await execution.checkpoint()
                told = [e.data for e in await events_of(execution) if e.event_type == SAVED]
                assert told == [{"sequence": info.sequence, "bytes": info.bytes}]
                assert info.bytes > 0
                with pytest.raises(AlreadyEnded):
                    await execution.checkpoint()

        asyncio.run(within(60, main()))

    def test_are_made_by_the_log_itself_when_deltas_have_grown(self, tmp_path: Path) -> None:
        @rxs.graph
        def large() -> Any:
            return rxs.source(Ticks(60, 0.005)).map(lambda n: f"{n:020000d}").pairwise().map(len)

        async def main() -> None:
            async with rxs.Engine(tmp_path / "events.db") as engine:
                events = await events_of(await engine.start(large))
                assert SAVED in [event.event_type for event in events]

        asyncio.run(within(60, main()))

    @virtual_time
    async def test_what_cannot_be_resumed_says_why(self) -> None:
        async with rxs.Engine() as engine:
            execution = await engine.start(totals)
            with pytest.raises(AuthorError, match="does not outlive"):
                await execution.checkpoint()
