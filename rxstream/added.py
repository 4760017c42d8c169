"""Functions that are added to rxstream's own while it runs: operators, sources and sinks by name.

A module that holds our own is asked first; only a name it does not have is looked for here. So ours cannot be
replaced, and what is added can be taken away again. Must not know who adds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, Literal

Kind = Literal["operators", "sources", "sinks"]

_ADDED: Final[dict[Kind, dict[str, Callable[..., Any]]]] = {
    "operators": {},
    "sources": {},
    "sinks": {},
}
_HOLDERS: Final[dict[Kind, list[str]]] = {"operators": [], "sources": [], "sinks": []}


def show_in(module: str, kind: Kind) -> None:
    """Let a module that is being imported show what is added of a kind, beside what it has."""
    added, names = _ADDED[kind], vars(sys.modules[module])

    def __getattr__(name: str) -> Callable[..., Any]:
        try:
            return added[name]
        except KeyError:
            raise AttributeError(f"module {module!r} has no attribute {name!r}") from None

    names["__getattr__"] = __getattr__
    names["__dir__"] = lambda: sorted({*names, *added})
    _HOLDERS[kind].append(module)


def problem_with(kind: Kind, name: str) -> str | None:
    """Why a name cannot be added, if so."""
    if name in _ADDED[kind]:
        return f"{name!r} is already among the {kind} that were added everywhere"
    holder = next((each for each in _HOLDERS[kind] if name in vars(sys.modules[each])), None)
    return None if holder is None else f"{name!r} is in {holder}"


def add(kind: Kind, name: str, function: Callable[..., Any]) -> None:
    """Show a function under a name that has no problem."""
    _ADDED[kind][name] = function


def remove(kind: Kind, name: str) -> None:
    """Show it no more."""
    _ADDED[kind].pop(name, None)
