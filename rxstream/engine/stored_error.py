"""Errors that wait, as plain data: what waits behind elements is stored with them.

An error comes back as one of ours, with the kind, code and message it had and the node it is blamed on. Its
class, its cause and its traceback do not come back.
"""

from __future__ import annotations

from typing import Final

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

StoredError = tuple[Kind, str, str, str | None, str | None]
"""Kind, code, message, the node's id and where its author wrote it."""

ERROR_CLASSES: Final[dict[Kind, type[RxStreamError]]] = {
    "author": AuthorError,
    "cancelled": ExecutionCancelled,
    "client": ClientError,
    "timeout": ExecutionTimeout,
    "user": NodeError,
    "world": WorldError,
}


def store_error(error: BaseException | None) -> StoredError | None:
    """The error as plain data; None is none."""
    if error is None:
        return None
    said = classify(error)
    node, where = getattr(error, "node", None), getattr(error, "where", None)
    return (said["kind"], said["code"], said["message"], node, where)


def restore_error(stored: StoredError | None) -> RxStreamError | None:
    """What `store_error` was given, as one of our errors."""
    if stored is None:
        return None
    kind, code, message, node, where = stored
    return ERROR_CLASSES[kind](message, code=code, node=node, where=where)
