"""Operators between bytes on a wire and objects: JSON lines, server-sent events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from reactivex import Observable

from rxstream.operators._decoding import EncodeJsonLine, JsonLines
from rxstream.operators._draining import Expanding
from rxstream.operators._lines import MAX_LENGTH
from rxstream.operators._refusing import no_twin, positive
from rxstream.operators._skipping import checked
from rxstream.operators._spec import native, waiting
from rxstream.operators.sse import EventStreamDecoder, ServerSentEvent
from rxstream.stream import Stream

__all__ = ["decode_ndjson", "decode_sse", "encode_ndjson"]


def decode_ndjson(
    on_malformed: Literal["skip", "fail"] | Callable[[Any, Exception], object] = "skip",
    max_length: int = MAX_LENGTH,
) -> Callable[[Observable[str | bytes]], Stream[Any]]:
    r"""The JSON value of each line of chunks of text or bytes, wherever the chunks were cut.

        --{"a"--:1}\n[2--]\nx\n3--|
        [    decode_ndjson()      ]
        --------{"a":1}--[2]------3|

    Only `\n` ends a line, since JSON may hold a `\r`. Blank lines are no values, and a last line without an
    end is one. A line that is not JSON, or has more than `max_length` characters (bytes) without its end,
    is skipped: it counts among the node's `errors` in `execution.statistics()` and a warning is logged, at
    most one in ten seconds. With `fail` it is a `WorldError` that names the line. A function is called with
    the line (None if it was too long) and that error instead of the warning; what it raises fails the node.
    Integers keep their size; NaN and infinities are not JSON.
    """
    positive("max_length", max_length)
    policy = checked("on_malformed", on_malformed)
    return waiting(
        "decode_ndjson",
        lambda: Expanding(JsonLines(policy, max_length)),
        rx=no_twin("decode_ndjson"),
        arguments={"on_malformed": on_malformed, "max_length": max_length},
        resumable=True,
    )


def encode_ndjson() -> Callable[[Observable[Any]], Stream[bytes]]:
    r"""Each element as one line of JSON in UTF-8, with its `\n`; what `decode_ndjson` reads.

        --{a: 1}-----[2]---|
        [ encode_ndjson()  ]
        --{"a":1}\n--[2]\n-|

    Elements have the form they have in events: dataclasses, models, dates and so on too. One without a JSON
    form, or with a `Binary` in it, fails with a `CodecError`.
    """
    return native("encode_ndjson", EncodeJsonLine, rx=no_twin("encode_ndjson"))


def decode_sse(
    max_length: int = MAX_LENGTH,
) -> Callable[[Observable[str | bytes]], Stream[ServerSentEvent]]:
    r"""The server-sent events of chunks of text or bytes, wherever the chunks were cut.

        --data: a--\n\nid: 7\ndata: b\n\nda--ta: c--|
        [             decode_sse()                  ]
        -----------a-------------------b(7)---------|

    As the WHATWG HTML standard has it: LF, CR and CRLF end a line, comments and unknown fields are ignored,
    lines of `data` are joined, `id` stays until the server gives another, bytes that are not UTF-8 become
    U+FFFD. An event whose blank line is missing at the end is not whole and does not come. A line, or the
    data of an event, of more than `max_length` characters (bytes) fails with a `WorldError`, after the
    events before it.
    """
    positive("max_length", max_length)
    return waiting(
        "decode_sse",
        lambda: Expanding(EventStreamDecoder(max_length)),
        rx=no_twin("decode_sse"),
        arguments={"max_length": max_length},
        resumable=True,
    )
