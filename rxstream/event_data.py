"""What the `data` of each event is: one shape for each type, with the meaning of every key.

The event reference (`docs/events.md`) is written from these, and the tests hold every event that is recorded
against them. Plain types of what JSON can say; a key that may be missing is `NotRequired`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from rxstream.errors import ErrorData
from rxstream.events import EventType


class PipelineStart(TypedDict):
    """The execution begins to run, once; not when it goes on after a restart."""

    graph: Annotated[str, "the graph's name"]
    params: Annotated[
        Mapping[str, Any], "the parameters it was given, shortened; secrets as asterisks"
    ]
    fingerprint: Annotated[str, "of the graph as it was drawn: the same for the same graph"]


class StepStart(TypedDict):
    """The node runs now, for the first time or anew; `metadata.attempt` from the second time on."""


class StepProgress(TypedDict):
    """How far the node says it is; at most ten a second of a node, the last always."""

    percentage: Annotated[float | None, "0 to 100; null where nobody knows"]
    message: Annotated[str | None, "what it does, at most 2,000 characters"]
    status: Annotated[str | None, "a word: `running`, `done`, `compensating`, `fallback`, …"]


class StepComplete(TypedDict):
    """Nothing follows from the node."""

    count: Annotated[int, "elements it gave, or items it showed"]
    duration_ms: Annotated[float, "milliseconds from its start"]
    output: NotRequired[
        Annotated[Any, "a pipeline's step: its result; null where it is too large for an event"]
    ]
    skipped: NotRequired[Annotated[bool, "a pipeline's step: its condition did not hold"]]
    fallback: NotRequired[Annotated[bool, "a pipeline's step: its fallback gave the result"]]
    dead_letters: NotRequired[
        Annotated[int, "a pipeline's step: items that failed for good and were put aside"]
    ]


class StepError(TypedDict):
    """Code of the node raised, or the world did not do what it asked for."""

    error: Annotated[ErrorData, "`{kind, code, message}`, never a stack"]
    attempt: Annotated[int, "which attempt it was, from 1"]
    will_retry: Annotated[bool, "whether another attempt follows"]
    handled: NotRequired[
        Annotated[
            Literal["fallback", "dead_letter"],
            "a pipeline's step: it goes on all the same, with its fallback or without the item",
        ]
    ]


class PipelineComplete(TypedDict):
    """The execution ended well; nothing follows."""

    result: Annotated[
        Any, "the last element of its output, of several a dict; null where it is too large"
    ]
    duration_ms: Annotated[
        float, "milliseconds since it began to run, with what lay between two lives"
    ]


class PipelineError(TypedDict):
    """The execution failed; nothing follows."""

    error: Annotated[ErrorData, "`{kind, code, message}`"]


class PipelineCancelled(TypedDict):
    """Somebody ended the execution; nothing follows."""

    reason: Annotated[str, "`cancelled`, `stopped`, `the last listener left`, or what was said"]


class CheckpointSaved(TypedDict):
    """What the execution needs to go on was put together."""

    sequence: Annotated[int, "the last event it is behind"]
    bytes: Annotated[int, "keys and values of all nodes"]


class InputRequested(TypedDict):
    """A node asks a person, and waits; it is answered once."""

    request_id: Annotated[str, "what the answer is given to"]
    message: Annotated[str, "the question"]
    schema: Annotated[Mapping[str, Any], "the JSON Schema of an answer"]
    expires_at: Annotated[str | None, "ISO 8601; null when it never expires"]


class InputReceived(TypedDict):
    """A question was answered, or a running node was told something nobody had asked for."""

    request_id: Annotated[str | None, "of the question; null where there was none"]
    value: Annotated[Any, "the answer"]
    by: Annotated[str | None, "whoever gave it, where that is known"]


class SloBreached(TypedDict):
    """A promise of the pipeline is broken, by all its executions together; told once until it was kept."""

    slo: Annotated[str, "its name"]
    value: Annotated[float, "the figure over the window"]
    threshold: Annotated[float, "its limit"]
    window_s: Annotated[float, "seconds"]
    burn_rate: Annotated[
        float | None, "how many times too fast the budget goes; null without a budget"
    ]


class Gap(TypedDict):
    """Events are missing where a reader wanted to go on. Never stored; has no sequence number."""

    requested: Annotated[str, "the cursor it came with"]
    first_available: Annotated[int, "the sequence number that follows"]
    missed: Annotated[int | None, "how many are missing; null where nobody knows"]


EVENT_DATA: Final[Mapping[EventType, Any]] = {
    EventType.PIPELINE_START: PipelineStart,
    EventType.STEP_START: StepStart,
    EventType.STEP_PROGRESS: StepProgress,
    EventType.STEP_OUTPUT: Any,
    EventType.STEP_COMPLETE: StepComplete,
    EventType.STEP_ERROR: StepError,
    EventType.PIPELINE_COMPLETE: PipelineComplete,
    EventType.PIPELINE_ERROR: PipelineError,
    EventType.PIPELINE_CANCELLED: PipelineCancelled,
    EventType.CHECKPOINT_SAVED: CheckpointSaved,
    EventType.INPUT_REQUESTED: InputRequested,
    EventType.INPUT_RECEIVED: InputReceived,
    EventType.SLO_BREACHED: SloBreached,
    EventType.GAP: Gap,
}
"""The shape of each type's `data`; that of a `step_output` is the element itself."""
