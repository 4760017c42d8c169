"""What is counted of answers, and what stops at a budget."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rxstream.errors import AuthorError, classify
from rxstream.failures import classify_failure
from rxstream.models import Budget, BudgetSpent, Element, Ledger, Prices, Spent
from rxstream.models.ledger import estimated_prompt
from rxstream.testing import virtual_time


def tokens(count: int) -> list[Element]:
    return [{"type": "token", "text": "ab "} for _ in range(count)]


def done(prompt: int, completion: int, **metadata: Any) -> Element:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {"type": "done", "text": "", "usage": usage, "metadata": metadata}


def test_what_a_provider_told_counts_instead_of_what_was_guessed() -> None:
    ledger = Ledger()
    entry = ledger.answer()
    entry.take(tokens(5))
    assert ledger.spent.completion == 5
    entry.take([done(100, 7, attempts=2, replayed=30)])
    spent = ledger.spent
    assert (spent.prompt, spent.completion, spent.tokens) == (100, 7, 107)
    assert (spent.attempts, spent.replayed, spent.answers) == (2, 30, 1)


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [("input_tokens", "output_tokens"), ("promptTokenCount", "candidatesTokenCount")],
)
def test_whatever_the_provider_calls_them(prompt: str, completion: str) -> None:
    ledger = Ledger()
    ledger.answer().take([{"type": "done", "text": "", "usage": {prompt: 3, completion: 4}}])
    assert ledger.spent.tokens == 7


def test_an_answer_that_broke_off_counts_as_what_came_of_it() -> None:
    ledger = Ledger()
    entry = ledger.answer()
    call = {"type": "tool_call", "id": "1", "name": "f", "arguments": {"x": "y" * 40}}
    entry.take([*tokens(3), {"type": "reasoning", "text": "x" * 40}, call, {"type": "other"}])
    entry.end()
    entry.end()
    assert ledger.spent.completion == 3 + 10 + len(str(call["arguments"])) // 4


def test_a_question_counts_as_long_as_it_is_until_its_provider_says() -> None:
    text = {"role": "user", "content": "x" * 40}
    parts = {"role": "user", "content": [{"type": "text", "text": "x" * 80}, {"type": "image"}]}
    ledger = Ledger(Budget(tokens=100))
    entry = ledger.answer(estimated_prompt([text, parts, {"role": "assistant"}]))
    assert ledger.spent.prompt == 30
    entry.take([done(45, 5)])
    assert (ledger.spent.prompt, ledger.spent.completion) == (45, 5)
    broken = ledger.answer(20)
    broken.end()
    assert ledger.spent.prompt == 65


def test_a_question_that_is_longer_than_what_is_left_is_not_asked() -> None:
    ledger = Ledger(Budget(tokens=100))
    with pytest.raises(BudgetSpent):
        ledger.answer(100)
    assert ledger.spent.tokens == 0


def test_an_answer_without_usage_counts_as_what_came_of_it() -> None:
    ledger = Ledger()
    ledger.answer().take([*tokens(3), {"type": "done", "text": "", "usage": None}])
    assert (ledger.spent.completion, ledger.spent.answers) == (3, 1)


def test_tokens_stop_an_answer_in_the_middle_and_the_next_before_it_begins() -> None:
    ledger = Ledger(Budget(tokens=10))
    entry = ledger.answer()
    entry.take(tokens(9))
    assert ledger.tokens_left == 1
    with pytest.raises(BudgetSpent, match="budget of 10 tokens is spent"):
        entry.take(tokens(1))
    entry.end()
    with pytest.raises(BudgetSpent):
        ledger.answer()


def test_a_turn_has_a_budget_of_its_own() -> None:
    ledger = Ledger(Budget(turn_tokens=10))
    for _ in range(3):
        entry = ledger.answer(4)
        entry.take([*tokens(5), done(4, 500)])
        entry.end()
    with pytest.raises(BudgetSpent, match="the budget of 10 tokens a turn is spent"):
        ledger.answer(10)
    entry = ledger.answer(4)
    assert len(entry.fitting(tokens(64))) == 6
    with pytest.raises(BudgetSpent, match="10 tokens a turn"):
        entry.take(tokens(6))


@pytest.mark.parametrize(
    "budget", [Budget(tokens=8), Budget(cost=8e-6, prices=Prices(prompt=1.0, completion=1.0))]
)
def test_however_many_come_at_once_the_same_fit(budget: Budget) -> None:
    for size in (1, 3, 64):
        entry, given, spent = Ledger(budget).answer(3), 0, False
        while not spent:
            fitting = entry.fitting(tokens(size))
            given += len(fitting)
            try:
                entry.take(fitting)
            except BudgetSpent:
                spent = True
        assert given == 5
    whole = [*tokens(64), done(1, 64)]
    assert Ledger(budget).answer().fitting(whole) == whole


def test_an_answer_that_is_whole_is_never_lost_to_a_budget() -> None:
    ledger = Ledger(Budget(tokens=10))
    ledger.answer().take([done(100, 100)])
    assert ledger.tokens_left == 0


def test_answers_that_come_at_once_are_counted_together() -> None:
    ledger = Ledger(Budget(tokens=10))
    one, two = ledger.answer(), ledger.answer()
    one.take(tokens(5))
    with pytest.raises(BudgetSpent):
        two.take(tokens(5))


def test_money_and_turns_are_limits_too() -> None:
    dear = Ledger(Budget(cost=0.001, prices=Prices(prompt=1.0, completion=10.0)))
    dear.answer().take([done(100, 90)])
    assert dear.spent.cost == pytest.approx(0.001)
    with pytest.raises(BudgetSpent, match=r"0\.001 cost"):
        dear.check()
    short = Ledger(Budget(turns=1))
    short.answer().take([done(1, 1)])
    with pytest.raises(BudgetSpent, match="1 answers"):
        short.answer()


@virtual_time
async def test_time_stops_whatever_waits() -> None:
    ledger = Ledger(Budget(seconds=3), spent=Spent(seconds=1.0))
    with pytest.raises(BudgetSpent, match="3 seconds"):
        async with ledger.limit():
            await asyncio.sleep(60)
    assert asyncio.get_running_loop().time() == 2.0
    assert ledger.seconds_left == 0


@virtual_time
async def test_a_timeout_of_somebody_else_stays_one() -> None:
    with pytest.raises(TimeoutError, match="mine"):
        async with Ledger(Budget(seconds=3)).limit():
            raise TimeoutError("mine")


def test_what_was_used_before_is_given_back() -> None:
    ledger = Ledger(Budget(tokens=10), spent=Spent(prompt=6, completion=3))
    assert ledger.tokens_left == 1
    assert Ledger().tokens_left is None
    assert Ledger().seconds_left is None


def test_what_grew_is_told() -> None:
    told: list[tuple[str, float]] = []
    ledger = Ledger(tell=lambda name, amount: told.append((name, amount)))
    ledger.answer().take([done(4, 5)])
    assert told == [("completion", 5), ("prompt", 4), ("attempts", 1), ("answers", 1)]


@pytest.mark.parametrize("wrong", [{"tokens": 0}, {"seconds": float("inf")}, {"cost": 1.0}])
def test_a_budget_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(AuthorError, match="budget"):
        Budget(**wrong)


def test_a_spent_budget_is_not_tried_again() -> None:
    error = BudgetSpent("spent")
    assert classify(error)["kind"] == "timeout"
    assert classify_failure(error) == "fatal"
