"""Every error rxstream raises, and whose fault each one is.

The branch an error hangs on says who has to act. It is the `kind` that events and HTTP answers carry.

    RxStreamError
    ├── AuthorError            author     whoever wrote the graph
    │   ├── GraphError                    the graph cannot be built
    │   ├── CodecError                    an element cannot be recorded
    │   ├── BufferOverflow                a `fail` buffer was full
    │   ├── StallError                    units wait for each other for ever
    │   └── MissingExtra                  an optional dependency is not installed
    ├── NodeError              user       code the user gave to a node raised
    ├── WorldError             world      files, networks, processes, models
    │   ├── CircuitOpen                   a circuit breaker lets no call through
    │   └── LogError                      the event log cannot be read or written
    │       └── LogLocked                 another process writes it
    ├── ClientError            client     whoever asked for something
    │   ├── InvalidCursor, InvalidJson, InvalidParameters, BadRequest
    │   ├── UnknownGraph, UnknownExecution, UnknownRequest, AlreadyEnded
    │   └── TooLarge, Overloaded, Draining
    ├── ExecutionCancelled     cancelled  somebody asked it to end
    └── ExecutionTimeout       timeout    it took longer than was allowed

`classify` puts any other exception on a branch. It must not know where errors are shown.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final, Literal

from typing_extensions import TypedDict

Kind = Literal["author", "user", "world", "client", "cancelled", "timeout"]


class ErrorData(TypedDict):
    """What an event or an answer says of an error; never a stack."""

    kind: Kind
    code: str
    message: str


class RxStreamError(Exception):
    """What went wrong, where, and what to do about it, in one line.

    `node` is the id of the node it happened in, `where` the `file:line` its author wrote.
    """

    kind: ClassVar[Kind] = "author"
    code: str = "error"
    failure: str | None = None
    """What may be done about it, where it says so itself; `rxstream.failures` believes it."""
    retry_after: float | None = None
    """In how many seconds another attempt may go well, where that is known."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        node: str | None = None,
        where: str | None = None,
        detail: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.node = node
        self.where = where
        self.detail = detail
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return self.message


class AuthorError(RxStreamError):
    """The graph asks for something that cannot be."""

    code = "author_error"


class GraphError(AuthorError):
    """The graph cannot be built; the message names the node and its line."""

    code = "invalid_graph"


class CodecError(AuthorError):
    """An element has no JSON form; the message names the type and the path to it."""

    code = "not_encodable"


class BufferOverflow(AuthorError):
    """A buffer whose policy is `fail` was full."""

    code = "buffer_overflow"


class StallError(AuthorError):
    """Units wait for each other and none can ever move."""

    code = "stalled"


class MissingExtra(AuthorError):
    """An optional dependency is missing; the message names the extra to install."""

    code = "missing_extra"


class NodeError(RxStreamError):
    """Code the user gave to a node raised; `__cause__` is what it raised."""

    kind = "user"
    code = "node_failed"


class WorldError(RxStreamError):
    """A file, network, process or model did not do its part."""

    kind = "world"
    code = "world_error"


class CircuitOpen(WorldError):
    """A circuit breaker lets no call through; `retry_after` is when it will, in seconds from now."""

    code = "circuit_open"

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LogError(WorldError):
    """The event log cannot be read or written."""

    code = "log_error"


class LogLocked(LogError):
    """Another process writes this log; the message says which."""

    code = "log_locked"


class ClientError(RxStreamError):
    """The request cannot be served as it was made."""

    kind = "client"
    code = "bad_request"


class BadRequest(ClientError):
    """A field of the request is not what it must be."""


class InvalidCursor(ClientError):
    """The string is not a cursor."""

    code = "invalid_cursor"


class InvalidJson(ClientError):
    """The body is not JSON, or is nested too deep."""

    code = "invalid_json"


class InvalidParameters(ClientError):
    """Parameters are missing or wrong; `detail` has one `{name, message, expected}` for each."""

    code = "invalid_parameters"


class UnknownGraph(ClientError):
    """No graph is served under that name."""

    code = "unknown_graph"


class UnknownExecution(ClientError):
    """No execution has that id."""

    code = "unknown_execution"


class UnknownRequest(ClientError):
    """No question is open under that id."""

    code = "unknown_request"


class AlreadyEnded(ClientError):
    """The execution has ended, so the request comes too late."""

    code = "already_ended"


class TooLarge(ClientError):
    """A body or message is over its limit."""

    code = "too_large"


class Overloaded(ClientError):
    """Admission refused."""

    code = "overloaded"
    retry_after: float = 1.0


class Draining(ClientError):
    """The engine is closing and starts nothing new."""

    code = "draining"


class ExecutionCancelled(RxStreamError):
    """The execution was cancelled or stopped; the message is the reason."""

    kind = "cancelled"
    code = "cancelled"


class ExecutionTimeout(RxStreamError):
    """Something took longer than it was allowed to."""

    kind = "timeout"
    code = "timeout"


_MESSAGE_LIMIT: Final = 2_000


def classify(error: BaseException) -> ErrorData:
    """Say whose fault an exception is, without its stack and at most 2,000 characters long.

    A group of one exception is that exception. The message can always be encoded.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, RxStreamError):
        kind, code, message = error.kind, error.code, error.message
    elif isinstance(error, TimeoutError):
        kind, code, message = "timeout", "timeout", _text(error) or "timed out"
    elif isinstance(error, asyncio.CancelledError):
        kind, code, message = "cancelled", "cancelled", _text(error) or "cancelled"
    elif isinstance(error, OSError):
        kind, code, message = "world", type(error).__name__, _text(error)
    else:
        kind, code, message = "user", type(error).__name__, _text(error)
    # a file name that is not UTF-8 has lone surrogates, which JSON cannot hold
    shown = (message or code)[:_MESSAGE_LIMIT].encode(errors="replace").decode()
    return {"kind": kind, "code": code, "message": shown}


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a __str__ of the user's
        return ""


def blame(error: BaseException, node: str, where: str | None = None) -> BaseException:
    """Remember the node an error came from; the first one to be named keeps it."""
    if getattr(error, "node", None) is None:
        try:
            error.node = node  # type: ignore[attr-defined]  # any exception may carry it
            error.where = where  # type: ignore[attr-defined]
        except AttributeError:
            pass  # a frozen dataclass cannot carry it; the caller's node is used instead
    return error
