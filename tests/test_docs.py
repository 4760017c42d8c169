"""What pages of docs/ show works as it is written there."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import types
from pathlib import Path
from typing import Any

from rxstream.pipeline import Pipeline
from rxstream.testing import JournalLog, run
from tests.adapters.llm.scripted import ScriptedModel, says

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "durability.md"


def test_what_is_said_about_durability(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("numbers.txt").write_text("".join(f"{n}\n" for n in range(60)))
    graph, engine, plan, crashes = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    space: dict[str, Any] = {}
    exec(compile(graph, str(PAGE), "exec"), space)
    exec(compile(plan, str(PAGE), "exec"), space)
    assert space["plan"].obstacles == ()
    exec(compile(crashes, str(PAGE), "exec"), space)

    async def resumed() -> None:
        rxs, totals = space["rxs"], space["totals"]
        journal = JournalLog()
        async with rxs.Engine(journal, graphs=[totals]) as first:
            whole = await first.start(totals, {"path": "numbers.txt"})
            assert await whole.result() == sum(range(60))
        lines = "\n".join(f"    {line}" for line in engine.splitlines())
        died = JournalLog(journal.commits[:2], journal.epoch)
        space.update(execution_id=whole.id, other_graph=totals)
        code = f"async def going_on():\n{lines}\n        return await execution.result()"
        exec(code.replace('log="events.db"', "log=died"), space | {"died": died}, space)
        assert await space["going_on"]() == sum(range(60))

    run(resumed())


def test_what_is_said_about_scheduling() -> None:
    page = DOCS / "scheduling.md"
    whole, call = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    space: dict[str, Any] = {}
    exec(compile(whole, str(page), "exec"), space)
    assert run(space["main"]()) == ["trained"] * 3
    exec(compile(call, str(page), "exec"), space)

    async def embedded() -> Any:
        async def model(text: str) -> str:
            return text.upper()

        async with space["rxs"].Engine(resources={"gpu": 1}) as engine:
            space.update(engine=engine, model=model)
            return await space["embed"]("text")

    assert run(embedded()) == "TEXT"


def test_what_is_said_about_pipelines(tmp_path: Path, monkeypatch: Any) -> None:
    page = DOCS / "pipelines.md"
    monkeypatch.chdir(tmp_path)
    first, failing, letters, asking, measured, promising = re.findall(
        r"```python\n(.*?)```", page.read_text(), re.DOTALL
    )
    space: dict[str, Any] = {}
    exec(compile(first, str(page), "exec"), space)
    assert space["result"]["total"] == 14
    exec(compile(measured, str(page), "exec"), space)
    assert space["live"] == space["again"]
    assert space["live"].SR == 1
    exec(compile(promising, str(page), "exec"), space)
    assert [slo.name for slo in space["promising"].slos] == ["SR >= 0.99", "WCT.p95 <= 2000"]
    exec(compile(failing, str(page), "exec"), space)
    assert space["undone"] == [17]
    exec(compile(letters, str(page), "exec"), space)
    assert (space["parsed"]["good"], space["parsed"]["bad"]) == (2, 1)
    [letter] = space["parsed"]["parse_dead_letters"]
    assert json.loads(Path("dead-letters.jsonl").read_text()) == letter
    exec(compile(asking, str(page), "exec"), space)

    async def published() -> Any:
        execution = await space["asking"].start()
        while not execution.questions:  # noqa: ASYNC110  # virtual time
            await asyncio.sleep(0.01)
        await execution.answer(execution.questions[0].request_id, "publish")
        return await execution.result()

    assert run(published()) == {"approved": True, "published": True}

    [toml] = re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
    module = types.ModuleType("steps")
    module.__dict__.update(Load=space["Load"], square=space["square"])
    monkeypatch.setitem(sys.modules, "steps", module)
    file = tmp_path / "pipeline.toml"
    file.write_text(toml)
    result = run(Pipeline.from_file(file).run({"count": 3}))
    assert [each["square"] for each in result["squares"]] == [0, 1, 4]


def test_what_is_said_about_sinks(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    page = DOCS / "sinks.md"
    space: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        exec(compile(code, str(page), "exec"), space)
    assert space["told"][-1] == "pipeline_complete"
    assert space["statistics"].state == "ended"
    assert Path("squares.jsonl").read_text().split() == ["0", "1", "4", "9", "16"]
    assert len(Path("events.jsonl").read_text().splitlines()) == space["statistics"].written


def test_what_is_said_about_answers(monkeypatch: Any) -> None:
    page = DOCS / "answers.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    space: dict[str, Any] = {}
    exec(compile(code, str(page), "exec"), space)
    asked = sys.modules["rxstream.adapters.llm.chat"]
    monkeypatch.setattr(asked, "open_model", lambda *_, **__: ScriptedModel(says("word " * 40)))
    counted = {"completion": 40, "attempts": 1, "answers": 1}
    assert run(space["main"]("?")) == ("completed", counted)
    monkeypatch.setattr(asked, "open_model", lambda *_, **__: ScriptedModel(says("word " * 3_000)))
    assert run(space["main"]("?")) == ("failed", {"completion": 2_000})
