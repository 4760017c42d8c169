"""What a pipeline's file holds, block by block: the JSON Schema that is published is made of these.

Values are checked one by one here; what needs more than the file (modules, plugins) is its reader's.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from rxstream.failures import Failure
from rxstream.pipeline.objectives import METRICS

_PATH: Final = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$"
_ACTION: Final = r"^[A-Za-z][A-Za-z0-9_-]*\..+$"
_NAME: Final = r"^[A-Za-z0-9_-]{1,64}$"
_TITLE: Final = r"^[A-Za-z0-9_-]([A-Za-z0-9_ -]{0,62}[A-Za-z0-9_-])?$"

PATTERNS: Final = {
    _PATH: "no path to import: write module:name",
    _ACTION: "no action: write plugin.action",
    _NAME: "no name: use letters, digits, _ and -, 64 at most",
    _TITLE: "no name: use letters, digits, _, - and spaces inside, 64 at most",
}
"""What is wrong with a text that does not match."""


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class StreamingBlock(_Block):
    """What the steps show while they work."""

    enabled: bool = Field(False, description="Record what steps show and how far they are.")
    emit_progress: bool = Field(True, description="Record how far steps are.")
    buffer_size: int = Field(1_000, ge=1, description="Items that wait at most.")
    flush_interval_ms: float = Field(100.0, ge=0, description="How long an item waits at most.")


class BudgetBlock(_Block):
    """At most so many retries in so many seconds."""

    retries: int = Field(ge=1)
    per_seconds: float = Field(gt=0)


class RetryBlock(_Block):
    """How often a step is tried, and the pauses between, in seconds."""

    attempts: int = Field(3, ge=1, description="Attempts in all.")
    first: float = Field(0.1, ge=0, description="The first pause.")
    factor: float = Field(2.0, ge=1, description="How much longer each pause is.")
    maximum: float = Field(30.0, ge=0, description="The longest pause.")
    jitter: Literal["full", "none"] = "full"
    budget: BudgetBlock | None = None
    only: list[Failure] | None = Field(None, description="What is tried again; all if left out.")


class SLOBlock(_Block):
    """What the pipeline promises of a reliability figure over a window; `at_least` or `at_most`."""

    metric: Literal[METRICS]  # type: ignore[valid-type]  # one list of them, where they are measured
    at_least: float | None = None
    at_most: float | None = None
    window: float = Field(3_600.0, gt=0, description="Seconds.")
    burn_rate: float | None = Field(
        None, gt=0, description="How many times too fast the budget may go before it is broken."
    )
    least: int = Field(1, ge=1, description="Executions there have to be before it is judged.")
    name: str = Field("", description="How events call it.")


class SinkBlock(_Block):
    """A sink by its import path."""

    sink: str = Field(
        pattern=_PATH, description="package.module:name of a Sink, or what makes one."
    )
    config: dict[str, Any] | None = Field(None, description="What it is made with.")


class DeadLettersBlock(_Block):
    """Which failures put an item aside, how many may, and where the letters go."""

    most: int | None = Field(None, ge=1, description="Items that may fail.")
    share: float | None = Field(None, gt=0, le=1, description="Share of the items that may fail.")
    only: list[Failure] | None = Field(None, description="What makes a letter; all if left out.")
    to: SinkBlock | None = None


class StepBlock(_Block):
    """One step: `step` says what it is, or `action`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["step"]},
                {"required": ["action"]},
            ],
            "dependentRequired": {
                "config": ["step"],
                "params": ["action"],
                "params_from": ["action"],
            },
        }
    )

    step: str | None = Field(
        None, pattern=_PATH, description="package.module:Name of a Step or async function."
    )
    config: dict[str, Any] | None = Field(None, description="What the class is called with.")
    action: str | None = Field(None, pattern=_ACTION, description="plugin.action of a plugin.")
    params: dict[str, Any] | None = Field(None, description="Parameters of the action.")
    params_from: dict[str, str] | None = Field(
        None,
        description="Parameters of the action that are taken from the step's data: a key of it, or "
        "key.inner.",
    )
    name: str | None = Field(None, pattern=_NAME)
    after: str | list[str] = Field([], description="Steps it comes after.")
    when: str | None = Field(
        None, description="A key of its data that has to be true, or package.module:predicate."
    )
    each: str | None = Field(None, description="The key of a list it is called for each item of.")
    concurrency: int | None = Field(None, ge=1, description="Calls at once, with `each`.")
    retry: int | RetryBlock | None = None
    timeout: float | None = Field(None, gt=0, description="Seconds an attempt may take.")
    fallback: dict[str, Any] | str | None = Field(
        None, description="The result when it fails for good, or package.module:Name of a step."
    )
    dead_letters: bool | int | DeadLettersBlock = Field(
        False,
        description="With `each`, put items aside that fail for good: any number, or how many.",
    )
    checkpoint: bool = Field(False, description="Store its end as a checkpoint.")


class PipelineBlock(_Block):
    """A pipeline of rxstream."""

    model_config = ConfigDict(title="rxstream pipeline")

    schema_: str | None = Field(None, alias="$schema")
    name: str = Field(
        pattern=_TITLE, description="What it is served as; a space becomes a hyphen there."
    )
    description: str = ""
    resumable: bool = Field(False, description="Refuse it if it could not go on after a crash.")
    resources: dict[str, Annotated[int, Field(ge=1)]] | None = None
    result: str | None = Field(
        None,
        pattern=_NAME,
        description="The step whose result is the pipeline's; all steps if left out.",
    )
    plugins: list[str] = Field(
        [],
        description="Plugins beside the installed ones: package.module, package.module:Class, or the path of "
        "a file or folder, as ./plugins, from where this file is.",
    )
    slos: list[SLOBlock] = Field([], description="What it promises.")
    streaming: StreamingBlock = Field(default_factory=StreamingBlock)  # type: ignore[arg-type]  # pydantic fills the defaults
    steps: list[StepBlock] = Field(min_length=1)
