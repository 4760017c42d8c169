"""What providers say when they refuse becomes one code, one line, and how long to wait.

The bodies are as the providers document them, or as their servers were seen to give them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from rxstream.adapters.llm.errors import MAX_WAIT_S, ModelError, refusal
from rxstream.failures import classify_failure


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


SAID: list[tuple[int | None, Any, str]] = [
    (401, error("Incorrect API key provided", code="invalid_api_key"), "bad_key"),
    (400, error("API key not valid. Please pass a valid API key."), "bad_key"),
    (403, error("no access", type="permission_error"), "bad_key"),
    (404, error("The model `x` does not exist", code="model_not_found"), "unknown_model"),
    (404, error("models/x is not found for API version v1beta"), "unknown_model"),
    (404, {"error": 'model "x" not found, try pulling it first'}, "unknown_model"),
    (404, error("model: x", type="not_found_error"), "unknown_model"),
    (429, error("Rate limit reached", type="requests"), "rate_limited"),
    (429, error("Quota exceeded", status="RESOURCE_EXHAUSTED"), "rate_limited"),
    (429, error("You exceeded your current quota", code="insufficient_quota"), "no_credit"),
    (400, error("Your credit balance is too low to access the API"), "no_credit"),
    (402, error("pay"), "no_credit"),
    (400, error("too many", code="context_length_exceeded"), "context_too_long"),
    (400, error("prompt is too long: 210000 tokens > 200000 maximum"), "context_too_long"),
    (400, error("request (9000) exceeds the available context size (4096)"), "context_too_long"),
    (400, error("The input token count (2) exceeds the maximum number"), "context_too_long"),
    (413, error("request_too_large"), "context_too_long"),
    (400, error("The response was filtered", code="content_filter"), "content_filter"),
    (503, error("The model is overloaded", status="UNAVAILABLE"), "overloaded"),
    (503, error("Loading model"), "overloaded"),
    (529, error("Overloaded", type="overloaded_error"), "overloaded"),
    (None, {"type": "error", **error("Overloaded", type="overloaded_error")}, "overloaded"),
    (None, {"error": "an unexpected error was encountered"}, "model_failed"),
    (None, {"type": "error", "code": "server_error", "message": "it broke"}, "model_failed"),
    (500, "<html>Internal Server Error</html>", "model_failed"),
    (400, [error("Invalid value at 'contents'")], "model_refused"),
    (418, error("I am a teapot"), "model_refused"),
]


@pytest.mark.parametrize(("status", "said", "code"), SAID, ids=lambda value: str(value)[:40])
def test_every_way_to_say_it_has_one_code(status: int | None, said: Any, code: str) -> None:
    refused = refusal(status, said)
    assert refused.code == code
    assert refused.retryable == (code in ("rate_limited", "overloaded", "model_failed"))
    assert "\n" not in refused.message
    assert str(status or "failed") in refused.message


@pytest.mark.parametrize(
    ("headers", "said", "seconds"),
    [
        ({"retry-after": "7"}, {}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, {}, 0.25),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0.5s"}, {}, 360.5),
        ({}, error("quota", details=[{"retryDelay": "17s"}]), 17.0),
        ({}, [error("quota", details=[{"retryDelay": "0.5s"}])], 0.5),
        ({"retry-after": "soon"}, {}, None),
        ({"retry-after": "nan"}, {}, None),
        ({"retry-after": "99999999"}, {}, MAX_WAIT_S),
        ({"retry-after": "-3"}, {}, 0.0),
        ({}, error("quota", details="none"), None),
    ],
)
def test_the_wait_is_found_wherever_it_is_said(
    headers: dict[str, str], said: Any, seconds: float | None
) -> None:
    assert refusal(429, said, headers).retry_after == seconds


def test_a_date_is_a_wait_too() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    wait = refusal(503, "busy", {"retry-after": later}).retry_after
    assert wait is not None
    assert 90 < wait <= 100


def test_a_hint_of_the_provider_says_what_to_do() -> None:
    assert "(ollama pull x)" in refusal(404, "?", None, {"unknown_model": "ollama pull x"}).message


@pytest.mark.parametrize(
    ("code", "retryable", "failure"),
    [
        ("overloaded", True, "transient"),
        ("bad_key", False, "fatal"),
        ("context_too_long", False, "malformed"),
    ],
)
def test_whoever_retries_knows_what_may_be_done(code: str, retryable: bool, failure: str) -> None:
    assert classify_failure(ModelError("?", code=code, retryable=retryable)) == failure
