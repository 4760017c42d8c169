"""Events, their bytes and the cursors between them."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxstream.errors import InvalidCursor
from rxstream.events import (
    TERMINAL,
    Cursor,
    EventType,
    Progress,
    StreamEvent,
    draft,
    gap,
    seal,
    timestamp,
    unseal,
)


def event(data: bytes = b'{"x":1}', step: str | None = "n") -> StreamEvent:
    return seal(draft("step_output", step, data, metadata=b'{"attempt":2}'), "e1", "abcd", 7)


def test_an_event_has_the_fields_of_the_contract_in_order() -> None:
    fields = orjson.loads(event().json)
    assert list(fields) == [
        "event_type", "execution_id", "sequence", "cursor", "timestamp", "step_id", "data",
        "metadata",
    ]  # fmt: skip
    assert fields["cursor"] == "abcd:7"
    assert fields["metadata"] == {"attempt": 2}


def test_its_fields_are_read_from_its_bytes() -> None:
    made = event()
    assert made.data == {"x": 1}
    assert made.step_id == "n"
    assert made.cursor == "abcd:7"
    assert made.metadata == {"attempt": 2}
    assert made.to_dict() == orjson.loads(made.json)
    assert abs((datetime.now(UTC) - made.timestamp).total_seconds()) < 60
    assert repr(made) == "<7 step_output n {'x': 1}>"
    assert repr(event(b"1", None)) == "<7 step_output 1>"


def test_looking_at_events_of_the_log_does_not_make_them_larger() -> None:
    shared = [event(b"%d" % i) for i in range(3)]
    assert [e.data for e in shared + shared] == [0, 1, 2, 0, 1, 2]
    assert all(e._fields is None for e in shared)


def test_a_name_is_no_pattern() -> None:
    made = seal(draft("odd%d", "n", b'"50 %d"'), "e%s1", "ab%%cd", 7)
    assert (made.execution_id, made.cursor, made.data) == ("e%s1", "ab%%cd:7", "50 %d")
    assert orjson.loads(made.json)["execution_id"] == "e%s1"
    assert made.event_type == "odd%d"


@given(st.recursive(st.none() | st.text() | st.integers(-9, 9), st.lists), st.text(max_size=9))
def test_what_was_sealed_is_read_back(data: object, step: str) -> None:
    made = event(orjson.dumps(data), step)
    again = unseal(made.json, "e1", 7)
    assert again == made
    assert hash(again) == hash(made)
    assert again.event_type == "step_output"
    parsed = StreamEvent.parse(made.json.decode())
    assert parsed == made
    assert parsed.data == data
    assert parsed.step_id == step
    assert parsed != "something else"


def test_the_time_of_an_event_can_be_given() -> None:
    at = timestamp()
    one, two = (seal(draft("step_start", "n", b"{}", at=at), "e", "ab", i) for i in (1, 2))
    assert one.timestamp == two.timestamp
    assert one.timestamp.tzinfo is not None


def test_terminal_events_are_three() -> None:
    assert {str(kind) for kind in TERMINAL} == {
        "pipeline_complete", "pipeline_error", "pipeline_cancelled",
    }  # fmt: skip
    assert seal(draft(EventType.PIPELINE_ERROR, None, b"{}"), "e", "ab", 1).terminal
    assert not event().terminal


def test_a_gap_says_where_to_go_on() -> None:
    told = gap('e"1', "abcd", "ffff:9", 5, None)
    assert told.sequence is None
    assert told.cursor == "abcd:4"
    assert told.execution_id == told.to_dict()["execution_id"] == 'e"1'
    assert told.data == {"requested": "ffff:9", "first_available": 5, "missed": None}


def test_progress_is_running_until_it_says_otherwise() -> None:
    assert Progress(50.0).status == "running"


# -- cursors ----------------------------------------------------------------------------------


@given(st.none() | st.from_regex(r"[0-9A-Za-z]{1,32}", fullmatch=True), st.integers(0, 10**18 - 1))
def test_a_cursor_is_read_as_it_was_written(epoch: str | None, sequence: int) -> None:
    cursor = Cursor(epoch, sequence)
    assert Cursor.parse(str(cursor)) == cursor
    assert Cursor.parse(cursor) is cursor


def test_nothing_is_the_beginning_and_a_number_is_of_this_epoch() -> None:
    assert Cursor.parse(None) == (None, 0)
    assert Cursor.parse(12) == Cursor.parse("12") == (None, 12)


@pytest.mark.parametrize(
    "text",
    ["", ":", ":5", "ab:", "-1", "1.0", " 1", "1 ", "x", "a b:1", "é:1", "１", "²", "1" * 19, "a" * 33 + ":1",
     "ab:-1", "a:b:1", "a\n:1", True],
)  # fmt: skip
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor, match="is not a cursor"):
        Cursor.parse(text)


@given(st.text(max_size=200))
def test_any_text_is_a_cursor_or_refused_in_one_line(text: str) -> None:
    try:
        said = str(Cursor.parse(text))
    except InvalidCursor as refused:
        said = refused.message
    assert len(said) < 600
    assert "\n" not in said
