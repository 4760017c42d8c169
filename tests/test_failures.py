"""What may be done about an error, and how it is shown to whoever wrote the graph."""

from __future__ import annotations

import asyncio
import errno
import json
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

import rxstream
from rxstream import failures
from rxstream.errors import (
    AuthorError,
    CircuitOpen,
    CodecError,
    ExecutionCancelled,
    ExecutionTimeout,
    GraphError,
    NodeError,
    Overloaded,
    StallError,
    WorldError,
)
from rxstream.failures import Budget, classify_failure, located, user_traceback
from rxstream.testing import run


def caused(error: Exception, cause: BaseException) -> Exception:
    """The error with a cause."""
    error.__cause__ = cause
    return error


def raised(function: Any) -> BaseException:
    """What a function raises."""
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("it raised nothing")


class Sure(AuthorError):
    """Says itself what may be done about it."""

    failure = "transient"


class Retryable(WorldError):
    """As an error of a model: it says itself whether to try again."""

    retryable = True


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), "timeout"),
        (ExecutionTimeout("late"), "timeout"),
        (asyncio.CancelledError(), "cancelled"),
        (ExecutionCancelled("stopped"), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (ConnectionResetError(), "transient"),
        (OSError(errno.ENETUNREACH, "no way"), "transient"),
        (OSError(errno.ENOSPC, "full"), "fatal"),
        (FileNotFoundError(errno.ENOENT, "gone"), "fatal"),
        (CircuitOpen("open", 1.0), "transient"),
        (Overloaded("later"), "transient"),
        (Retryable("busy"), "transient"),
        (WorldError("cut off", code="truncated"), "transient"),
        (WorldError("503", code="http_status", detail={"status": 503}), "transient"),
        (WorldError("404", code="http_status", detail={"status": 404}), "fatal"),
        (WorldError("what"), "fatal"),
        (WorldError("no JSON", code="malformed_json"), "malformed"),
        (raised(lambda: json.loads("{")), "malformed"),
        (raised(lambda: b"\xff".decode()), "malformed"),
        (raised(lambda: TypeAdapter(int).validate_python("x")), "malformed"),
        (CodecError("no form"), "malformed"),
        (AuthorError("no"), "fatal"),
        (Sure("said"), "transient"),
        (ValueError("no"), "fatal"),
        (caused(NodeError("node"), ConnectionRefusedError()), "transient"),
        (caused(WorldError("read"), TimeoutError()), "timeout"),
        (caused(ValueError("mine"), TimeoutError()), "fatal"),
        (ExceptionGroup("all", [TimeoutError(), TimeoutError()]), "timeout"),
        (ExceptionGroup("some", [TimeoutError(), BrokenPipeError()]), "fatal"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_an_error_is_of_one_kind(error: BaseException, expected: str) -> None:
    assert classify_failure(error) == expected


def test_pydantics_error_is_the_one_that_is_meant() -> None:
    with pytest.raises(ValidationError) as failed:
        TypeAdapter(int).validate_python("x")
    assert classify_failure(failed.value) == "malformed"


def test_rules_are_asked_latest_first_until_they_are_taken_back() -> None:
    error = ValueError("x")
    first = failures.register(lambda e: "transient" if e is error else None)
    second = failures.register(lambda e: "timeout" if e is error else None)
    assert classify_failure(error) == "timeout"
    assert classify_failure(ValueError("y")) == "fatal"
    second()
    second()
    assert classify_failure(error) == "transient"
    first()
    assert classify_failure(error) == "fatal"


def test_the_same_rule_may_be_registered_twice() -> None:
    def rule(error: BaseException) -> failures.Failure | None:
        return "transient"

    once, twice = failures.register(rule), failures.register(rule)
    once()
    assert classify_failure(ValueError()) == "transient"
    twice()
    assert classify_failure(ValueError()) == "fatal"


def test_a_rule_that_says_nonsense_is_refused() -> None:
    forget = failures.register(lambda error: "odd")  # type: ignore[arg-type, return-value]  # what is tested
    try:
        with pytest.raises(AuthorError, match="called ValueError 'odd': choose among transient"):
            classify_failure(ValueError())
    finally:
        forget()


def test_failures_an_operator_was_given_are_checked() -> None:
    assert failures.checked("x", "only", None) is None
    assert failures.checked("x", "only", "timeout") == frozenset(["timeout"])
    assert failures.checked("x", "only", ("fatal", "timeout")) == frozenset(["fatal", "timeout"])
    for wrong in ((), "odd", ("fatal", "odd")):
        with pytest.raises(GraphError, match="only of x cannot be"):
            failures.checked("x", "only", wrong)  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize(("retries", "seconds"), [(0, 1.0), (1, 0.0), (1, float("inf"))])
def test_a_budget_that_is_none_is_refused(retries: int, seconds: float) -> None:
    with pytest.raises(GraphError, match="a budget is"):
        Budget(retries, seconds)


# -- what the user sees ------------------------------------------------------------------------


def inverse(number: int) -> float:
    return 1 / number


@rxstream.graph
def inverses() -> Any:
    """Inverses of numbers, one of which has none."""
    return rxstream.of(2, 0).map(inverse).named("inverse")


def files(error: BaseException | None) -> list[str]:
    """The files of a traceback, outermost first."""
    assert error is not None
    found = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return [name.rpartition("/")[2] for name in found]


def test_the_error_of_an_execution_shows_the_node_and_the_users_code_only() -> None:
    async def main() -> tuple[NodeError, NodeError]:
        async with rxstream.Engine(graphs=[inverses]) as engine:
            execution = await engine.start("inverses")
            found = []
            for _ in range(2):
                with pytest.raises(NodeError) as failed:
                    await execution.result()
                found.append(failed.value)
            return found[0], found[1]

    for error in run(main()):
        assert error.__notes__ == [f"in node 'inverse' (map at {error.where})"]
        assert str(error.where).startswith("tests/test_failures.py:")
        assert files(error.__cause__) == ["test_failures.py"], "our own frames are left out"
        assert isinstance(error.__cause__, ZeroDivisionError)


def test_the_error_of_an_awaited_stream_shows_the_node_and_the_users_code() -> None:
    async def main() -> Any:
        return await rxstream.of(2, 0).map(lambda x: x).map(inverse).named("inverse")

    with pytest.raises(ZeroDivisionError) as failed:
        run(main())
    error = failed.value
    assert error.__notes__ == [f"in node 'inverse' (map at {error.where})"]  # type: ignore[attr-defined]  # `blame` put it there
    assert files(error)[-1] == "test_failures.py"
    assert "island.py" not in files(error)
    assert "fusion.py" not in files(error)


def test_an_error_of_ours_is_raised_with_its_node_however_often() -> None:
    @rxstream.graph
    def stuck() -> Any:
        rows = rxstream.range(500).named("rows")
        return rows.zip(rows.filter(lambda x: x > 400))

    async def main() -> list[int]:
        async with rxstream.Engine() as engine:
            execution = await engine.start(stuck)
            lengths = []
            for _ in range(3):
                with pytest.raises(StallError) as failed:
                    await execution.result()
                lengths.append(len(files(failed.value)))
                assert len(failed.value.__notes__) == 1
            return lengths

    assert len(set(run(main()))) == 1, "a traceback does not grow with each call"


def test_an_error_without_a_node_has_no_note() -> None:
    error = located(raised(lambda: inverse(0)))
    assert not hasattr(error, "__notes__")
    assert files(error) == ["test_failures.py"] * 3


def test_a_node_without_a_place_is_named_alone() -> None:
    error = located(NodeError("no", node="x"))
    assert error.__notes__ == ["in node 'x'"]


def test_a_circle_of_causes_comes_to_an_end() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert located(first) is first


def test_a_traceback_of_our_frames_only_is_left_as_it_is() -> None:
    error = raised(lambda: rxstream.graph(3))  # type: ignore[call-overload]  # what is tested
    while (
        error.__traceback__ is not None
        and "test" in error.__traceback__.tb_frame.f_code.co_filename
    ):
        error.__traceback__ = error.__traceback__.tb_next
    before = error.__traceback__
    assert before is not None
    assert user_traceback(error) is before


def test_a_source_of_the_users_is_shown_at_its_line() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ConnectionResetError("gone")

    async def main() -> Any:
        return await rxstream.source(broken)

    with pytest.raises(ConnectionResetError) as failed:
        run(main())
    assert files(failed.value)[-1] == "test_failures.py"
    assert "sources.py" not in files(failed.value)
