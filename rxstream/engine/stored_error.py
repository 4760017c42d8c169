"""Errors that wait, as plain data: what waits behind elements is stored with them.

An error comes back as one of ours, with the kind, code and message it had, the node it is blamed on, what may
be done about it and when to try again. Its class, its cause and its traceback do not come back.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from rxstream.errors import (
    AuthorError,
    ClientError,
    ExecutionCancelled,
    ExecutionTimeout,
    Kind,
    NodeError,
    RxStreamError,
    WorldError,
    classify,
)
from rxstream.failures import Failure, classify_failure, retry_after


class StoredError(NamedTuple):
    """What is stored of an error, as a plain tuple of these."""

    kind: Kind
    code: str
    message: str
    node: str | None
    where: str | None
    failure: Failure
    retry_after: float | None


ERROR_CLASSES: Final[dict[Kind, type[RxStreamError]]] = {
    branch.kind: branch
    for branch in (
        *(AuthorError, ClientError, ExecutionCancelled),
        *(ExecutionTimeout, NodeError, WorldError),
    )
}
"""The error of each kind: what is told in place of another is as much somebody's fault."""


def store_error(error: BaseException | None) -> tuple[Any, ...] | None:
    """The error as plain data; None is none."""
    if error is None:
        return None
    said = StoredError(
        **classify(error),
        node=getattr(error, "node", None),
        where=getattr(error, "where", None),
        failure=_failure(error),
        retry_after=retry_after(error),
    )
    return tuple(said)


def restore_error(stored: tuple[Any, ...] | None) -> RxStreamError | None:
    """What `store_error` was given, as one of our errors."""
    if stored is None:
        return None
    said = StoredError(*stored)
    error = ERROR_CLASSES[said.kind](said.message, code=said.code, node=said.node, where=said.where)
    error.failure = said.failure
    if said.retry_after is not None:
        error.retry_after = said.retry_after
    return error


def _failure(error: BaseException) -> Failure:
    try:
        return classify_failure(error)
    except (
        Exception
    ):  # a rule of the user's: whoever acts on the error hears of it, not who stores it
        return "fatal"
