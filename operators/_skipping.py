"""What happens to an element that is not as it should be: it fails the node, is skipped and counted, or told.

Skipped ones are counted, and a warning says so: the first at once, then at most one in ten seconds, and at
the end what was not said yet. The warning names the node and holds nothing of the element.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import structlog

from rxstream.engine.island import CURRENT
from rxstream.errors import GraphError
from rxstream.operators._clock import loop_time
from rxstream.source import Port

EVERY_S: Final = 10.0
"""Least time between two warnings of one node, in seconds."""

OnBad = Literal["fail", "skip"] | Callable[[Any, Exception], object]
"""`fail`, `skip`, or a function of the element and the error."""

_log = structlog.get_logger("rxstream.operators")


class Skipping:
    """Decides for each bad element of one node."""

    def __init__(self, operator: str, on_bad: OnBad) -> None:
        self.operator = operator
        self.on_bad = on_bad
        self.count = 0
        """Elements that did not go on."""
        self.on_count: Callable[[], None] | None = None
        """Told of each, where a node counts its errors."""
        self._said = 0
        self._next_at = 0.0
        self._port: Port | None = None

    def __call__(self, item: Any, error: Exception) -> None:
        """Raises the error where it is to fail, and whatever a function that was given raises."""
        if self.on_bad == "fail":
            raise error
        self.count += 1
        self._port = CURRENT.get() or self._port
        if self.on_count is not None:
            self.on_count()
        if callable(self.on_bad):
            self.on_bad(item, error)
            return
        now = loop_time()
        if not self._said or now >= self._next_at:
            self._next_at = now + EVERY_S
            self._say(error)

    def close(self) -> None:
        """Say what was not said yet."""
        if self.on_bad == "skip" and self.count > self._said:
            self._say(None)

    def _say(self, error: Exception | None) -> None:
        self._said = self.count
        port = self._port
        _log.warning(
            "skipped",
            operator=self.operator,
            execution_id=port.execution_id if port else "",
            node=port.node_id if port else "",
            count=self.count,
            error=str(error) if error else None,
        )


def checked(name: str, on_bad: OnBad) -> OnBad:
    """The policy, if it is one. Raises `GraphError`."""
    if on_bad in ("fail", "skip") or callable(on_bad):
        return on_bad
    raise GraphError(
        f"{name} is 'fail', 'skip' or a function of the element and the error, not {on_bad!r}"
    )
