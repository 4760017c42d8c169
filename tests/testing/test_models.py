"""A scripted model says its script, goes on behind what was delivered, and remembers what it was asked."""

from __future__ import annotations

import asyncio

from rxstream.models import Delivered, Element, Question
from rxstream.testing import ScriptedModel, call, virtual_time

QUESTION = Question([{"role": "user", "content": "go"}])


async def said(model: ScriptedModel, delivered: Delivered | None = None) -> list[Element]:
    return [each async for batch in model.answer(QUESTION, delivered) for each in batch]


@virtual_time
async def test_it_takes_its_time() -> None:
    model = ScriptedModel(["a", 5, "b"], pace=1)
    found = await said(model)
    assert [each.get("text") for each in found] == ["a", "b", "ab"]
    assert asyncio.get_running_loop().time() == 7
    assert (model.asked, model.closed) == ([QUESTION], 1)


@virtual_time
async def test_behind_what_was_delivered_it_goes_on() -> None:
    model = ScriptedModel(["a", call("look", at=1), "b", call("look", at=2)])
    whole = await said(model)
    rest = await said(model, Delivered("a", "", (whole[1],)))
    assert rest == whole[2:]
    assert whole[-1]["finish_reason"] == "tool_calls"
