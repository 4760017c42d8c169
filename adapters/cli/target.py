"""Finds the graph a TARGET names: `package.module:name`, `path/to/file.py:name`, or a pipeline's file.

Importing runs the user's code, which may do anything; whatever goes wrong becomes one line that says where.
A file's folder goes to the front of `sys.path`, as when Python runs it, so it can import its neighbours.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rxstream.adapters.cli.failure import USAGE, Failure, located, shown
from rxstream.adapters.cli.interruption import Interrupted

if TYPE_CHECKING:
    from rxstream.graph import BoundGraph, Graph


def load(target: str) -> Graph[..., Any] | BoundGraph:
    """The graph of that name. Raises `Failure`."""
    if target.lower().endswith((".json", ".toml")):
        return _load_pipeline(target)
    source, name = _split(target)
    module = _load_file(target, source) if _is_file(source) else _load_module(target, source)
    return _pick(target, module, name)


def _split(target: str) -> tuple[str, str]:
    module, colon, name = target.rpartition(":")
    if not colon or not module or not name or name.endswith(".py"):
        known = target.rstrip(":") or "path/to/file.py"
        raise Failure(
            f"target {target!r} names no graph: write {known}:NAME "
            "(package.module:name or path/to/file.py:name)",
            USAGE,
        )
    return module, name


def _load_pipeline(target: str) -> Graph[..., Any]:
    from rxstream.errors import GraphError
    from rxstream.pipeline import Pipeline

    if not Path(target).is_file():
        raise Failure(f"target {target!r}: there is no file {target}", USAGE)
    _put_on_path(str(Path(target).resolve().parent))
    try:
        return Pipeline.from_file(target).graph
    except (Interrupted, KeyboardInterrupt):
        raise
    except GraphError as error:
        raise Failure(error.message, USAGE) from error
    except BaseException as error:  # of the modules it names
        raise _broken(target, error) from error


def _is_file(text: str) -> bool:
    return text.endswith(".py") or os.sep in text


def _load_file(target: str, text: str) -> ModuleType:
    path = Path(text)
    if not path.is_file():
        raise Failure(f"target {target!r}: there is no file {text}", USAGE)
    path = path.resolve()
    _put_on_path(str(path.parent))
    name = path.stem
    taken = sys.modules.get(name)
    if taken is not None:
        if getattr(taken, "__file__", None) == str(path):
            return taken
        # a file called like a module that is already in use must not replace it
        name = f"_rxstream_target_{name}_{len(sys.modules)}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Failure(f"target {target!r}: {text} is not a Python file", USAGE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Interrupted, KeyboardInterrupt):
        raise
    except BaseException as error:
        del sys.modules[name]
        raise _broken(target, error) from error
    return module


def _load_module(target: str, name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise Failure(
            f"target {target!r}: {name!r} is neither a module's name nor a path ending in .py",
            USAGE,
        )
    _put_on_path(os.getcwd())
    try:
        return importlib.import_module(name)
    except (Interrupted, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise Failure(_not_found(target, name, error.name), USAGE) from error
        raise _broken(target, error) from error
    except BaseException as error:
        raise _broken(target, error) from error


def _not_found(target: str, name: str, missing: str) -> str:
    hint = f"look at the spelling, or run it where {missing} can be imported"
    path = Path(*name.split(".")).with_suffix(".py")
    if path.is_file():
        hint = f"did you mean {path}?"
    return f"target {target!r}: there is no module {missing!r}: {hint}"


def _put_on_path(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _broken(target: str, error: BaseException) -> Failure:
    return Failure(f"target {target!r} cannot be imported: {located(error)}", USAGE)


def _pick(target: str, module: ModuleType, name: str) -> Graph[..., Any] | BoundGraph:
    from rxstream.graph import BoundGraph, Graph
    from rxstream.pipeline import Pipeline

    found = getattr(module, name, None)
    if isinstance(found, Pipeline):
        return found.graph
    if isinstance(found, Graph | BoundGraph):
        return found
    graphs = sorted(
        key
        for key, value in vars(module).items()
        if isinstance(value, Graph | BoundGraph | Pipeline)
    )
    where = shown(module.__file__) if module.__file__ else module.__name__
    if found is None and not hasattr(module, name):
        raise Failure(f"target {target!r}: {where} has no {name!r}{_suggest(name, graphs)}", USAGE)
    what = "a function" if callable(found) else f"of type {type(found).__name__}"
    raise Failure(
        f"target {target!r}: {name} is {what}, not a graph: "
        f"decorate a function with @rxstream.graph{_suggest(name, graphs, ', or did you mean')}",
        USAGE,
    )


def _suggest(name: str, graphs: list[str], lead: str = ": did you mean") -> str:
    close = difflib.get_close_matches(name, graphs, 1, 0.5)
    if close:
        return f"{lead} {close[0]}?"
    if not graphs:
        return ": it holds no graph" if lead.startswith(":") else ""
    listed = ", ".join(graphs[:8])
    return f": its graphs are {listed}" if lead.startswith(":") else f" (its graphs are {listed})"
