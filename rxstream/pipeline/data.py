"""What goes from step to step: how each step before ended, by name, and the dict that comes of it. Pure.

A step's data is the pipeline's input updated with the results of all it comes after, in the order of the
pipeline, so it does not depend on which of two branches was faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

How = Literal["input", "done", "fallback", "skipped", "failed"]

Entries: TypeAlias = dict[str, tuple[How, Any]]
"""How each step ended and with what (of a failed one its stored error); plain data if results are."""

INPUT: Final = ""
"""The name of the pipeline's input among the entries; no step has it."""


@dataclass(frozen=True)
class Result:
    """What a step that is a generator yields last."""

    data: dict[str, Any]


def united(parts: Iterable[Mapping[str, tuple[How, Any]]]) -> Entries:
    """All that came in, from every step before."""
    found: Entries = {}
    for part in parts:
        found.update(part)
    return found


def folded(entries: Mapping[str, tuple[How, Any]], order: Sequence[str]) -> dict[str, Any]:
    """The input updated with the results of the steps in this order."""
    data = dict(entries[INPUT][1])
    for name in order:
        how, result = entries.get(name, ("skipped", None))
        if how in ("done", "fallback"):
            data.update(result)
    return data


def failed(entries: Mapping[str, tuple[How, Any]], order: Sequence[str]) -> str | None:
    """The first step in this order that failed for good."""
    return next((name for name in order if name in entries and entries[name][0] == "failed"), None)
