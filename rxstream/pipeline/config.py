"""Reads a pipeline from a JSON or TOML file, or from what one says: checked, steps found by path or action.

An error says where: the line where the file is not JSON or TOML, else the path of the value, as in
`steps[2].retry.first`. Importing runs the modules of steps and plugins; nothing else of theirs runs.
"""

from __future__ import annotations

import importlib
import json
import os
import tomllib
import traceback
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from pydantic import ValidationError

from rxstream.errors import GraphError, InvalidParameters
from rxstream.failures import Budget
from rxstream.pipeline.action import action_step
from rxstream.pipeline.blocks import (
    PATTERNS,
    DeadLettersBlock,
    PipelineBlock,
    RetryBlock,
    StepBlock,
)
from rxstream.pipeline.letters import DeadLetters
from rxstream.pipeline.objectives import SLO
from rxstream.pipeline.policy import Retry, Streaming
from rxstream.plugins import ActionDenied, PluginError, PluginManager, UnknownAction

if TYPE_CHECKING:
    from rxstream.pipeline.pipeline import Pipeline

P = TypeVar("P", bound="Pipeline")

Plugins: TypeAlias = PluginManager | Iterable[str | Path]
"""Where a file's actions are found: plugins that are loaded, or places of plugins."""

_SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The JSON Schema of a pipeline's file."""
    return {"$schema": _SCHEMA, **PipelineBlock.model_json_schema(by_alias=True)}


def read(make: type[P], path: str | os.PathLike[str], plugins: Plugins | None = None) -> P:
    """The pipeline in a file. Raises `GraphError` that says where in the file."""
    file = Path(path)
    return made(make, _values(file), str(file), file.parent, plugins)


def made(make: type[P], values: Any, where: str, folder: Path, plugins: Plugins | None = None) -> P:
    """The pipeline that is said by what a file holds. Raises `GraphError` that says where in it."""
    try:
        block = PipelineBlock.model_validate(values)
    except ValidationError as error:
        raise GraphError(f"{where}: {'; '.join(_problems(error))}") from None
    manager = _plugins(where, folder, block, plugins)
    with _said_where(where):
        slos = []
        for index, given in enumerate(block.slos):
            with _said_where(f"{where}: slos[{index}]"):
                slos.append(SLO(**given.model_dump()))
        pipeline = make(
            "-".join(block.name.split()),
            description=block.description or (block.name if " " in block.name else ""),
            streaming=Streaming(**block.streaming.model_dump()),
            resumable=block.resumable,
            resources=block.resources,
            result=block.result,
            slos=slos,
        )
        for index, step in enumerate(block.steps):
            place = f"{where}: steps[{index}]"
            with _said_where(place):
                pipeline.add(**_arguments(step, place, manager), where=place)
        pipeline.check()
    return pipeline


@contextmanager
def _said_where(where: str) -> Generator[None]:
    """Whatever is wrong is said with where it is."""
    try:
        yield
    except GraphError as error:
        if where in error.message:
            raise
        raise GraphError(f"{where}: {error.message}") from error


def _values(file: Path) -> Any:
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise GraphError(f"{file} cannot be read: {error}") from error
    try:
        if file.suffix == ".toml":
            return tomllib.loads(text)
        return json.loads(text, object_pairs_hook=_object)
    except ValueError as error:  # both say line and column
        raise GraphError(f"{file}: {error}") from error
    except RecursionError:
        raise GraphError(f"{file}: it is nested too deep") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is said twice of one thing")
    return found


def _plugins(file: str, folder: Path, block: PipelineBlock, given: Plugins | None) -> PluginManager:
    """Plugins that were given, and those the file names; installed ones if no manager was given.

    Whoever gives a manager decides with its access rules what a file may use.
    """
    manager = given if isinstance(given, PluginManager) else PluginManager()
    places: list[tuple[str, str | Path]] = []
    if given is not None and not isinstance(given, PluginManager):
        places += [("plugins", place) for place in ([given] if isinstance(given, str) else given)]
    places += [
        (f"{file}: plugins[{index}]", folder / text if _is_path(text) else text)
        for index, text in enumerate(block.plugins)
    ]
    for where, place in places:
        try:
            manager.load(place)
        except PluginError as error:
            raise GraphError(f"{where}: {error.message}") from error
    if not isinstance(given, PluginManager):
        for step in block.steps:
            if step.action is not None:
                manager.discover_for(step.action)
    return manager


def _is_path(text: str) -> bool:
    return text.endswith(".py") or text.startswith(".") or "/" in text or os.sep in text


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
    elif problem["type"] == "model_type":
        message = "it has to be a table, an object in JSON"
    elif problem["type"] == "string_pattern_mismatch":
        message = f"{problem['input'][:80]!r} is {PATTERNS[problem['ctx']['pattern']]}"
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


_BRANCHES: Final = frozenset({"bool", "int", "str", "RetryBlock", "DeadLettersBlock"})


def _arguments(block: StepBlock, where: str, plugins: PluginManager) -> dict[str, Any]:
    given: dict[str, Any] = {
        "step": _step(block, where, plugins),
        "after": block.after,
        "name": block.name,
        "checkpoint": block.checkpoint,
        "dead_letters": _dead_letters(block.dead_letters, f"{where}.dead_letters"),
    }
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


def _step(block: StepBlock, where: str, plugins: PluginManager) -> Any:
    if (block.step is None) == (block.action is None):
        raise GraphError(f"{where}: say what it is: either step or action")
    if block.step is not None:
        for name in ("params", "params_from"):
            if getattr(block, name) is not None:
                raise GraphError(f"{where}.{name}: only an action has it: a step has config")
        found = _imported(block.step, f"{where}.step")
        return found if block.config is None else _made(found, block.config, where)
    if block.config is not None:
        raise GraphError(f"{where}.config: only a step has it: an action has params")
    assert block.action is not None  # one of the two is there
    try:
        return action_step(
            block.action, block.params, params_from=block.params_from, plugins=plugins
        )
    except (UnknownAction, ActionDenied) as error:
        raise GraphError(f"{where}.action: {error.message}") from error
    except InvalidParameters as error:
        raise GraphError(f"{where}.params: {error.message}") from error


def _retry(block: int | RetryBlock) -> Retry:
    if isinstance(block, int):
        return Retry(block)
    values = {name: getattr(block, name) for name in asdict(Retry())}
    if block.budget is not None:
        values["budget"] = Budget(block.budget.retries, block.budget.per_seconds)
    return Retry(**values)


def _dead_letters(block: bool | int | DeadLettersBlock, where: str) -> bool | int | DeadLetters:
    if not isinstance(block, DeadLettersBlock):
        return block
    to = block.to
    if to is None:
        return DeadLetters(block.most, block.share, block.only)
    sink = _imported(to.sink, f"{where}.to.sink")
    if to.config is not None:
        sink = _made(sink, to.config, f"{where}.to")
    return DeadLetters(block.most, block.share, block.only, sink)


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
    except Exception as error:  # whatever the module does while it is imported
        line = traceback.extract_tb(error.__traceback__)[-1]
        place = (
            "" if isinstance(error, SyntaxError) else f"{Path(line.filename).name}:{line.lineno}: "
        )
        said = f"{place}{type(error).__name__}: {error}"  # a SyntaxError says its line itself
        raise GraphError(f"{where}: {path!r} cannot be imported: {said}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise GraphError(f"{where}: {module} has no {name!r}")
        found = getattr(found, part)
    return found
