"""How an error becomes an answer: its status, its code, one line, and never a stack.

The status follows from the branch of the error tree. Errors nobody foresaw are logged whole and
answered as `internal_error` without a word of what they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson
import structlog
from aiohttp import web

from rxstream import errors

COME_BACK_S: Final = 2
"""When clients of a server that restarts should come back, in seconds."""

_log = structlog.get_logger("rxstream.web")


class NotFound(errors.ClientError):
    """Nothing is at that address."""

    code = "not_found"


class Forbidden(errors.ClientError):
    """The request comes from a page or under a name that may not make it."""

    code = "forbidden"


class RequestTimeout(errors.ClientError):
    """The body did not arrive in time."""

    code = "request_timeout"


_STATUS: Final[tuple[tuple[type[errors.RxStreamError], int], ...]] = (
    (errors.InvalidParameters, 422),
    (errors.UnknownGraph, 404),
    (errors.UnknownExecution, 404),
    (errors.UnknownRequest, 404),
    (NotFound, 404),
    (Forbidden, 403),
    (RequestTimeout, 408),
    (errors.AlreadyEnded, 409),
    (errors.TooLarge, 413),
    (errors.Overloaded, 429),
    (errors.Draining, 503),
    (errors.ClientError, 400),
    (errors.WorldError, 503),
)

_HTTP_CODES: Final = {
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "too_large",
    417: "expectation_failed",
}


def status_of(error: errors.RxStreamError) -> int:
    """The HTTP status of an error; whatever the server's side got wrong is 500."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def describe(error: Exception) -> dict[str, Any]:
    """What is said of an error: `{code, message, detail?}`; the unforeseen is logged here."""
    if not isinstance(error, errors.RxStreamError):
        _log.error("request failed", exc_info=error)
        return {
            "code": "internal_error",
            "message": "the server failed to answer; its log says why",
        }
    told = {"code": error.code, "message": _clean(error.message)}
    if error.detail is None:
        return told
    by_parameter = isinstance(error, errors.InvalidParameters)
    return {**told, "detail": _one_each(error.detail) if by_parameter else error.detail}


def body_of(told: dict[str, Any]) -> bytes:
    """The JSON of an answer that says an error."""
    return orjson.dumps({"error": told}, default=str)


def answer(error: Exception) -> web.Response:
    """The answer to a request that ended in an error."""
    if isinstance(error, web.HTTPException):
        return _http_answer(error)
    told = describe(error)
    status = status_of(error) if isinstance(error, errors.RxStreamError) else 500
    response = web.Response(status=status, body=body_of(told), content_type="application/json")
    if isinstance(error, errors.Overloaded):
        response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    elif status == 503:
        response.headers["Retry-After"] = str(COME_BACK_S)
    return response


def _http_answer(error: web.HTTPException) -> web.Response:
    """An answer to what aiohttp itself refused, such as a path or a method nobody serves."""
    code = _HTTP_CODES.get(error.status, "bad_request" if error.status < 500 else "internal_error")
    response = web.Response(
        status=error.status,
        body=body_of({"code": code, "message": (error.reason or code).lower()}),
        content_type="application/json",
    )
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _one_each(detail: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry a parameter: a union or a nested value may have failed in several ways at once."""
    entries: dict[Any, dict[str, Any]] = {}
    for entry in detail:
        present = entries.setdefault(entry.get("name"), dict(entry))
        message = str(entry.get("message"))
        if message not in str(present.get("message")):
            present["message"] = f"{present.get('message')}; {message}"
    return list(entries.values())


def _clean(message: str) -> str:
    """A message JSON can hold: header bytes that are no UTF-8 arrive as lone surrogates."""
    return message.encode("utf-8", "replace").decode()
