"""An agent stops where its budget is spent, and says what of it was."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import rxstream as rxs
from rxstream.agent import agent
from rxstream.models import Budget, BudgetSpent, Element, Prices
from rxstream.testing import crash_everywhere, virtual_time
from rxstream.tools import tool
from tests.agent.running import elements, started, until
from tests.agent.scripted import Scripted, calls, kinds, results, text_of


@tool(parallel=True)
async def wait(seconds: float) -> float:
    """Wait."""
    await asyncio.sleep(seconds)
    return seconds


def endless(budget: Budget | None, **more: Any) -> rxs.Stream[Element]:
    """A model that never stops calling."""
    model = Scripted(["word ", calls("wait", seconds=2)], pace=0.5)
    return agent("go", model=model, tools=[wait], budget=budget, **more)


@pytest.mark.parametrize(
    ("budget", "word", "turns"),
    [
        (None, "the budget of 25 answers is spent", 25),
        (Budget(turns=2), "the budget of 2 answers is spent", 2),
        (Budget(turn_tokens=12), "the budget of 12 tokens a turn is spent", 5),
        (Budget(tokens=30), "the budget of 30 tokens is spent", 4),
        (Budget(seconds=6), "the budget of 6 seconds is spent", 3),
        (Budget(cost=0.00002, prices=Prices(0.5, 1)), "of 2e-05 cost is spent", 4),
    ],
)
def test_what_is_spent_ends_the_run_with_an_error_that_says_of_what(
    budget: Budget | None, word: str, turns: int
) -> None:
    @virtual_time
    async def live() -> None:
        async with started(lambda: endless(budget)) as execution:
            with pytest.raises(BudgetSpent, match=word):
                await execution.result()
            found = await elements(execution)
        assert execution.status == "failed"
        assert kinds(found)[-1] == "error"
        assert found[-1]["code"] == "budget_spent"
        assert kinds(found).count("turn") == turns

    live()


@virtual_time
async def test_an_answer_is_cut_where_its_tokens_are_spent_and_what_came_is_kept() -> None:
    model = Scripted(["word "] * 100, pace=0.1)
    async with started(lambda: agent("go", model=model, budget=Budget(tokens=10))) as execution:
        await execution.wait()
        assert text_of(await elements(execution)) == "word " * 10


@virtual_time
async def test_time_in_which_it_waits_for_a_message_is_nobodys() -> None:
    model = Scripted(["one"], ["two"], pace=2)
    make = lambda: agent("go", model=model, stay=True, budget=Budget(seconds=5))  # noqa: E731  # one line
    async with started(make) as execution:
        await until(execution, lambda each: each["type"] == "done")
        await asyncio.sleep(1_000)
        await execution.send("two?")
        done = await until(execution, lambda each: each.get("text") == "two" and "turns" in each)
    assert done["timings"]["duration_ms"] == pytest.approx(4_000, abs=50)


@virtual_time
async def test_the_price_is_told_where_prices_are_known() -> None:
    budget = Budget(cost=1, prices=Prices(10, 100))
    found = [each async for each in agent("go", model=Scripted(["word"]), budget=budget)]
    assert found[-1]["metadata"]["cost"] == pytest.approx((1 * 10 + 2 * 100) / 1_000_000)


def test_what_was_spent_survives_a_crash() -> None:
    @rxs.graph(resumable=True)
    def spending() -> rxs.Stream[Element]:
        return endless(Budget(turns=3)).named("agent")

    def seen_by(seen: Any) -> Any:
        found = seen["agent"]
        errors = [each["message"] for each in found if each["type"] == "error"]
        return (text_of(found), set(results(found)), seen[""], errors)

    assert crash_everywhere(spending, by=seen_by) > 20


@virtual_time
async def test_what_is_used_is_counted_in_the_statistics_of_the_node() -> None:
    model = Scripted(["word " * 8, calls("wait", seconds=1)], ["end"])
    async with started(lambda: agent("go", model=model, tools=[wait])) as execution:
        done = await execution.result()
        tallies = execution.statistics().tallies
    assert (tallies["completion"], tallies["prompt"]) == (
        done["usage"]["completion_tokens"],
        done["usage"]["prompt_tokens"],
    )
    assert tallies["answers"] == 2
