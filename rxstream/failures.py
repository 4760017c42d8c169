"""What may be done about an error: try again, leave the element out, or give up.

`errors.classify` says whose fault an error is, which people are told. `classify_failure` here says what a
machine may do about it, and the two cut across each other: a refused connection and a full disk are both the
world's, but only the first is worth another attempt; a broken line is the world's and a broken number the
user's, and both are left out in the same way.

    transient   the same may go well later
    timeout     it took too long, and may not the next time
    malformed   this element is not as it should be; others may be
    cancelled   somebody wanted it to end
    fatal       nothing of this; what nobody knows is fatal

An error of ours may say it itself. Else rules are asked in order, those registered last before all others,
and the first that knows decides. Also here: how an error is shown to whoever wrote the graph. Must not know
who acts on it.
"""

from __future__ import annotations

import asyncio
import errno
import json
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, TypeVar, get_args

from pydantic_core import ValidationError

from rxstream.errors import (
    AuthorError,
    CircuitOpen,
    CodecError,
    ExecutionCancelled,
    ExecutionTimeout,
    GraphError,
    InvalidJson,
    InvalidParameters,
    NodeError,
    Overloaded,
    RxStreamError,
    WorldError,
)
from rxstream.stream import _EXAMPLES, _INTERNAL

Failure = Literal["transient", "malformed", "fatal", "cancelled", "timeout"]

Rule = Callable[[BaseException], Failure | None]
"""Says what an error is, or None where it does not know."""

FAILURES: Final[tuple[Failure, ...]] = get_args(Failure)

E = TypeVar("E", bound=BaseException)


@dataclass(frozen=True)
class Budget:
    """At most so many retries in any `per_seconds` seconds. Raises `GraphError` for what is none."""

    retries: int
    per_seconds: float

    def __post_init__(self) -> None:
        if self.retries < 1 or not 0 < self.per_seconds < math.inf:
            raise GraphError(
                f"a budget is at least one retry in a number of seconds above 0, not {self.retries} "
                f"in {self.per_seconds}"
            )


# -- the rules everybody has -------------------------------------------------------------------

_PASSING: Final = frozenset(
    {
        *(errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ENOBUFS, errno.EMFILE, errno.ENFILE),
        *(errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH),
        *(errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE, errno.ESHUTDOWN),
    }
)
"""Error numbers of the operating system that time may cure."""

_PASSING_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers of HTTP that may be another the next time."""

_MALFORMED_CODES: Final = frozenset(
    {"event_too_large", "invalid_element", "line_too_long", "malformed_json", "not_decodable"}
)
"""Codes of the `WorldError`s of an element that cannot be read."""


def _said(error: BaseException) -> Failure | None:
    failure = error.failure if isinstance(error, RxStreamError) else None
    return next((each for each in FAILURES if each == failure), None)


def _timeout(error: BaseException) -> Failure | None:
    return "timeout" if isinstance(error, TimeoutError | ExecutionTimeout) else None


def _cancelled(error: BaseException) -> Failure | None:
    ended = (asyncio.CancelledError, ExecutionCancelled, KeyboardInterrupt, SystemExit)
    return "cancelled" if isinstance(error, ended) else None


def _malformed(error: BaseException) -> Failure | None:
    if isinstance(error, WorldError) and error.code in _MALFORMED_CODES:
        return "malformed"
    kinds = (
        *(json.JSONDecodeError, UnicodeError, ValidationError, CodecError),
        *(InvalidJson, InvalidParameters),
    )
    return "malformed" if isinstance(error, kinds) else None


def _transient(error: BaseException) -> Failure | None:
    if isinstance(error, ConnectionError | CircuitOpen | Overloaded):
        return "transient"
    if isinstance(error, OSError):
        return "transient" if error.errno in _PASSING else None
    if isinstance(error, WorldError):
        detail = error.detail if isinstance(error.detail, dict) else {}
        passing = error.code == "truncated" or detail.get("status") in _PASSING_STATUS
        # an error of a model says it itself
        return "transient" if passing or getattr(error, "retryable", False) is True else None
    return None


def _author(error: BaseException) -> Failure | None:
    return "fatal" if isinstance(error, AuthorError) else None


def _caused(error: BaseException) -> Failure | None:
    """An error that only reports another is what that one is."""
    if isinstance(error, NodeError | WorldError) and error.__cause__ is not None:
        return classify_failure(error.__cause__)
    return None


def _group(error: BaseException) -> Failure | None:
    """Several errors are what all of them are; if they differ nothing can be done about all."""
    if not isinstance(error, BaseExceptionGroup):
        return None
    first, *others = map(classify_failure, error.exceptions)
    return first if all(each == first for each in others) else "fatal"


_DEFAULTS: Final[tuple[Rule, ...]] = (
    *(_timeout, _cancelled, _malformed, _transient, _author, _caused, _group),
)
_registered: tuple[Rule, ...] = ()


def classify_failure(error: BaseException) -> Failure:
    """What may be done about an error. Raises what a registered rule raises.

    >>> from rxstream.failures import classify_failure
    >>> classify_failure(ConnectionResetError()), classify_failure(KeyError("x"))
    ('transient', 'fatal')
    """
    for rule in (_said, *_registered, *_DEFAULTS):
        found = rule(error)
        if found is not None:
            if found in FAILURES:
                return found
            raise AuthorError(f"a rule called {type(error).__name__} {found!r}: {_choice()}")
    return "fatal"


def retry_after(error: BaseException) -> float | None:
    """In how many seconds another attempt may go well, if the error has a number of that name."""
    seconds = getattr(error, "retry_after", None)
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    return float(seconds)


def register(rule: Rule) -> Callable[[], None]:
    """Ask a rule before all that are there; returns what takes it back. Holds for the whole process.

    >>> from rxstream import failures
    >>> def busy(error):
    ...     return "transient" if "busy" in str(error) else None
    >>> forget = failures.register(busy)
    >>> failures.classify_failure(RuntimeError("busy"))
    'transient'
    >>> forget()
    >>> failures.classify_failure(RuntimeError("busy"))
    'fatal'
    """
    global _registered

    def asked(error: BaseException) -> Failure | None:  # its own, so that it is found again
        return rule(error)

    def unregister() -> None:
        global _registered
        _registered = tuple(each for each in _registered if each is not asked)

    _registered = (asked, *_registered)
    return unregister


def checked(
    operator: str, name: str, failures: Failure | Collection[Failure] | None
) -> frozenset[Failure] | None:
    """The failures an operator was given, None for any. Raises `GraphError`."""
    if failures is None:
        return None
    given = (failures,) if isinstance(failures, str) else failures
    if not given or any(each not in FAILURES for each in given):
        raise GraphError(f"{name} of {operator} cannot be {failures!r}: {_choice()}")
    return frozenset(each for each in FAILURES if each in given)


def _choice() -> str:
    return f"choose among {', '.join(FAILURES)}"


# -- how an error is shown to whoever wrote the graph ------------------------------------------


def user_traceback(error: BaseException) -> TracebackType | None:
    """The error's traceback without frames of this library and of reactivex; all of it if nothing is left.

    What called the library is left out too: it was added when the error was raised to it before.
    """
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    ours = [_ours(each.tb_frame.f_code.co_filename) for each in frames]
    raised_before = bool(ours) and not ours[0] and True in ours
    kept = frames[ours.index(True) :] if raised_before else frames
    found: TracebackType | None = None
    for each in reversed(kept):
        if not _ours(each.tb_frame.f_code.co_filename):
            found = TracebackType(found, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return found if found is not None or raised_before else error.__traceback__


def located(error: E, operator: str | None = None) -> E:
    """The error as it is raised to the user: says which node it is from, without our frames. Changes it.

    The frames of what caused it go too. Doing it again adds nothing.
    """
    node, where = getattr(error, "node", None), getattr(error, "where", None)
    if node is not None:
        made = " at ".join(filter(None, (operator, where)))
        note = f"in node {node!r} ({made})" if made else f"in node {node!r}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
    each: BaseException | None = error
    seen: set[int] = set()
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        each.__traceback__ = user_traceback(each)
        each = each.__cause__
    return error


def _ours(filename: str) -> bool:
    if filename == "<fused operators>":
        return True
    return filename.startswith(_INTERNAL) and _EXAMPLES not in filename
