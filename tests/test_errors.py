"""Whose fault an exception is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import orjson
import pytest

from rxstream import errors
from rxstream.errors import ExecutionTimeout, GraphError, LogLocked, NodeError, blame, classify


@pytest.mark.parametrize(
    ("error", "kind", "code", "message"),
    [
        (GraphError("no such node"), "author", "invalid_graph", "no such node"),
        (NodeError("it raised"), "user", "node_failed", "it raised"),
        (LogLocked("held"), "world", "log_locked", "held"),
        (errors.Overloaded("full"), "client", "overloaded", "full"),
        (ExecutionTimeout("late"), "timeout", "timeout", "late"),
        (errors.AuthorError("x", code="special"), "author", "special", "x"),
        (TimeoutError(), "timeout", "timeout", "timed out"),
        (TimeoutError("after 3 s"), "timeout", "timeout", "after 3 s"),
        (asyncio.CancelledError(), "cancelled", "cancelled", "cancelled"),
        (FileNotFoundError(2, "gone", "x"), "world", "FileNotFoundError", "[Errno 2] gone: 'x'"),
        (ValueError("bad"), "user", "ValueError", "bad"),
        (ValueError(), "user", "ValueError", "ValueError"),
        (ExceptionGroup("two", [ExceptionGroup("one", [OSError("x")])]), "world", "OSError", "x"),
        (ExceptionGroup("g", [OSError(), OSError()]), "user", "ExceptionGroup", "g (2 sub-exceptions)"),
    ],
)  # fmt: skip
def test_an_exception_is_somebody_s_fault(
    error: BaseException, kind: str, code: str, message: str
) -> None:
    assert classify(error) == {"kind": kind, "code": code, "message": message}


def test_a_message_is_bounded_and_can_always_be_encoded() -> None:
    assert len(classify(ValueError("x" * 10_000))["message"]) == 2_000
    orjson.dumps(classify(FileNotFoundError(2, "gone", b"\xff".decode(errors="surrogateescape"))))


def test_an_error_that_cannot_be_shown_has_its_name() -> None:
    class Shy(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert classify(Shy())["message"] == "Shy"


def test_the_first_node_that_is_blamed_keeps_it() -> None:
    error = blame(ValueError("x"), "a", "f.py:1")
    assert blame(error, "b") is error
    assert (error.node, error.where) == ("a", "f.py:1")  # type: ignore[attr-defined]  # set by blame
    own = NodeError("x", node="c")
    blame(own, "d", "f.py:2")
    assert (own.node, own.where) == ("c", None)


def test_an_error_that_cannot_carry_a_node_stays_as_it_is() -> None:
    @dataclass(frozen=True)
    class Frozen(Exception):
        why: str

    error = Frozen("x")
    assert blame(error, "a") is error
    assert not hasattr(error, "node")


def test_every_error_is_drawn_in_the_tree_and_has_a_code() -> None:
    assert errors.__doc__ is not None
    found = [errors.RxStreamError]
    for kind in found:
        found += kind.__subclasses__()
    ours = [kind for kind in found if kind.__module__ == "rxstream.errors"]
    assert [kind.__name__ for kind in ours if kind.__name__ not in errors.__doc__] == []
    assert all(kind("m").code for kind in ours)
    assert classify(errors.BadRequest("m", detail=[1]))["code"] == "bad_request"
