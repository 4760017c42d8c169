"""The multiplexed protocol and the frames, without a socket."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from aiohttp import WSMsgType
from hypothesis import given, settings
from hypothesis import strategies as st

from rxstream.adapters.web import frames, protocol
from rxstream.events import StreamEvent, draft, gap, seal


def event(data: bytes = b"1", step: str | None = "node") -> StreamEvent:
    return seal(draft("step_output", step, data), "e", "abc", 7)


def said(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, **fields})


def test_an_event_is_one_sse_message() -> None:
    made = event(b'{"id":"x"}')
    assert b"".join(frames.sse(made)) == b"id: abc:7\nevent: step_output\ndata: %b\n\n" % made.json


def test_a_head_is_made_once_for_an_event() -> None:
    made = event()
    assert frames.sse(made)[0] is frames.sse(made)[0]
    assert frames.websocket(made)[0] is frames.websocket(made)[0]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_a_frame_of_any_size_is_what_a_websocket_reader_expects(size: int) -> None:
    made = frames.frame(b"x" * size)
    assert made[0] == 0x80 | WSMsgType.TEXT
    short = made[1]
    start = {126: 4, 127: 10}.get(short, 2)
    length = short if start == 2 else int.from_bytes(made[2:start], "big")
    assert length == size == len(made) - start


@given(st.lists(st.integers(1, 300), max_size=30), st.integers(1, 1_000))
@settings(deadline=None, max_examples=50)
def test_joined_frames_are_the_frames_in_order_within_the_limit(
    sizes: list[int], limit: int
) -> None:
    events = [event(b'"%b"' % (b"x" * size)) for size in sizes]
    writes = list(frames.joined(events, frames.sse, limit))
    assert b"".join(writes) == b"".join(b"".join(frames.sse(made)) for made in events)
    assert all(len(write) <= limit or write.count(b"\n\n") == 1 for write in writes)


@pytest.mark.parametrize("step", [None, "node", 'a"b', "é", 'x","data":'])
def test_step_and_cursor_are_read_without_parsing(step: str | None) -> None:
    made = event(b'{"cursor":"no","step_id":"no"}', step)
    assert frames.cursor(made) == b"abc:7"
    assert json.loads(frames.step_id(made)) == step
    assert made._fields is None


def test_a_gap_has_a_cursor_and_passes_every_filter() -> None:
    told = gap("e", "abc", "9", 3, None)
    assert frames.cursor(told) == b"abc:2"
    assert protocol.Filter(frozenset({"step_output"}), frozenset({b'"x"'})).passes(told)


def test_an_update_holds_the_bytes_of_the_event() -> None:
    made = event()
    head, *pieces = frames.update('s"1')(made)
    payload = b"".join(pieces)
    assert head == frames.frame_head(len(payload))
    assert made.json in payload
    assert json.loads(payload) == {
        "type": "stream_update",
        "stream_id": 's"1',
        "data": made.to_dict(),
    }


def test_one_id_stands_for_stream_and_execution() -> None:
    assert protocol.parse(said("subscribe", stream_id="a")) == protocol.Subscribe("a", "a")
    assert protocol.parse(said("subscribe", execution_id="e")) == protocol.Subscribe("e", "e")
    both = protocol.parse(said("subscribe", stream_id="a", execution_id="e", after=3))
    assert both == protocol.Subscribe("a", "e", 3)


@pytest.mark.parametrize(
    "message",
    [
        said("subscribe"),
        said("subscribe", stream_id=""),
        said("subscribe", stream_id="x" * 201),
        said("subscribe", stream_id=1),
        said("subscribe", stream_id="a", after=True),
        said("subscribe", stream_id="a", after=[]),
        said("subscribe", stream_id="a", filter=[]),
        said("subscribe", stream_id="a", filter={"step": ["x"]}),
        said("subscribe", stream_id="a", filter={"step_ids": "x"}),
        said("subscribe", stream_id="a", filter={"step_ids": [1]}),
        said("subscribe", stream_id="a", filter={"step_ids": ["x"] * 257}),
        said("unsubscribe"),
        said("start", graph="g", subscribe="no"),
        said("cancel"),
        said("answer", stream_id="a", request_id=1, value=1),
        said("answer", stream_id="a", request_id="r"),
        said("answer", stream_id="a", request_id="r", to="b", value=1),
        said("ping", extra=1),
        '{"type":[]}',
        '{"type":null}',
    ],
)
def test_a_message_that_is_not_as_it_must_be_is_refused(message: str) -> None:
    with pytest.raises(protocol.Refused) as refused:
        protocol.parse(message)
    assert refused.value.error.code == "bad_request"


@given(
    st.text()
    | st.dictionaries(
        st.sampled_from(["type", "stream_id", "after", "filter", "graph", "value"]) | st.text(),
        st.sampled_from(["subscribe", "start", "cancel", "answer"])
        | st.none()
        | st.integers()
        | st.text()
        | st.lists(st.text())
        | st.dictionaries(st.text(), st.text()),
    ).map(json.dumps)
)
@settings(deadline=None, max_examples=200)
def test_any_message_is_a_command_or_refused(message: str) -> None:
    with suppress(protocol.Refused):
        protocol.parse(message)
