"""A graph that asks a model is killed at any moment and goes on: nothing that was shown is shown again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import rxstream as rxs
from rxstream.adapters.llm import chat
from rxstream.models import Budget, Element, Recording
from rxstream.testing import crash_everywhere, run
from rxstream.testing.crashes import JournalLog, Seen
from tests.adapters.llm.reader import Reader
from tests.adapters.llm.scripted import ScriptedModel, says

TEXT = "It was a dark and stormy night and the rain fell in torrents"
CALL: Element = {"type": "tool_call", "id": "1", "name": "look", "arguments": {"at": "rain"}}
THOUGHT: Element = {"type": "reasoning", "text": "A story, then. "}


def graph_of(model: ScriptedModel, **options: Any) -> rxs.Graph[[], Any]:
    def talk() -> Any:
        return chat("?", model=model, max_tokens=None, **options).named("answer")

    return rxs.graph(talk)


def assembled(seen: Seen) -> Any:
    """What a reader has in the end, whatever its pieces."""
    reader = Reader().read(seen["answer"])
    assert reader.done is not None
    assert reader.done["text"] == reader.text
    return (reader.text, reader.reasoning, reader.calls, reader.restarts, seen[""][0])


@pytest.mark.parametrize("continues", [True, False])
@pytest.mark.parametrize("breaks", [None, 5])
@pytest.mark.parametrize("said", [says(TEXT), says(TEXT, CALL), [THOUGHT, *says(TEXT)]])
def test_at_any_commit(said: Sequence[Element], breaks: int | None, continues: bool) -> None:
    model = ScriptedModel(said, continues=continues, breaks=breaks)
    assert crash_everywhere(graph_of(model), by=assembled, most=40) > 10


def test_a_failure_that_was_shown_is_not_forgotten() -> None:
    model = ScriptedModel(says(TEXT), breaks=3, whole_from=1_000_000)

    def failed(seen: Seen) -> Any:
        kinds = [element["type"] for element in seen["answer"]]
        return (kinds.count("error"), kinds[-1], seen[""][0])

    assert crash_everywhere(graph_of(model), by=failed, most=40) > 3


def test_what_was_used_of_a_budget_is_not_forgotten() -> None:
    model = ScriptedModel(says(TEXT))

    def spent(seen: Seen) -> Any:
        words = sum(element["type"] == "token" for element in seen["answer"])
        return (words, seen["answer"][-1]["type"], seen[""][1]["error"]["code"])

    graph = graph_of(model, budget=Budget(tokens=6))
    assert crash_everywhere(graph, by=spent, most=40) > 3


@pytest.mark.parametrize("limit", [Budget(tokens=5), Budget(seconds=0.022)])
def test_a_budget_ends_an_answer(limit: Budget) -> None:
    async def main() -> tuple[list[Any], Any]:
        async with rxs.Engine() as engine:
            execution = await engine.start(graph_of(ScriptedModel(says(TEXT)), budget=limit))
            events = [event async for event in execution.events()]
        return [e.data for e in events if e.event_type == "step_output"], events[-1].data

    shown, ending = run(main())
    assert 4 <= sum(element["type"] == "token" for element in shown) <= 5
    assert shown[-1]["type"] == "error"
    assert ending["error"]["code"] == "budget_spent"


def test_many_tokens_are_stored_in_bytes_in_proportion() -> None:
    def stored(tokens: int) -> tuple[int, int]:
        async def main() -> tuple[int, int]:
            log = JournalLog()
            async with rxs.Engine(log) as engine:
                await (await engine.start(graph_of(ScriptedModel(says("word " * tokens))))).result()
            states = [state for commit in log.commits for state in commit.states.values()]
            return len(log.commits), sum(len(v) for state in states for v in state.set.values())

        return run(main())

    (fewer, small), (more, large) = stored(500), stored(2_000)
    assert more > 3.5 * fewer, "many commits, else nothing is shown by this"
    assert large < 4.5 * small


def test_a_recording_of_an_answer_begun_anew_forgets_the_old_one() -> None:
    recording = Recording()
    recording.take([{"type": "token", "text": "old"}])
    assert recording.changes() == (False, {"0": ("old", "", (), 1, False)}, [])
    recording.take([{"type": "restarted", "message": ""}, {"type": "token", "text": "new"}])
    changes = recording.changes()
    assert changes is not None
    assert changes == (True, {"1": ("new", "", (), 1, False)}, [])
    assert recording.changes() is None
    again = Recording(changes[1])
    again.take([{"type": "other"}])
    assert (again.delivered.text, again.delivered.tokens, again.changes()) == ("new", 1, None)
