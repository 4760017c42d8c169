"""What may be used of models at most, and what happens when it is used up.

A budget is a limit of what is told: providers tell tokens when an answer has ended, so while one comes its
tokens are estimated, and what they said counts once it is there. Must not know who counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rxstream.errors import AuthorError, ExecutionTimeout


class BudgetSpent(ExecutionTimeout):
    """More was used than was allowed; the message says of what. Another attempt would not help."""

    code = "budget_spent"
    failure = "fatal"


@dataclass(frozen=True)
class Prices:
    """What a million tokens cost, in whatever money the budget counts."""

    prompt: float
    completion: float

    def of(self, prompt: float, completion: float) -> float:
        """The price of so many tokens."""
        return (prompt * self.prompt + completion * self.completion) / 1_000_000


@dataclass(frozen=True)
class Budget:
    """Limits; None is none. `tokens` are those of prompts and answers together.

        >>> from rxstream.models import Budget, Prices
        >>> Budget(tokens=20_000, seconds=60, cost=0.05, prices=Prices(0.15, 0.6)).tokens
        20000

    `cost` needs `prices`, because nobody here knows what a provider asks today. Raises `AuthorError` for a
    limit that is no positive number.
    """

    tokens: int | None = None
    seconds: float | None = None
    cost: float | None = None
    turns: int | None = None
    """Answers of models, whole ones."""
    prices: Prices | None = None
    turn_tokens: int | None = None
    """Those of one question and its answer, as far as they can be counted while it comes."""

    def __post_init__(self) -> None:
        for name in ("tokens", "seconds", "cost", "turns", "turn_tokens"):
            limit = getattr(self, name)
            if limit is not None and not (isinstance(limit, int | float) and 0 < limit < math.inf):
                raise AuthorError(
                    f"a budget of {str(limit)[:80]} {name} is none: give a number above 0"
                )
        if self.cost is not None and self.prices is None:
            raise AuthorError(
                "a budget of cost needs to know what tokens cost: Budget(cost=…, prices=Prices(…, …))"
            )
