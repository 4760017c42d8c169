"""What a node says of itself through its port: how far it is, and what it counts of its own."""

from __future__ import annotations

from rxstream.errors import AuthorError
from rxstream.source import Port


def report(
    port: Port | None, percentage: float | None, message: str | None, status: str | None
) -> None:
    """Say how far a node is through its port. Raises `AuthorError` where no node is running."""
    if port is None:
        raise AuthorError(
            "progress() was called outside a running node: call it in a function given to "
            "rxstream.source or to an operator"
        )
    port.progress(percentage, message, status)


def tally(port: Port, name: str, amount: float) -> None:
    """Count so many more of something in the node's statistics; no port but an engine's has them."""
    count = getattr(port, "tally", None)
    if count is not None:
        count(name, amount)
