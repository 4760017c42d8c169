"""An error that was stored is treated as it would have been."""

from __future__ import annotations

import asyncio
import json

import pytest

from rxstream import failures, statecodec
from rxstream.engine.stored_error import restore_error, store_error
from rxstream.errors import (
    CircuitOpen,
    ExecutionCancelled,
    NodeError,
    Overloaded,
    RxStreamError,
    WorldError,
    blame,
    classify,
)
from rxstream.failures import classify_failure, retry_after

MALFORMED = json.JSONDecodeError("no value", "{", 1)


def again(error: BaseException) -> RxStreamError:
    found = restore_error(statecodec.decode(statecodec.encode(store_error(error))))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "error",
    [
        *(ConnectionResetError("gone"), FileNotFoundError("a.txt"), TimeoutError(), KeyError("x")),
        *(MALFORMED, asyncio.CancelledError(), ExecutionCancelled("stopped"), Overloaded("full")),
        *(CircuitOpen("open", 2.5), WorldError("no", code="truncated", node="a", where="b.py:1")),
        ExceptionGroup("all", [TimeoutError(), TimeoutError()]),
    ],
    ids=repr,
)
def test_it_is_of_the_same_kind_and_failure(error: BaseException) -> None:
    found = again(error)
    assert classify(found) == classify(error)
    assert classify_failure(found) == classify_failure(error)
    assert retry_after(found) == retry_after(error)


def test_what_it_was_caused_by_has_told_what_may_be_done() -> None:
    error = blame(NodeError("node"), "reader", "main.py:3")
    error.__cause__ = ConnectionRefusedError()
    found = again(again(error))
    assert (found.node, found.where) == ("reader", "main.py:3")
    assert classify_failure(found) == "transient"


def test_a_registered_rule_is_asked_when_it_is_stored() -> None:
    forget = failures.register(lambda e: "transient" if isinstance(e, KeyError) else None)
    found = again(KeyError("x"))
    forget()
    assert classify_failure(found) == "transient"


def test_a_rule_that_raises_keeps_nothing_from_being_stored() -> None:
    def rule(error: BaseException) -> failures.Failure | None:
        raise LookupError

    forget = failures.register(rule)
    found = again(KeyError("x"))
    forget()
    assert (classify(found)["code"], classify_failure(found)) == ("KeyError", "fatal")


def test_none_is_none() -> None:
    assert restore_error(store_error(None)) is None
