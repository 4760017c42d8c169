"""What an execution's models have used: a count of tokens, kept while answers come, that stops at a budget.

Each answer is an `Entry` of its own, so any number may come at once. While one comes, its tokens are
estimated from what came; its `done` says what they were. What was used when a process died is given back
with `Ledger(spent=…)`. Counts what it is shown: it neither asks models nor knows who does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from rxstream.models.budget import Budget, BudgetSpent, Prices
from rxstream.models.contract import Element, Message
from rxstream.operators._clock import loop_time

_CHARACTERS: Final = 4
"""Of a token, about, where more than one comes in an element."""

_WORD: Final = 16
"""Characters that may well be one token."""

_PROMPT: Final = ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_eval_count")
_COMPLETION: Final = ("completion_tokens", "output_tokens", "candidatesTokenCount", "eval_count")
"""How providers call them."""


@dataclass(frozen=True)
class Spent:
    """What was used so far."""

    prompt: int = 0
    """Tokens of questions."""
    completion: int = 0
    """Tokens of answers, those thrown away too."""
    replayed: int = 0
    """Characters that came once more after an answer had broken off, and were dropped."""
    attempts: int = 0
    answers: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Of questions and answers together."""
        return self.prompt + self.completion


class Ledger:
    """Counts, and says when a budget is spent.

    `tell` is called with a name of `Spent` and by how much it grew, whenever it did.
    """

    def __init__(
        self,
        budget: Budget | None = None,
        *,
        spent: Spent | None = None,
        tell: Callable[[str, float], None] | None = None,
    ) -> None:
        self.budget = budget or Budget()
        self._tell = tell or (lambda name, amount: None)
        self._before = spent or Spent()
        self._totals = {name: getattr(self._before, name) for name in _COUNTED}
        self._estimated = {"prompt": 0, "completion": 0}
        """Tokens of answers that have not ended."""
        self._begun = loop_time()

    @property
    def spent(self) -> Spent:
        """What was used so far, with an estimate of what is coming."""
        counts = {
            name: amount + self._estimated.get(name, 0) for name, amount in self._totals.items()
        }
        prices = self.budget.prices or Prices(0.0, 0.0)
        cost = prices.of(counts["prompt"], counts["completion"])
        return Spent(**counts, seconds=self._before.seconds + loop_time() - self._begun, cost=cost)

    @property
    def tokens_left(self) -> int | None:
        """How many more tokens there may be, at least 0; None where there is no limit."""
        if self.budget.tokens is None:
            return None
        return max(0, self.budget.tokens - self.spent.tokens)

    @property
    def completion_left(self) -> float | None:
        """How many more tokens of answers there may be, by number and by price; None is any."""
        budget, left = self.budget, self.tokens_left
        if budget.cost is None or budget.prices is None or not budget.prices.completion:
            return left
        affordable = (budget.cost - self.spent.cost) * 1_000_000 / budget.prices.completion
        return affordable if left is None else min(left, affordable)

    @property
    def seconds_left(self) -> float | None:
        """How many more seconds there are, at least 0; None where there is no limit."""
        if self.budget.seconds is None:
            return None
        return max(0.0, self.budget.seconds - self.spent.seconds)

    def check(self) -> None:
        """Raises `BudgetSpent` when nothing is left of some limit."""
        budget, spent = self.budget, self.spent
        for what, used, limit in (
            ("tokens", spent.tokens, budget.tokens),
            ("answers", spent.answers, budget.turns),
            ("cost", spent.cost, budget.cost),
            ("seconds", spent.seconds, budget.seconds),
        ):
            if limit is not None and used >= limit:
                raise BudgetSpent(
                    f"the budget of {limit:g} {what} is spent ({round(used, 6):g} used): allow more, or ask "
                    "for less"
                )

    def answer(self, prompt: int = 0) -> Entry:
        """Begin to count one answer, to a question of about so many tokens.

        Raises `BudgetSpent` when it may not be asked for.
        """
        self.check()
        entry = Entry(self, prompt)
        try:
            entry.check()
        except BudgetSpent:
            entry.withdraw()
            raise
        return entry

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """Raises `BudgetSpent` in what is inside when its seconds are over."""
        try:
            async with asyncio.timeout(self.seconds_left) as watch:
                yield
        except TimeoutError:
            if watch.expired():
                self.check()
            raise

    # -- for entries ---------------------------------------------------------------------------

    def add(self, name: str, amount: int) -> None:
        """Count so many more of a field of `Spent`."""
        if amount:
            self._totals[name] += amount
            self._tell(name, amount)

    def estimate(self, name: str, amount: int) -> None:
        """So many more, or fewer, tokens are counted that nobody has told."""
        self._estimated[name] += amount


class Entry:
    """One answer in a ledger."""

    def __init__(self, ledger: Ledger, prompt: int = 0) -> None:
        self._ledger = ledger
        self._coming = {"prompt": 0, "completion": 0}
        self._told = False
        self._expect("prompt", prompt)

    def take(self, elements: Iterable[Element]) -> None:
        """Count what came. Raises `BudgetSpent` when that was too much; never at the end of an answer."""
        coming = 0
        for element in elements:
            coming += _tokens(element)
            if element["type"] == "done":
                self._expect("completion", coming)
                coming = 0
                self._done(element)
        self._expect("completion", coming)
        if not self._told and self._ledger.budget != _NO_LIMIT:
            self.check()

    def check(self) -> None:
        """Raises `BudgetSpent` when nothing is left of some limit, this answer's own among them."""
        self._ledger.check()
        if (left := self._left) is not None and left <= 0:
            limit = self._ledger.budget.turn_tokens
            raise BudgetSpent(
                f"the budget of {limit} tokens a turn is spent: allow more, shorten the history, or ask for "
                "less"
            )

    @property
    def _left(self) -> int | None:
        """How many more tokens this answer may have."""
        limit = self._ledger.budget.turn_tokens
        return None if limit is None else limit - sum(self._coming.values())

    def fitting(self, elements: Sequence[Element]) -> Sequence[Element]:
        """What of a batch may be given: up to the element with which something is spent.

        An answer that is whole is not cut. What is given is to be taken, which raises then.
        """
        left = (self._ledger.completion_left, self._left)
        room = min((each for each in left if each is not None), default=None)
        if room is None or self._told or any(each["type"] == "done" for each in elements):
            return elements
        for place, element in enumerate(elements, 1):
            room -= _tokens(element)
            if room <= 0:
                return elements[:place]
        return elements

    def end(self) -> None:
        """Nothing more comes: of an answer that broke off the estimate counts. Idempotent."""
        self._settle("completion", None)
        self._settle("prompt", None)

    def withdraw(self) -> None:
        """It was never asked for."""
        self._settle("prompt", 0)

    def _expect(self, name: str, amount: int) -> None:
        self._coming[name] += amount
        self._ledger.estimate(name, amount)

    def _settle(self, name: str, told: int | None) -> None:
        """What was told counts in place of the estimate, which counts where nothing was."""
        coming = self._coming[name]
        self._expect(name, -coming)
        self._ledger.add(name, coming if told is None else told)

    def _done(self, done: Element) -> None:
        usage, metadata = done.get("usage") or {}, done.get("metadata") or {}
        self._settle("completion", told_tokens(usage, _COMPLETION))
        self._settle("prompt", told_tokens(usage, _PROMPT))
        self._told = True
        self._ledger.add("attempts", int(metadata.get("attempts") or 1))
        self._ledger.add("replayed", int(metadata.get("replayed") or 0))
        self._ledger.add("answers", 1)


def _tokens(element: Element) -> int:
    kind = element["type"]
    if kind in ("token", "reasoning"):
        return estimated(element["text"])
    return estimated(str(element["arguments"])) if kind == "tool_call" else 0


def estimated(text: str) -> int:
    """About how many tokens an element of this text is: one, unless it is longer than a word."""
    return len(text) // _CHARACTERS if len(text) > _WORD else min(1, len(text))


def estimated_prompt(messages: Iterable[Message]) -> int:
    """About how many tokens of text a question has."""
    return sum(_characters(message.get("content")) for message in messages) // _CHARACTERS


def _characters(content: Any) -> int:
    if isinstance(content, str):
        return len(content)
    parts = content if isinstance(content, list | tuple) else ()
    return sum(len(str(part.get("text", ""))) for part in parts if isinstance(part, Mapping))


def told_tokens(usage: Mapping[str, Any], names: Iterable[str]) -> int | None:
    """What a provider told under one of these names."""
    found = next((usage[name] for name in names if isinstance(usage.get(name), int | float)), None)
    return None if found is None else int(found)


_COUNTED: Final = ("prompt", "completion", "replayed", "attempts", "answers")
_NO_LIMIT: Final = Budget()
