"""Bytes on a wire become the same objects however they were cut, and what is malformed is said."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

import rxstream
from rxstream.codec import Binary
from rxstream.errors import GraphError, WorldError
from rxstream.operators.sse import ServerSentEvent
from rxstream.stream import source
from tests.operators.bench import Bench, cut, decoded, decoder, pairs, resumed
from tests.operators.parts import Bad, nexts, ops, told

# what a local model's server streams, with a character of four bytes and a number beyond 64 bits
CHAT = (
    '\ufeff{"model":"m","message":{"role":"assistant","content":"Grüße"},"done":false}\r\n'
    '{"message":{"content":" 🎈\\n"},"n":123456789012345678901}\n\n \t\r\n'
    "[1,\r2]\nnull\n-0.5e3"
)
VALUES = [
    {"model": "m", "message": {"role": "assistant", "content": "Grüße"}, "done": False},
    {"message": {"content": " 🎈\n"}, "n": 123456789012345678901},
    [1, 2],
    None,
    -500.0,
]
SPOILT = b'{"a":1}\n{"a":\n[NaN]\n\xff\xfe\n{"a":2}\n"\xc3\xa9"\nnope'


def collected() -> tuple[list[Any], Callable[[Any, Exception], None]]:
    """A list, and a function that puts lines and messages into it."""
    found: list[Any] = []
    return found, lambda line, error: found.append((line, str(error)))


# -- JSON lines --------------------------------------------------------------------------------


def test_json_lines_are_the_same_at_any_pair_of_cuts() -> None:
    assert [json.loads(x) for x in CHAT[1:].split("\n") if x.strip()] == VALUES
    operator = ops.decode_ndjson("fail")
    for chunks in pairs(CHAT.encode()):
        assert decoded(operator, chunks) == VALUES
    for at in range(len(CHAT)):
        assert decoded(operator, cut(CHAT, at), restored=True) == VALUES
        assert decoded(operator, cut(CHAT.encode(), at), restored=True) == VALUES


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('aé\u2028\n"\\'),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("kö", max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(values=st.lists(JSON, max_size=5), cuts=st.lists(st.integers(0, 60)), ascii=st.booleans())
def test_any_json_comes_back_however_it_is_cut(
    values: list[Any], cuts: list[int], ascii: bool
) -> None:
    data = "\n".join(json.dumps(value, ensure_ascii=ascii) for value in values).encode()
    chunks = cut(data, *(min(c, len(data)) for c in cuts))
    assert decoded(ops.decode_ndjson("fail"), chunks, restored=True) == values
    assert told(source(chunks).pipe(ops.decode_ndjson("fail"))) == nexts(*values)
    assert resumed(ops.decode_ndjson("fail"), chunks) == [*values, "|"]


def test_malformed_lines_are_skipped_and_counted_at_any_pair_of_cuts() -> None:
    for chunks in pairs(SPOILT):
        with capture_logs():
            assert decoded(ops.decode_ndjson(), chunks) == [{"a": 1}, {"a": 2}, "é"]


def test_malformed_lines_count_among_the_errors_of_the_node() -> None:
    bench = Bench(ops.decode_ndjson())
    with capture_logs() as logs:
        bench.edge.push(cut(SPOILT, 9, 20))
        bench.edge.finish()
    assert bench.told == [{"a": 1}, {"a": 2}, "é", "|"]
    assert bench.counters.errors == 4
    # one at once, and what came within the next ten seconds at the end
    assert [(log["log_level"], log["count"], log["node"]) for log in logs] == [
        ("warning", 1, "it"),
        ("warning", 4, "it"),
    ]
    assert "line 2 is not JSON" in logs[0]["error"]
    assert "nope" not in str(logs)


async def test_the_count_is_in_the_statistics_of_an_execution() -> None:
    @rxstream.graph
    def values() -> Any:
        return source([SPOILT]).pipe(ops.decode_ndjson()).named("decoded")

    async with rxstream.Engine(graphs=[values]) as engine:
        with capture_logs():
            execution = await engine.start("values")
            await execution.wait()
        node = {n.node: n for n in execution.statistics().nodes}["decoded"]
    assert (node.elements_in, node.elements_out, node.errors, node.state) == (1, 3, 4, "completed")


def test_a_malformed_line_can_fail_the_node() -> None:
    for chunks in pairs(SPOILT[:20]):
        first, (kind, message) = told(source(chunks).pipe(ops.decode_ndjson("fail")))
        assert first == ("next", {"a": 1})
        assert kind == "error"
        assert message.startswith("line 2 is not JSON: ")


@pytest.mark.parametrize("space", ["\u00a0", "\x0c", "\u2028"])
def test_space_that_json_does_not_know_is_no_blank_line(space: str) -> None:
    assert "line 1 is not JSON" in told(source([space]).pipe(ops.decode_ndjson("fail")))[0][1]


def test_a_function_is_told_of_malformed_lines() -> None:
    found, tell = collected()
    with capture_logs() as logs:
        assert told(source([SPOILT]).pipe(ops.decode_ndjson(tell)))[-1] == ("end",)
    assert [line for line, _ in found] == [b'{"a":', b"[NaN]", b"\xff\xfe", b"nope"]
    assert [text.split(":")[0] for _, text in found][1] == "line 3 is not JSON"
    assert logs == []


def test_a_function_that_raises_fails_the_node_after_what_came_before() -> None:
    def refuse(line: Any, error: Exception) -> None:
        raise Bad("enough")

    found = told(source([SPOILT]).pipe(ops.decode_ndjson(refuse)))
    assert found == [("next", {"a": 1}), ("error", "enough")]


def test_a_line_too_long_is_skipped_without_being_held() -> None:
    found, tell = collected()
    operator = ops.decode_ndjson(tell, 8)
    data = b'[1]\n"' + b"x" * 100 + b'"\n"123456"\n"1234567"\n[2]'
    for chunks in [*(cut(data, i) for i in range(len(data))), cut(data, *range(len(data)))]:
        assert decoded(operator, chunks, restored=True) == [[1], "123456", [2]]
        assert [(line, text.split(":")[0]) for line, text in found] == [
            (None, "line 2 is longer than 8 bytes"),
            (None, "line 4 is longer than 8 bytes"),
        ]
        found.clear()


def test_a_line_too_long_that_is_the_last_is_skipped_too() -> None:
    found, tell = collected()
    for restored in (False, True):
        assert decoded(ops.decode_ndjson(tell, 8), ["[1]\n", "12345", "6789"], restored) == [[1]]
    assert [text.split(":")[0] for _, text in found] == ["line 2 is longer than 8 characters"] * 2


def test_nothing_is_held_of_a_line_that_is_skipped() -> None:
    machine = decoder(ops.decode_ndjson(max_length=8))
    for _ in range(1000):
        machine.feed("x" * 1000, deque())
    assert len(str(machine.snapshot())) < 100


def test_a_malformed_line_ends_it_for_the_chunks_that_were_taken_with_it() -> None:
    chunks = ["1\n2\nx\n", "3\n", "4\n"]
    bench = Bench(ops.decode_ndjson("fail"), left=0)
    for chunk in chunks:
        bench.edge.push([chunk])
    bench.allow(9)
    assert bench.told[:2] == [1, 2]
    assert isinstance(bench.told[2], WorldError)
    *found, error = resumed(ops.decode_ndjson("fail"), chunks)
    assert found == [1, 2]
    assert error.code == "malformed_json"


def test_a_line_too_long_fails_before_its_end_where_it_is_to_fail() -> None:
    bench = Bench(ops.decode_ndjson("fail", 8))
    bench.edge.push([b"[1]\n", b'"12345', b"6789"])
    assert bench.told[0] == [1]
    assert isinstance(bench.told[1], WorldError)
    assert bench.told[1].code == "line_too_long"


def test_the_last_line_of_an_input_that_fails_is_no_line() -> None:
    def broken() -> Iterator[str]:
        yield "1\n2"
        raise Bad("gone")

    assert told(source(broken).pipe(ops.decode_ndjson())) == [("next", 1), ("error", "gone")]


def test_a_policy_that_is_none_is_refused() -> None:
    with pytest.raises(GraphError, match="on_malformed is 'fail', 'skip' or a function"):
        ops.decode_ndjson("drop")  # type: ignore[arg-type]  # what is tested


@given(values=st.lists(JSON, max_size=5))
def test_what_is_encoded_is_decoded(values: list[Any]) -> None:
    values = [v for v in values if orjson_knows(v)]
    encoded = source(values).pipe(ops.encode_ndjson())
    assert told(encoded.pipe(ops.decode_ndjson("fail"))) == nexts(*values)


def orjson_knows(value: Any) -> bool:
    try:
        return bool(orjson.loads(orjson.dumps(value)) == value)
    except orjson.JSONEncodeError:
        return False


def test_elements_are_encoded_as_in_events_one_a_line() -> None:
    event = ServerSentEvent("a", "b\nc")
    found = told(source([{"day": date(2024, 2, 29)}, event]).pipe(ops.encode_ndjson()))
    assert found == nexts(
        b'{"day":"2024-02-29"}\n', b'{"event":"a","data":"b\\nc","id":null,"retry":null}\n'
    )


def test_bytes_have_no_place_in_a_line_of_json() -> None:
    found = told(source([1, Binary(b"x")]).pipe(ops.encode_ndjson()))
    assert found[0] == ("next", b"1\n")
    assert "a Binary has no place" in found[1][1]


# -- server-sent events ------------------------------------------------------------------------

EVENTS = (
    b"\xef\xbb\xbf: hello\r\nretry: 3000\r\n\r\ndata: first\r\ndata:  second\r\n\r\n"
    b"event: named\rid: 7\rdata\r\r"
    b"data: \xe6\xb0\xb4\xf0\x9f\x8c\x8a\xff\nid: a\0b\nretry: 1e3\nnonsense: x\n\n"
    b"event: lost\n\nid\ndata:x:y\nDATA: z\n\n: c\ndata: unfinished\n"
)
EXPECTED = [
    ServerSentEvent("message", "first\n second", None, 3000),
    ServerSentEvent("named", "", "7"),
    ServerSentEvent("message", "水🌊\ufffd", "7"),
    ServerSentEvent("message", "x:y", ""),
]


def by_the_standard(text: str) -> list[ServerSentEvent]:
    """The standard's own steps over the whole text, one line after another."""
    data, kind, last_id, retry, found = "", "", None, None, []
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for line in lines[:-1]:
        name, colon, value = line.partition(":")
        if not line:
            if data:
                found.append(ServerSentEvent(kind or "message", data[:-1], last_id, retry))
                retry = None
            data, kind = "", ""
        elif colon and not name:
            continue
        else:
            value = value[1:] if value[:1] == " " else value
            if name == "event":
                kind = value
            elif name == "data":
                data += value + "\n"
            elif name == "id" and "\0" not in value:
                last_id = value
            elif name == "retry" and value and set(value) <= set("0123456789"):
                retry = int(value)
    return found


def test_events_are_the_same_at_any_pair_of_cuts() -> None:
    assert by_the_standard(EVENTS.decode(errors="replace")) == EXPECTED
    for chunks in pairs(EVENTS):
        assert decoded(ops.decode_sse(), chunks) == EXPECTED
    for at in range(len(EVENTS)):
        assert decoded(ops.decode_sse(), cut(EVENTS, at), restored=True) == EXPECTED
        text = EVENTS.decode(errors="replace")
        assert decoded(ops.decode_sse(), cut(text, at), restored=True) == EXPECTED


FIELDS = ["data: a", "data:b", "data", "data:  c", "event: e", "event", "id: 1", "id", "id: \0"]
OTHERS = [
    "retry: 5",
    "retry: +5",
    "retry: ٣",
    "retry",
    ": c",
    ":",
    " data: x",
    "other: y",
    "\ufeffdata: z",
]
LINE = st.sampled_from([*FIELDS, *OTHERS, "", ""])


@given(
    lines=st.lists(st.tuples(LINE, st.sampled_from(["\n", "\r", "\r\n"])), max_size=14),
    cuts=st.lists(st.integers(0, 99)),
)
def test_any_event_stream_is_read_as_the_standard_says(
    lines: list[tuple[str, str]], cuts: list[int]
) -> None:
    text = "".join(line + end for line, end in lines)
    expected = by_the_standard(text)
    for whole in (text, text.encode()):
        chunks = cut(whole, *(min(c, len(whole)) for c in cuts))
        assert decoded(ops.decode_sse(), chunks, restored=True) == expected
        assert told(source(chunks).pipe(ops.decode_sse())) == nexts(*expected)
        assert resumed(ops.decode_sse(), chunks) == [*expected, "|"]


@pytest.mark.parametrize("value", ["٣", "²", "+5", "5.0", "-1", "", "5 "])
def test_a_reconnection_time_is_made_of_ascii_digits(value: str) -> None:
    (event,) = decoded(ops.decode_sse(), [f"retry: {value}\ndata: a\n\n"])
    assert event.retry is None


def test_only_one_byte_order_mark_is_ignored_and_only_at_the_start() -> None:
    assert decoded(ops.decode_sse(), ["\ufeff\ufeffdata: a\n\ndata: b\n\n"]) == [
        ServerSentEvent("message", "b")
    ]
    assert decoded(ops.decode_sse(), ["data: a\n\ufeff\n\n"]) == [ServerSentEvent("message", "a")]


def test_a_reconnection_time_of_a_million_digits_is_no_number() -> None:
    data = "retry: " + "9" * 1_000_000 + "\ndata: a\n\nretry: " + "0" * 5000 + "7\ndata: b\n\n"
    assert [event.retry for event in decoded(ops.decode_sse(), [data])] == [None, 7]


@pytest.mark.parametrize(
    ("data", "code"),
    [("data: " + "x" * 50, "line_too_long"), ("data: xxxxxx\n" * 5, "event_too_large")],
)
def test_what_never_ends_is_refused_after_the_events_before_it(data: str, code: str) -> None:
    text = "data: a\n\n" + data
    for at in range(len(text)):
        bench = Bench(ops.decode_sse(40))
        bench.edge.push(cut(text, at))
        assert bench.told[0] == ServerSentEvent("message", "a")
        assert bench.told[1].code == code


def test_events_waiting_for_a_slow_reader_survive_being_stored_as_plain_data() -> None:
    bench = Bench(ops.decode_sse(), left=1)
    bench.edge.push([EVENTS])
    state = bench.unit.snapshot()
    assert orjson.loads(orjson.dumps(state))[0][0] == ["named", "", "7", None]
    assert resumed(ops.decode_sse(), [EVENTS]) == [*EXPECTED, "|"]
