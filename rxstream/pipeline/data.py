"""What goes from step to step: how each step before ended, by name, and the dict that comes of it. Pure.

A step's data is the pipeline's input updated with the results of all it comes after, in the order of the
pipeline, so it does not depend on which of two branches was faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

How = Literal["input", "done", "fallback", "skipped", "failed", "halted"]
"""`halted` is one with `each` that left items off when another step failed."""

Items: TypeAlias = tuple[tuple[int, How], ...] | None
"""Of a step with `each` the items that ended well, and how; where nothing is undone there are none."""

Entry: TypeAlias = tuple[How, Any, Items]
"""How a step ended, with what, and its items; of one that failed its error and their results."""

Entries: TypeAlias = dict[str, Entry]
"""How each step ended; plain data if results are."""

INPUT: Final = ""
"""The name of the pipeline's input among the entries; no step has it."""

FAILED: Final = ("failed", "halted")
"""How a step ends that gives no result."""

NEVER: Final[Entry] = ("skipped", None, None)
"""Stands for a step that did not begin."""


@dataclass(frozen=True)
class Result:
    """What a step that is a generator yields last."""

    data: dict[str, Any]


def united(parts: Iterable[Mapping[str, Entry]]) -> Entries:
    """All that came in, from every step before."""
    found: Entries = {}
    for part in parts:
        found.update(part)
    return found


def folded(entries: Mapping[str, Entry], order: Sequence[str]) -> dict[str, Any]:
    """The input updated with the results of the steps in this order."""
    data = dict(entries[INPUT][1])
    for name in order:
        how, result, _ = entries.get(name, NEVER)
        if how in ("done", "fallback"):
            data.update(result)
    return data


def failed(entries: Mapping[str, Entry], order: Sequence[str]) -> str | None:
    """The first step in this order that failed for good."""
    return next((name for name in order if name in entries and entries[name][0] == "failed"), None)


def ended_well(entries: Mapping[str, Entry], name: str) -> list[tuple[int | None, How, Any]]:
    """The calls of a step that ended well: index (None where there is one), how and result."""
    how, result, items = entries.get(name, NEVER)
    if items is None:
        return [(None, how, result)] if how in ("done", "fallback") else []
    results = result[1] if how in FAILED else result[name]
    return [(index, how, each) for (index, how), each in zip(items, results, strict=True)]
