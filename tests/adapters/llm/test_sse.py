"""Server-sent events come out the same, however the bytes were cut."""

from __future__ import annotations

import pytest

from rxstream.adapters.llm.sse import MAX_LINE_BYTES, ServerEvent, SSEDecoder

STREAM = (
    b"\xef\xbb\xbfdata: first\r\n\r\n: a comment\n\nevent: named\rid: 7\rdata: two\rdata:  lines\r\r"
    b"data: \xe6\xb0\xb4\xf0\x9f\x8c\x8a\n\nretry: 10\n\ndata\n\ndata: unfinished"
)
EVENTS = [
    ServerEvent("message", "first"),
    ServerEvent("named", "two\n lines", "7"),
    ServerEvent("message", "水🌊", "7"),
    ServerEvent("message", "", "7"),
]


def decode(*chunks: bytes) -> tuple[list[ServerEvent], int]:
    decoder = SSEDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)], decoder.malformed


def test_whole_stream_gives_its_whole_events() -> None:
    assert decode(STREAM) == (EVENTS, 0)


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_any_cut_in_two_gives_the_same_events(at: int) -> None:
    assert decode(STREAM[:at], STREAM[at:]) == (EVENTS, 0)


def test_single_bytes_give_the_same_events() -> None:
    assert decode(*(STREAM[i : i + 1] for i in range(len(STREAM)))) == (EVENTS, 0)


def test_a_line_that_is_no_field_or_no_utf8_is_skipped_and_counted() -> None:
    events, malformed = decode(b"data: a\nnonsense\ndata: \xff\xfe\ndata: b\n\n")
    assert (events, malformed) == ([ServerEvent("message", "a\nb")], 2)


@pytest.mark.parametrize("piece", [b"x" * 65_536, b"data: " + b"x" * 65_530 + b"\n"])
def test_an_endless_line_or_event_is_refused(piece: bytes) -> None:
    pieces = [piece] * (MAX_LINE_BYTES // len(piece) + 2)
    with pytest.raises(ValueError, match=str(MAX_LINE_BYTES)):
        decode(*pieces)
