"""What a model can do wrong, in the error tree of the project, and how a provider says it.

Providers name the same fault differently: by status, by a type or code in the body, or in words only. Here
each becomes one `code` and a hint what to do:

    no_server        nobody listens there            model_silent     said nothing for too long
    unknown_model    the server has no such model    answer_cut       ended without its ending
    bad_key          no key, or one that is refused  rate_limited     asked too often; see `retry_after`
    no_credit        nothing is paid for             overloaded       the provider has too much to do
    context_too_long more than the model can read    content_filter   refused for what the question says
    model_failed     the server's own fault          model_refused    anything else it does not like

Must not know how bytes travel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from rxstream.errors import WorldError

MAX_WAIT_S: Final = 3_600.0
"""A longer wait is cut to this: nobody waits an hour for a model."""


class ModelError(WorldError):
    """A model or the way to it failed; `retryable` says whether asking again may help.

    `retry_after` is the wait in seconds that the provider asked for, if it did.
    """

    code = "model_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable
        self.retry_after = retry_after
        if self.code in ("context_too_long", "content_filter"):
            self.failure = "malformed"  # this question, not the model
        else:
            self.failure = "transient" if retryable else "fatal"


_NO_CREDIT = re.compile(r"insufficient_quota|credit balance|billing_error|payment required")
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|context size|context (length|window)"
    r"|(prompt|input|request) is too (long|large)|too many (input )?tokens|request_too_large"
    r"|input token count|maximum (number of )?tokens"
)
_FILTER = re.compile(r"content_filter|content_policy|prohibited_content|\bsafety\b|blockreason")
_OVERLOADED = re.compile(r"overloaded|unavailable|loading model|server_busy|at capacity")
_RATE = re.compile(r"rate_limit|rate limit|resource_exhausted|too many requests")
_KEY = re.compile(r"authentication_error|invalid_api_key|permission_(error|denied)|unauthenticated")
_MODEL = re.compile(
    r"model_not_found|models?\b.{0,80}(not found|does not exist|unknown)|not_found_error"
)
_KEY_WORDS = re.compile(r"api[ _-]?key (is )?(not valid|missing|invalid)|api_key_invalid")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0}

_HINTS: Final = {
    "no_credit": "see to the account's credit",
    "unknown_model": "look at the model's name, and at base_url",
    "context_too_long": "shorten the messages",
    "overloaded": "try again later, or ask another model",
    "rate_limited": "ask less often",
}


def refusal(
    status: int | None,
    said: Any,
    headers: Mapping[str, str] | None = None,
    hints: Mapping[str, str] | None = None,
) -> ModelError:
    """The error that an answer of a status other than 200 is, or an error within an answer (no status).

    `said` is its JSON, or its text; `hints` say by code what to do where the provider is known.
    """
    code = _code(status, said)
    wait = _wait(said, headers or {}) if code in ("rate_limited", "overloaded") else None
    hint = {**_HINTS, **(hints or {})}.get(code, "")
    if wait is not None and code == "rate_limited":
        hint = f"{hint}; it wants {wait:g} s of rest"
    what = f"the model's server answered {status}" if status else "the model's server failed"
    return ModelError(
        f"{what}: {error_text(said)}" + (f" ({hint})" if hint else ""),
        code=code,
        retryable=code in ("rate_limited", "overloaded", "model_failed"),
        retry_after=wait,
    )


def _code(status: int | None, said: Any) -> str:
    words = _words(said)
    for code, pattern in (
        ("no_credit", _NO_CREDIT),
        ("rate_limited", _RATE),
        ("context_too_long", _TOO_LONG),
        ("content_filter", _FILTER),
    ):
        if pattern.search(words) and status in (None, 400, 402, 403, 413, 422, 429, 500):
            return code
    if status in (401, 403) or _KEY.search(words) or _KEY_WORDS.search(words):
        return "bad_key"
    if status == 404 or (status in (None, 400) and _MODEL.search(words)):
        return "unknown_model"
    if status == 402:
        return "no_credit"
    if status == 413:
        return "context_too_long"
    if status == 429:
        return "rate_limited"
    if status in (503, 529) or (status is None and _OVERLOADED.search(words)):
        return "overloaded"
    if status is None or status in (408, 409) or status >= 500:
        return "model_failed"
    return "model_refused"


def error_text(said: Any) -> str:
    """The message in a provider's error answer, whatever its form, at most 300 characters."""
    error = _error(said)
    if isinstance(error, dict):
        error = error.get("message") or error.get("type") or error
    return " ".join(str(error).split())[:300]


def _error(said: Any) -> Any:
    """The error in what was said; Gemini puts it into a list where it was not asked for events."""
    if isinstance(said, list) and said:
        said = said[0]
    return said.get("error", said) if isinstance(said, dict) else said


def _words(said: Any) -> str:
    """What an error says of itself, to be searched: type, code, status and message."""
    error = _error(said)
    if not isinstance(error, dict):
        return str(error)[:2_000].lower()
    named = [error.get(key) for key in ("type", "code", "status", "reason", "message")]
    named += [
        detail.get("reason") for detail in _details(error) if isinstance(detail.get("reason"), str)
    ]
    return " ".join(str(each) for each in named if each)[:2_000].lower()


def _details(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = error.get("details")
    return [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []


def _wait(said: Any, headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider wants to be left alone: by header, or by Gemini's RetryInfo."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if (text := headers.get(name)) is not None and (wait := _seconds(text, unit)) is not None:
            return wait
    error = _error(said)
    for detail in _details(error) if isinstance(error, dict) else ():
        if isinstance(delay := detail.get("retryDelay"), str):
            return _seconds(delay, 1.0)
    resets = [
        wait
        for name in ("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
        if (text := headers.get(name)) and (wait := _seconds(text, 1.0)) is not None
    ]
    return max(resets, default=None)


def _seconds(text: str, unit: float) -> float | None:
    try:
        wait = float(text) * unit
    except ValueError:
        if parts := _DURATION.findall(text):
            wait = sum(float(number) * _UNITS[each] for number, each in parts)
        else:
            try:
                at = parsedate_to_datetime(text)
            except ValueError:
                return None
            wait = (at - datetime.now(UTC)).total_seconds()
    if wait != wait:
        return None
    return round(min(max(wait, 0.0), MAX_WAIT_S), 3)
