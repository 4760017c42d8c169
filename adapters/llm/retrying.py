"""Asks a model again when its answer broke off, and gives on one answer.

What may be tried again, the errors say (`rxstream.failures`); how attempts become one answer is in
`continuing`. Pauses grow, are partly chance, and have an end: attempts in a row that brought the answer no
further, attempts in all, and the longest wait a provider may ask for. Must not know any provider.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from rxstream.adapters.llm.continuing import Continuing
from rxstream.adapters.llm.errors import ModelError
from rxstream.errors import AuthorError
from rxstream.failures import classify_failure, retry_after
from rxstream.models import Delivered, Element, Question, Tell
from rxstream.operators._backoff import Backoff

_NOBODY_THERE: Final = 2
"""Attempts at a server that never was there: a moment may be enough, a minute is not worth it."""

_HOUR_S: Final = 3_600.0


class Attempted(Protocol):
    """Something that can be asked once, and says whether it goes on behind an assistant's message."""

    @property
    def name(self) -> str:
        """What errors call it."""
        ...

    @property
    def continues(self) -> bool:
        """Whether an assistant's message that is the last of a question is gone on with."""
        ...

    def attempt(
        self, question: Question, tell: Tell | None = None
    ) -> AsyncGenerator[Sequence[Element], None]:
        """Ask once: `done` comes last, or it raises."""
        ...


@dataclass(frozen=True)
class Retries:
    """How often and when a model is asked again; times in seconds.

    A wait that a provider asks for is kept to, up to `longest`: a longer one is an error at once. Raises
    `AuthorError` for what is no limit.
    """

    attempts: int = 5
    """In a row, of which none brought the answer further."""
    total: int = 20
    first: float = 0.5
    factor: float = 2.0
    longest: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.total < 1 or not 0 < self.first <= self.longest:
            raise AuthorError(f"a model is asked at least once, with pauses above 0 s, not {self}")


DEFAULT = Retries()
"""What models do that were not told otherwise."""


class Patience:
    """What is left of the retries of one answer. Pure: times and chance are given."""

    def __init__(self, retries: Retries, chance: Callable[[], float]) -> None:
        self._retries = retries
        self._left = retries.total
        self._backoff = Backoff(
            retries.attempts,
            retries.first,
            retries.factor,
            retries.longest,
            "full",
            None,
            None,
            chance,
        )

    def pause(self, error: Exception, answer: Continuing, now: float) -> float | None:
        """Seconds until the next attempt after one that failed like this; None where there is none."""
        self._left -= 1
        if not _passes(error) or self._left < 1:
            return None
        if answer.advanced:
            self._backoff.failures = 0
        wait = retry_after(error) or 0.0
        nobody = getattr(error, "code", "") == "no_server" and not answer.begun
        if wait > self._retries.longest or (nobody and answer.attempts >= _NOBODY_THERE):
            return None
        return self._backoff.failed(now, now, wait)


async def retried(
    model: Attempted,
    question: Question,
    delivered: Delivered | None = None,
    tell: Tell | None = None,
    retries: Retries | None = None,
    chance: Callable[[], float] = random.random,
) -> AsyncGenerator[Sequence[Element], None]:
    """One answer, in as many attempts as it takes; what was `delivered` is not given again.

    Raises what the last attempt raised, and says how many there were.
    """
    answer = Continuing(delivered)
    patience = Patience(retries or DEFAULT, chance)
    clock = asyncio.get_running_loop().time
    begun, continues = clock(), model.continues
    first: float | None = None
    while True:
        end = _ended(answer, question)
        if end is not None:
            yield [end]
            return
        prefix = answer.prefix() if continues else None
        answer.begin(prefix)
        asked = question if prefix is None else _behind(question, prefix, answer.tokens)
        try:
            async with contextlib.aclosing(model.attempt(asked, tell)) as batches:
                async for batch in batches:
                    given = answer.take(batch)
                    if first is None and given:
                        first = clock() - begun
                    if answer.done is not None and answer.attempts > 1:
                        given[-1] = _timed(given[-1], first, clock() - begun)
                    if given:
                        yield given
            if answer.done is not None:
                return
            raise ModelError(f"{model.name} ended without saying so", code="answer_cut")
        except Exception as error:
            if prefix is not None and answer.untouched and _refused(error):
                continues = False  # it does not go on behind an answer after all
                continue
            if answer.calls and _passes(error):
                continue
            pause = patience.pause(error, answer, clock()) if answer.can_follow else None
            if pause is None:
                if answer.attempts > 1 and isinstance(error, ModelError):
                    error.message += f" (after {answer.attempts} attempts)"
                raise
            if tell is not None:
                tell(None, f"asking again in {pause:.1f} s: {_short(error)}")
        await asyncio.sleep(pause)


def _ended(answer: Continuing, question: Question) -> Element | None:
    """The end of an answer of which enough was given already."""
    if answer.calls:
        why = "it broke off behind a tool call, with whose result the conversation goes on"
        return answer.close("tool_calls", why)
    if question.max_tokens is not None and answer.tokens >= question.max_tokens:
        return answer.close("length", "it broke off when it had as many tokens as were asked for")
    return None


def _behind(question: Question, prefix: str, tokens: int) -> Question:
    """The question whose answer is the rest."""
    message = {"role": "assistant", "content": prefix}
    left = None if question.max_tokens is None else question.max_tokens - tokens
    return replace(question, messages=(*question.messages, message), max_tokens=left)


def _passes(error: Exception) -> bool:
    """Whether another attempt may go well; an error of a model says it itself."""
    return classify_failure(error) in ("transient", "timeout")


def _refused(error: Exception) -> bool:
    return getattr(error, "code", "") in ("model_refused", "model_failed")


def _timed(done: Element, first: float | None, took: float) -> Element:
    """Times from the first question on, in place of the last one's."""
    timings = {**done["timings"], "duration_ms": round(took * 1_000, 1)}
    if first is not None:
        timings["first_token_ms"] = round(first * 1_000, 1)
    return {**done, "timings": timings}


def _short(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
