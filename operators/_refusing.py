"""What operators refuse when the graph is drawn or started, in words that say what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex import Observable

from rxstream.errors import GraphError


def positive(name: str, number: int, least: int = 1) -> None:
    """Raises `GraphError` for a number that is less."""
    if number < least:
        raise GraphError(f"{name} must be at least {least}, not {number}")


def no_twin(name: str) -> Callable[..., Callable[[Observable[Any]], Observable[Any]]]:
    """Stands for reactivex's operator where there is none: refuses elements that are Observables."""

    def refuse(source: Observable[Any]) -> Observable[Any]:
        raise GraphError(
            f"the elements before {name} are Observables: use it before the operator that opens them, "
            "after the one that flattens them, or on each within its mapper"
        )

    return lambda *others: refuse
