"""The check that authors run on their plugin finds what would only break later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import rxstream as rxs
from rxstream.errors import WorldError
from rxstream.plugins import ActionContext, Plugin, action
from rxstream.testing import check_plugin


class Good(Plugin):
    version = "1"

    @action(resumable=True)
    async def by_offset(self, context: ActionContext, n: int) -> AsyncIterator[int]:
        """Counts."""
        for number in range(context.start or 0, n):
            rxs.progress(None, "counting")
            context.seek_point(number + 1)
            yield number

    @action(resumable=True)
    def again(self, n: int) -> Iterator[int]:
        """Counts."""
        yield from range(n)

    @action
    def once(self) -> str:
        """Gives a word."""
        return "word"


class Bad(Plugin):
    @action
    def untyped(self, what, other: int = 1):  # type: ignore[no-untyped-def]  # that is what is tested
        yield object()

    @action
    async def wrong(self) -> AsyncIterator[int]:
        """Says it gives numbers."""
        yield "text"  # type: ignore[misc]  # that is what is tested

    @action
    async def leaks(self) -> AsyncIterator[int]:
        """Leaves a task."""
        self.task = asyncio.create_task(asyncio.sleep(60), name="left")
        yield 1

    @action(resumable=True)
    async def forgetful(self, context: ActionContext) -> AsyncIterator[int]:
        """Never says where it is."""
        yield 1

    @action(resumable=True)
    async def confused(self, context: ActionContext) -> AsyncIterator[int]:
        """Begins at the beginning each time."""
        for number in range(3):
            context.seek_point(number)
            yield number

    @action
    def raises(self) -> int:
        """Fails."""
        raise OSError("no disk")

    @action
    def away(self) -> int:
        """Fails otherwise."""
        raise WorldError("no network")

    @action(resumable=True)
    async def stuck(self, context: ActionContext) -> AsyncIterator[int]:
        """Cannot go on."""
        if context.start is not None:
            raise ValueError("never again")
        context.seek_point(1)
        yield 1


def test_a_good_plugin_passes_also_where_the_sample_is_cut() -> None:
    samples = {"by_offset": {"n": 50}, "again": {"n": 50}, "once": {}}
    check_plugin(Good, samples)
    check_plugin(Good(), samples, most=7)


def problems(samples: dict[str, Any]) -> list[str]:
    with pytest.raises(AssertionError) as caught:
        check_plugin(Bad, samples)
    head, *lines = str(caught.value).split("\n  ")
    assert head == "plugin 'bad':"
    return lines


def test_what_it_does_not_say_is_said() -> None:
    assert problems({}) == [
        "it has no version",
        "untyped: it has no docstring",
        "untyped: parameter what has no type",
        "untyped: it does not say what it yields, as in -> AsyncIterator[int]",
    ]


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("untyped", {"what": 1}, "element 0 cannot be recorded"),
        ("untyped", {"other": 1}, "the sample is refused: what is missing"),
        ("wrong", {}, "element 0 is not of the declared type: Input should be a valid integer"),
        ("leaks", {}, "left behind: task 'left' (sleep)"),
        ("forgetful", {}, "it says no seek point before element 0"),
        ("confused", {}, "begun again behind element 0, it does not give the same rest"),
        ("raises", {}, "it fails: OSError: no disk"),
        ("away", {}, "it fails: no network"),
        ("stuck", {}, "it fails when it goes on at 1: never again"),
        ("nothing", {}, "there is a sample, and no such action"),
    ],
)
def test_what_it_does_wrong_is_said(name: str, params: dict[str, Any], said: str) -> None:
    found = [line for line in problems({name: params}) if line.startswith(f"{name}: {said}")]
    assert len(found) == 1


def test_a_plugin_of_the_older_kind_is_run_too() -> None:
    class Old:
        async def execute_action(self, action_name: str, params: Any) -> Any:
            return {"done": action_name}

    check_plugin(Old, {"anything": {"a": 1}})
