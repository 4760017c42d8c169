"""What `rxstream.progress` does: a report goes to the port of the node whose code runs."""

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
