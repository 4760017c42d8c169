"""How code inside a node says how far it is."""

from __future__ import annotations

from rxstream.engine.island import CURRENT
from rxstream.engine.reporting import report


def progress(
    percentage: float | None, message: str | None = None, status: str | None = "running"
) -> None:
    """Report from a source's or an operator's function: 0 to 100, or None when nobody knows.

    At most ten reports a second of one node reach the log, the last always. Raises `AuthorError`
    outside a running node.
    """
    report(CURRENT.get(), percentage, message, status)
