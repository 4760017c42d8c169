"""Reads a pipeline from a JSON or TOML file: checked against a JSON Schema, steps found by import path.

An error says where: the line where the file is not JSON or TOML, else the path of the value, as in
`steps[2].retry.first`. Importing runs the steps' modules; nothing else of theirs runs.
"""

from __future__ import annotations

import importlib
import json
import os
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rxstream.errors import GraphError
from rxstream.failures import Budget, Failure
from rxstream.pipeline.policy import Retry, Streaming

if TYPE_CHECKING:
    from rxstream.pipeline.pipeline import Pipeline

P = TypeVar("P", bound="Pipeline")

_PATH: Final = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$"
_NAME: Final = r"^[A-Za-z0-9_-]{1,64}$"
_SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"


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


class StepBlock(_Block):
    """One step."""

    step: str = Field(pattern=_PATH, description="package.module:Name of a Step or async function.")
    name: str | None = Field(None, pattern=_NAME)
    config: dict[str, Any] | None = Field(None, description="What the class is called with.")
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


class PipelineBlock(_Block):
    """A pipeline of rxstream."""

    model_config = ConfigDict(title="rxstream pipeline")

    schema_: str | None = Field(None, alias="$schema")
    name: str = Field(pattern=_NAME)
    description: str = ""
    resumable: bool = Field(False, description="Refuse it if it could not go on after a crash.")
    resources: dict[str, int] | None = None
    streaming: StreamingBlock = Field(default_factory=StreamingBlock)  # type: ignore[arg-type]  # pydantic fills the defaults
    steps: list[StepBlock] = Field(min_length=1)


def schema() -> dict[str, Any]:
    """The JSON Schema of a pipeline's file."""
    return {"$schema": _SCHEMA, **PipelineBlock.model_json_schema(by_alias=True)}


def read(make: type[P], path: str | os.PathLike[str]) -> P:
    """The pipeline in a file. Raises `GraphError` that says where in the file."""
    file = Path(path)
    block = _block(file)
    pipeline = make(
        block.name,
        description=block.description,
        streaming=Streaming(**block.streaming.model_dump()),
        resumable=block.resumable,
        resources=block.resources,
    )
    for index, step in enumerate(block.steps):
        where = f"{file}: steps[{index}]"
        try:
            pipeline.add(**_arguments(step, where), where=where)
        except GraphError as error:
            if where in error.message:
                raise
            raise GraphError(f"{where}: {error.message}") from error
    return pipeline


def _block(file: Path) -> PipelineBlock:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GraphError(f"{file} cannot be read: {error}") from error
    try:
        values = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except ValueError as error:  # both say line and column
        raise GraphError(f"{file}: {error}") from error
    try:
        return PipelineBlock.model_validate(values)
    except ValidationError as error:
        said = _problems(error)
        raise GraphError(f"{file}: {'; '.join(said)}") from None


def _problems(error: ValidationError) -> list[str]:
    found = error.errors(include_url=False)
    inside = [_place(problem["loc"]) for problem in found]
    said = []
    for problem, place in zip(found, inside, strict=True):
        # of a value that may be of two kinds, the kind that fits better is spoken of
        if not (problem["loc"][-1:] and problem["loc"][-1] in _BRANCHES) or not any(
            other.startswith(f"{place}.") for other in inside
        ):
            said.append(_problem(problem))
    return list(dict.fromkeys(said))


def _problem(problem: Any) -> str:
    message = problem["msg"][:1].lower() + problem["msg"][1:]
    if problem["type"] == "extra_forbidden":
        message = "there is no such setting"
    return f"{_place(problem['loc'])}: {message}"


def _place(location: Sequence[str | int]) -> str:
    """`steps[2].retry.first`; names pydantic gives to the branches of a union are left out."""
    said = ""
    for part in location:
        if isinstance(part, int):
            said += f"[{part}]"
        elif part not in _BRANCHES and not part.startswith(("dict[", "list[")):
            said += f".{part}" if said else part
    return said or "the file"


_BRANCHES: Final = frozenset({"int", "str", "RetryBlock"})


def _arguments(block: StepBlock, where: str) -> dict[str, Any]:
    found = _imported(block.step, f"{where}.step")
    if block.config is not None:
        found = _made(found, block.config, where)
    given: dict[str, Any] = {"step": found, "after": block.after, "name": block.name}
    for name in ("each", "concurrency", "timeout"):
        if getattr(block, name) is not None:
            given[name] = getattr(block, name)
    if block.when is not None:
        given["when"] = _imported(block.when, f"{where}.when") if ":" in block.when else block.when
    if block.retry is not None:
        given["retry"] = _retry(block.retry)
    if block.fallback is not None:
        is_path = isinstance(block.fallback, str)
        given["fallback"] = (
            _imported(str(block.fallback), f"{where}.fallback") if is_path else block.fallback
        )
    return given


def _retry(block: int | RetryBlock) -> Retry:
    if isinstance(block, int):
        return Retry(block)
    values = {name: getattr(block, name) for name in asdict(Retry())}
    if block.budget is not None:
        values["budget"] = Budget(block.budget.retries, block.budget.per_seconds)
    return Retry(**values)


def _made(found: Callable[..., Any], config: dict[str, Any], where: str) -> Any:
    try:
        return found(**config)
    except TypeError as error:
        raise GraphError(f"{where}.config: {error}") from error


def _imported(path: str, where: str) -> Any:
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        raise GraphError(f"{where}: {path!r} cannot be imported: {error}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise GraphError(f"{where}: {module} has no {name!r}")
        found = getattr(found, part)
    return found
