"""How one call of a step is led to its end: attempts and pauses, a time each, the fallback, the dead letter.

Knows what the settings ask for; what the end of a call means for its step is the unit's affair.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rxstream.engine.resources import acquire_missing
from rxstream.errors import AuthorError, ExecutionTimeout, classify
from rxstream.failures import classify_failure, retry_after
from rxstream.pipeline.call import StepCall
from rxstream.pipeline.data import Result
from rxstream.pipeline.letters import DeadLetter, TooManyDeadLetters
from rxstream.pipeline.settings import StepSettings

if TYPE_CHECKING:
    from rxstream.pipeline.unit import StepUnit

Outcome: TypeAlias = tuple[Literal["done", "fallback", "dead"], Any]
"""How a call ended, and its result or its dead letter."""


async def lead(unit: StepUnit, call: StepCall) -> Outcome | None:
    """Call the step until it ends; None when it failed for good, which the unit was told."""
    settings = unit.settings
    while call.phase != "fallback":
        await _pause(unit, call)
        if unit.failing is not None and call.failed:
            return None  # it waited to be tried again, and then nothing was
        begun_at = unit.runtime.now()
        try:
            return ("done", await _called(settings, settings.step, call))
        except Exception as raised:
            call.flush()
            error = raised
        pause = _pause_after(unit, call, error, begun_at)
        attempt = call.backoff.failures
        if pause is not None:
            unit.telling.failed(error, attempt, will_retry=True)
            call.phase, call.due = "pausing", unit.runtime.now() + pause
            call.forget_unanswered()
        elif settings.has_fallback and unit.goes_on:
            unit.telling.failed(error, attempt, handled="fallback")
            call.phase, call.shown, call.mark, call.questions = "fallback", 0, None, None
        else:
            return await _given_up(unit, call, error, attempt)
        unit.change(call.index)
    unit.say(settings.name, "fallback", "goes on with its fallback")
    if not settings.falls_back_to_step:
        return ("fallback", dict(settings.fallback))
    try:
        return ("fallback", await _called(settings, settings.fallback, call))
    except Exception as error:
        call.flush()
        return await _given_up(unit, call, error, call.backoff.failures + 1)


async def _given_up(
    unit: StepUnit, call: StepCall, error: Exception, attempts: int
) -> Outcome | None:
    """A dead letter where that is asked for and there may be one more; else the step has failed."""
    letters = unit.settings.dead_letters
    if letters is not None and letters.takes(error):
        await unit.telling.room()
        # from here on nothing waits: what is told and what is stored are one
        items = len(unit.calls)
        limit = letters.limit(items)
        if unit.dead < limit:
            unit.telling.failed(error, attempts, handled="dead_letter")
            item, index = call.data["item"], call.index
            return (
                "dead",
                DeadLetter(item=item, index=index, error=classify(error), attempts=attempts),
            )
        error = TooManyDeadLetters(unit.settings.name, limit, items, call.index, error)
    unit.lose(error, attempts, call)
    return None


async def _pause(unit: StepUnit, call: StepCall) -> None:
    if call.phase != "pausing":
        return
    with unit.waiting_for_time(), suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, call.due - unit.runtime.now())):
            await unit.gave_up.wait()
    call.phase = "running"
    unit.change(call.index)


def _pause_after(unit: StepUnit, call: StepCall, error: Exception, begun_at: float) -> float | None:
    """Seconds until the next attempt, None if there is none. Counts the failure."""
    only = unit.settings.retry.failures()
    pause = call.backoff.failed(begun_at, unit.runtime.now(), retry_after(error) or 0.0)
    if not unit.goes_on or (only is not None and classify_failure(error) not in only):
        return None
    return pause


async def _called(settings: StepSettings, step: Any, call: StepCall) -> dict[str, Any]:
    if not step.resources:  # most need none, and there may be very many calls
        return await _attempted(settings, step, call)
    async with acquire_missing(step.resources):  # the time it waits for them is not its own
        return await _attempted(settings, step, call)


async def _attempted(settings: StepSettings, step: Any, call: StepCall) -> dict[str, Any]:
    call.begin()
    result = await in_time(_run(step, call), settings)
    if not isinstance(result, dict):
        raise AuthorError(
            f"step {settings.name!r} returned a {type(result).__name__}: return a dict"
        )
    return result


async def in_time(made: Awaitable[Any], settings: StepSettings) -> Any:
    """What a step's code gives within its time; nothing but an `Exception` comes out of it."""
    limit = settings.timeout
    try:
        async with asyncio.timeout(limit) as watch:
            try:
                return await made
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if watch.expired() or task is None or task.cancelling():
                    raise
                raise RuntimeError("what the step awaited was cancelled") from None
            except SystemExit as exit_:  # it would end the event loop, and everybody on it
                raise RuntimeError(f"the step called sys.exit({exit_.code!r})") from exit_
    except TimeoutError as error:
        if not watch.expired():
            raise
        raise ExecutionTimeout(f"step {settings.name!r} was not done within {limit:g} s") from error


async def _run(step: Any, call: StepCall) -> Any:
    """Run a step with its own copy of the data; show what it yields."""
    made = step.run(dict(call.data))
    if inspect.isasyncgen(made):
        last = None
        async with aclosing(made):
            async for item in made:
                if isinstance(item, Result):
                    return item.data
                await call.emit(item)
                last = item
        if isinstance(last, dict):
            return last
        raise AuthorError(
            f"step {call.unit.settings.name!r} ended without a result: end a generator with "
            "`yield Result(dict)`, or with a dict"
        )
    return await made if inspect.isawaitable(made) else made
