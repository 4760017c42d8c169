"""An action is declared once, checked before it starts, and is a Stream like any other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import ExecutionCancelled, ExecutionTimeout, InvalidParameters
from rxstream.plugins import (
    ActionContext,
    CancellationToken,
    Plugin,
    PluginError,
    PluginManager,
    UnknownAction,
    action,
)
from rxstream.testing import JournalLog, assert_released, crash_everywhere, virtual_time


class Row(BaseModel):
    number: int


class Text(Plugin):
    """Works on text."""

    version = "1.2"
    tags = ("text",)

    @action(tags=("cheap",), resumable=True)
    async def words(self, text: str, least: Annotated[int, Field(ge=1)] = 1) -> AsyncIterator[str]:
        """The words of a text.

        More is not shown.
        """
        for word in text.split():
            if len(word) >= least:
                yield word

    @action(returns="last")
    def lengths(self, text: str) -> Iterator[int]:
        for word in text.split():
            yield len(word)

    @action(idempotent=True)
    async def count(self, text: str) -> int:
        return len(text.split())

    @action
    def first(self, text: str) -> str:
        return text.split()[0]

    @action
    async def rows(self) -> AsyncIterator[Row]:
        yield Row(number=1)

    @action
    async def patient(self, context: ActionContext, seconds: float = 60) -> AsyncIterator[int]:
        for number in range(3):
            context.progress(number * 40, f"at {number}")
            yield number
            await asyncio.sleep(seconds)

    def helper(self) -> None: ...


def loaded(*given: Any) -> PluginManager:
    plugins = PluginManager()
    for plugin in given or (Text,):
        plugins.load(plugin)
    return plugins


async def elements(stream: Any) -> list[Any]:
    return [item async for item in stream]


@virtual_time
async def test_every_kind_of_action_streams() -> None:
    plugins = loaded()
    assert await elements(plugins.stream("text.words", {"text": "to be or"})) == ["to", "be", "or"]
    assert await elements(plugins.stream("text.lengths", {"text": "a bb"})) == [1, 2]
    assert await elements(plugins.stream("text.count", {"text": "a bb"})) == [2]
    assert await elements(plugins.stream("text.first", {"text": "a bb"})) == ["a"]


@virtual_time
async def test_every_kind_of_action_can_be_called_for_one_value() -> None:
    plugins = loaded()
    assert await plugins.call("text.words", {"text": "to be"}) == ["to", "be"]
    assert await plugins.call("text.lengths", {"text": "a bb"}) == 2
    assert await plugins.call("text.lengths", {"text": ""}) is None
    assert await plugins.call("text.count", {"text": "a bb"}) == 2


@virtual_time
async def test_actions_of_several_plugins_are_composed_with_operators() -> None:
    class Numbers(Plugin):
        @action
        def upto(self, n: int) -> Iterator[int]:
            yield from range(n)

    plugins = loaded(Text, Numbers)
    words = plugins.stream("text.words", {"text": "a b c"})
    numbers = plugins.stream("numbers.upto", {"n": 10}).pipe(ops.filter(lambda n: n % 2 == 0))
    assert await elements(rxs.zip(words, numbers)) == [("a", 0), ("b", 2), ("c", 4)]


def test_a_description_says_what_the_signature_says() -> None:
    described = loaded().describe("text.words")
    assert described.to_dict() | {"parameters": None} == {
        "id": "text.words",
        "plugin": "text",
        "action": "words",
        "version": "1.2",
        "streaming": True,
        "description": "The words of a text.",
        "parameters": None,
        "item": {"type": "string"},
        "returns": "collect",
        "resumable": True,
        "idempotent": False,
        "tags": ["text", "cheap"],
        "resources": {},
    }
    properties = described.parameters["properties"]
    assert properties["text"]["type"] == "string"
    assert properties["least"] == {"default": 1, "minimum": 1, "title": "Least", "type": "integer"}
    assert described.parameters["required"] == ["text"]
    assert "context" not in loaded().describe("text.patient").parameters["properties"]


def test_every_wrong_parameter_is_named_before_the_action_starts() -> None:
    with pytest.raises(InvalidParameters) as caught:
        loaded().stream("text.words", {"least": 0, "colour": "red"})
    assert sorted(entry["name"] for entry in caught.value.detail) == ["colour", "least", "text"]


def test_a_node_shows_its_action_and_values_and_one_value_is_known_to_end() -> None:
    plugins = loaded()

    @rxs.graph
    def counting() -> Any:
        return plugins.stream("text.first", {"text": "to be"}).pipe(ops.to_list())

    plan = counting.build()
    [node, _] = plan.nodes
    assert (node.operator, node.arguments) == ("text.first", {"text": "to be"})
    assert plan.findings == ()


def test_what_is_not_there_is_told_with_what_is() -> None:
    plugins = loaded()
    with pytest.raises(UnknownAction, match="has no action 'helper': there are words, lengths"):
        plugins.stream("text.helper")
    with pytest.raises(UnknownAction, match="no plugin 'audio' is loaded; there are text"):
        plugins.stream("audio.play")
    with pytest.raises(UnknownAction, match=r"say plugin\.action"):
        plugins.stream("text")
    with pytest.raises(InvalidParameters, match="values by name, not list"):
        plugins.stream("text.words", ["to be"])  # type: ignore[arg-type]  # what a client may send


def test_actions_are_found_by_what_they_can_do() -> None:
    def names(**asked: Any) -> list[str]:
        return [found.name for found in loaded().actions(**asked)]

    assert names(streaming=False) == ["count", "first"]
    assert names(resumable=True) == ["words"]
    assert names(tags=["text", "cheap"]) == ["words"]
    assert names(tags="cheap") == ["words"]
    assert names(parameter="seconds") == ["patient"]
    assert names(parameter="text:string", streaming=False) == ["count", "first"]
    assert names(parameter="text:integer") == []
    assert names(item="integer") == ["lengths", "count", "patient"]
    assert names(item="Row") == ["rows"]


@virtual_time
async def test_progress_reaches_the_callback_and_the_log() -> None:
    told: list[Any] = []
    plugins = loaded()

    @rxs.graph
    def waiting() -> Any:
        return plugins.stream("text.patient", progress_callback=told.append)

    log = JournalLog()
    async with rxs.Engine(log, graphs=[waiting]) as engine:
        execution = await engine.start(waiting)
        await execution.result()
        said = [e.data for e in await log.read(execution.id) if e.event_type == "step_progress"]
    assert [(p.percentage, p.message, p.status) for p in told] == [
        (0.0, "at 0", "running"),
        (40.0, "at 1", "running"),
        (80.0, "at 2", "running"),
    ]
    assert [entry["message"] for entry in said] == ["at 0", "at 1", "at 2"]


@virtual_time
async def test_progress_said_from_below_reaches_the_callback_too() -> None:
    class Deep(Plugin):
        @action
        def dig(self) -> int:
            rxs.progress(50, "half way")
            return 7

    told: list[Any] = []
    assert await loaded(Deep).call("deep.dig", progress_callback=told.append) == 7
    assert [p.message for p in told] == ["half way"]


@virtual_time
async def test_a_callback_that_raises_does_not_end_the_action() -> None:
    def raising(progress: Any) -> None:
        raise RuntimeError("nobody looks")

    assert await loaded().call("text.patient", progress_callback=raising) == [0, 1, 2]


@virtual_time
async def test_a_token_ends_a_waiting_action_and_its_finally_runs() -> None:
    closed: list[str] = []

    class Slow(Plugin):
        @action
        async def forever(self, context: ActionContext) -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                closed.append(f"token cancelled: {context.token.is_cancelled}")

    token = CancellationToken()
    asyncio.get_running_loop().call_later(5, token.cancel, "enough")
    received: list[int] = []
    async with assert_released():
        forever = loaded(Slow).stream("slow.forever", cancellation_token=token)
        with pytest.raises(ExecutionCancelled, match="enough"):
            await forever.pipe(ops.do_action(received.append))
    assert received == [1]
    assert closed == ["token cancelled: True"]


@virtual_time
async def test_a_token_ends_a_plain_generator_and_what_begins_late() -> None:
    class Fast(Plugin):
        @action
        def forever(self) -> Iterator[int]:
            number = 0
            while True:
                yield (number := number + 1)

    token = CancellationToken()
    numbers = loaded(Fast).stream("fast.forever", cancellation_token=token)
    with pytest.raises(ExecutionCancelled, match="by its token"):
        await numbers.pipe(ops.do_action(lambda number: token.cancel()))
    with pytest.raises(ExecutionCancelled):
        await elements(numbers)


async def test_a_token_may_be_cancelled_by_any_thread() -> None:
    token = CancellationToken()
    plugins = loaded()
    timer = threading.Timer(0.05, token.cancel)
    timer.start()
    with pytest.raises(ExecutionCancelled):
        await plugins.call("text.patient", cancellation_token=token)
    timer.join()


@virtual_time
async def test_a_silent_or_long_action_times_out() -> None:
    plugins = loaded()
    with pytest.raises(ExecutionTimeout):
        await plugins.call("text.patient", {"seconds": 9}, idle_timeout=5)
    with pytest.raises(ExecutionTimeout):
        await plugins.call("text.patient", {"seconds": 9}, idle_timeout=10, total_timeout=20)
    assert await plugins.call("text.patient", {"seconds": 9}, idle_timeout=10) == [0, 1, 2]


@virtual_time
async def test_the_buffer_bounds_how_far_an_action_runs_ahead() -> None:
    made: list[int] = []

    class Eager(Plugin):
        @action
        def numbers(self) -> Iterator[int]:
            for number in range(10_000):
                made.append(number)
                yield number

    numbers = loaded(Eager).stream("eager.numbers", buffer_size=4)

    async def slow(number: int) -> int:
        await asyncio.sleep(1)
        return number

    taken = numbers.pipe(ops.map_async(slow, concurrency=1), ops.take(3))
    assert await elements(taken) == [0, 1, 2]
    assert len(made) < 100


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"act": action(resumable=True)(lambda self: 1)}, "nothing to resume"),
        ({"act": action(lambda self, *many: 1)}, "name every parameter"),
        ({"act": action(lambda self, x, /: 1)}, "takes x by position only"),
        ({"act": action(returns="first")(lambda self: 1)}, "use 'collect' or 'last'"),  # type: ignore[call-overload]  # that is what is tested
    ],
)
def test_what_cannot_be_an_action_is_refused_when_it_is_loaded(
    body: dict[str, Any], said: str
) -> None:
    body["act"].__name__ = "act"
    with pytest.raises(PluginError, match=said):
        loaded(type("Wrong", (Plugin,), body))


def test_a_context_or_a_stream_in_the_wrong_place_is_refused() -> None:
    class Twice(Plugin):
        @action
        def act(self, one: ActionContext, two: ActionContext) -> None: ...

    class Positional(Plugin):
        @action
        def act(self, one: ActionContext, /) -> None: ...

    class Fed(Plugin):
        @action
        def act(self, numbers: rxs.Stream[int]) -> None: ...

    class Lost(Plugin):
        @action
        def act(self, what: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037  # that is what is tested

    for wrong, said in [
        (Twice, "takes its context twice"),
        (Positional, "by position only"),
        (Fed, "give an operator instead"),
        (Lost, "'Nowhere', which cannot be found"),
    ]:
        with pytest.raises(PluginError, match=said):
            loaded(wrong)
    with pytest.raises(PluginError, match="give \\('text',\\)"):
        action(tags="text")


def test_a_resumable_action_goes_on_after_any_crash_with_nothing_lost_or_doubled() -> None:
    class Counting(Plugin):
        @action(resumable=True)
        async def by_offset(self, context: ActionContext, n: int) -> AsyncIterator[int]:
            for number in range(context.start or 0, n):
                context.seek_point(number + 1)
                yield number
                await asyncio.sleep(0.01)

        @action(resumable=True)
        def again(self, n: int) -> Iterator[int]:
            yield from range(n)

        @action(idempotent=True)
        async def once(self) -> int:
            return 1_000

    plugins = loaded(Counting)

    @rxs.graph
    def counting() -> Any:
        return rxs.merge(
            plugins.stream("counting.by_offset", {"n": 9}),
            plugins.stream("counting.again", {"n": 9}),
            plugins.stream("counting.once"),
        )

    def sorted_elements(seen: Any) -> Any:
        return {node: sorted(map(str, items)) for node, items in seen.items()}

    assert counting.build().obstacles == ()
    assert crash_everywhere(counting, by=sorted_elements) > 3
