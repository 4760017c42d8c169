"""`rxstream run` prints the result of a pipeline whose log takes no more, and says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import rxstream as rxs
from rxstream.adapters.cli.run import unrecorded
from rxstream.errors import LogError
from rxstream.pipeline import Pipeline
from rxstream.testing import virtual_time
from tests.engine.parts import FullLog


async def slow(data: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(100)
    return {"slow": True}


async def ends(given: Any) -> int:
    log = FullLog()
    async with rxs.Engine(log) as engine:
        execution = await engine.start(given)
        await asyncio.sleep(1)
        log.full = True
        with pytest.raises(LogError) as told:
            async for _ in execution.events():
                pass
        return await unrecorded(execution, told.value, tell_result=True)


@virtual_time
async def test_its_result_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert await ends(Pipeline("p").add(slow)) == 0
    out, said = capsys.readouterr()
    assert out.splitlines()[-1] == '{"slow":true}'
    assert "done, but not recorded: the rest of this execution could not be recorded" in said


@virtual_time
async def test_of_another_graph_the_error_is_told() -> None:
    with pytest.raises(LogError, match="disk is full"):
        await ends(rxs.graph(lambda: rxs.interval(1.0)))
