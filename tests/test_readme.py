"""What README.md shows works as it is written there, a scripted model standing for the local one."""

from __future__ import annotations

import asyncio
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web as aiohttp_web
from aiohttp.test_utils import TestClient, TestServer

import rxstream as rxs
from rxstream.agent import settings
from tests.agent.test_page import opened

PAGE = Path(__file__).parent.parent / "README.md"
GRAPH, ENGINE, WEB, AGENT = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


class Seen(Exception):
    """Enough was shown."""


def run_here(code: str, space: dict[str, Any]) -> Any:
    """The coroutine of what is awaited at the top of a block."""
    exec(f"async def here():\n{textwrap.indent(code, '    ')}", space)
    return space["here"]()


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    Path("app.log").write_text("")
    Path("notes.txt").write_text("to be\nor not\n")
    return {"__name__": "readme", "rxs": rxs}


def test_the_graph_publishes_and_writes_what_it_says(space: dict[str, Any]) -> None:
    exec(GRAPH, space)
    seen: list[rxs.StreamEvent] = []

    def grow(event: rxs.StreamEvent) -> None:
        seen.append(event)
        with open("app.log", "a") as log:
            log.write("INFO fine\nERROR broken\n")
        if event.event_type == "step_output":
            raise Seen

    space["print"] = grow
    with pytest.raises(Seen):
        asyncio.run(asyncio.wait_for(run_here(ENGINE, space), 60))
    assert set(seen[-1].data) == {"ERROR broken"}
    assert Path("bad.jsonl").read_text().startswith('["ERROR broken"')


async def test_the_engine_is_served_in_an_application(space: dict[str, Any]) -> None:
    exec(GRAPH, space)
    async with rxs.Engine(graphs=[space["errors"]]) as engine:
        app = aiohttp_web.Application()
        exec(WEB, space | {"app": app, "engine": engine})
        async with TestClient(TestServer(app)) as client:
            answer = await client.get("/streams/api/graphs")
            items = (await answer.json())["items"]
            assert [graph["name"] for graph in items] == ["errors"]


async def test_the_agent_calls_its_tool(
    space: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(settings, "open_model", opened)
    await run_here(AGENT, space)
    assert "'result': 4" in capsys.readouterr().out
