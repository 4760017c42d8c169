"""What cannot be a setting is refused where it is said, in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from rxstream.errors import AuthorError, GraphError, NodeError
from rxstream.pipeline import SLO, DeadLetters, Pipeline, Reliability, Retry, Step, Streaming
from rxstream.testing import run


class Plain(Step):
    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"plain": True}


class Needs(Plain):
    def __init__(self, what: str) -> None: ...


class Greedy(Plain):
    resources: ClassVar[Any] = {"gpu": "x"}


def added(**settings: Any) -> Any:
    return Pipeline("p").add(Plain, **settings)


@pytest.mark.parametrize(
    ("say", "said"),
    [
        (lambda: Pipeline(3), "3 is no name"),  # type: ignore[arg-type]  # all of these are wrong
        (lambda: Pipeline("p", streaming={"colour": 1}), "a dict of enabled, emit_progress"),
        (lambda: Pipeline("p", streaming="on"), "streaming is true, false"),  # type: ignore[arg-type]
        (lambda: Pipeline("p", resources={"gpu": 0}), "whole numbers from 1"),
        (lambda: Pipeline("p", resources="gpu"), "whole numbers from 1"),  # type: ignore[arg-type]
        (lambda: Pipeline("p", slos=SLO("SR", at_least=1)), "a list of SLO"),  # type: ignore[arg-type]
        (lambda: Streaming(True, buffer_size=1.5), "needs a buffer_size"),  # type: ignore[arg-type]
        (lambda: Streaming(True, flush_interval_ms="1"), "flush_interval_ms"),  # type: ignore[arg-type]
        (lambda: Streaming("yes"), "enabled of streaming"),  # type: ignore[arg-type]
        (lambda: Retry(True), "at least one attempt"),
        (lambda: Retry(3, first="1"), "first of a retry"),  # type: ignore[arg-type]
        (lambda: DeadLetters(most=0.5), "most of dead letters"),  # type: ignore[arg-type]
        (lambda: DeadLetters(share="1"), "share of dead letters"),  # type: ignore[arg-type]
        (lambda: SLO("SR", at_least="x"), "its limit is a number"),  # type: ignore[arg-type]
        (lambda: added(name=3), "3 is no name"),
        (lambda: added(after=3), "after is the name of a step"),
        (lambda: added(after=[Plain]), "after is the name of a step"),
        (lambda: added(timeout=True), "timeout is a number"),
        (lambda: added(concurrency=True), "concurrency is at least 1"),
        (lambda: added(each="x", dead_letters="x"), "most of dead letters"),
        (lambda: added(fallback=3), "is not a step"),
        (lambda: Pipeline("p").add(Greedy), "resources of step 'greedy' are whole numbers"),
        (lambda: Pipeline("p").add(Needs), "step Needs cannot be made: .* argument: 'what'"),
    ],
)
def test_what_is_no_setting_is_refused(say: Callable[[], Any], said: str) -> None:
    with pytest.raises(GraphError, match=said):
        say()


@pytest.mark.parametrize("window", [0, -1, "x", float("inf")])
def test_a_window_that_is_none_is_refused(window: Any) -> None:
    with pytest.raises(AuthorError, match="a window is a number"):
        Reliability(window)


def test_none_is_as_if_it_were_not_said() -> None:
    made = added(after=None, fallback=None, retry=None, timeout=None, dead_letters=None)
    assert run(made.run()) == {"plain": True}


def test_streaming_may_be_said_as_in_a_file() -> None:
    said = {"enabled": True, "buffer_size": 10}
    assert Pipeline("p", streaming=said).streaming == Streaming(True, buffer_size=10)


def test_a_step_without_a_run_says_so() -> None:
    class Forgotten(Step): ...

    with pytest.raises(NodeError, match="Forgotten does not say what it does"):
        run(Pipeline("p").add(Forgotten).run())
