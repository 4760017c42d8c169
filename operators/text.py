"""Operators on text as it comes in: bytes to text, text to lines, small pieces to readable ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, AnyStr, Literal

from reactivex import Observable

from rxstream.errors import GraphError
from rxstream.operators._decoding import Utf8
from rxstream.operators._draining import Expanding
from rxstream.operators._lines import MAX_LENGTH, Lines
from rxstream.operators._pacing import CoalesceText
from rxstream.operators._refusing import no_twin, positive
from rxstream.operators._spec import native, waiting
from rxstream.operators._tokens import CoalesceTokens
from rxstream.stream import Stream

__all__ = ["coalesce_text", "coalesce_tokens", "decode_utf8", "split_lines"]

_LONGEST_CHARACTER = 4


def decode_utf8(
    errors: Literal["strict", "replace", "ignore"] = "strict",
) -> Callable[[Observable[bytes]], Stream[str]]:
    """The text of chunks of bytes; a character split between chunks is whole again.

        --68c3--a9--|
        [ decode_utf8() ]
        --h-----é---|

    A chunk that completes no character gives nothing. Bytes that are not UTF-8 fail with a `WorldError`
    that names the byte, after the text before it; so does an input that ends within a character. `replace`
    puts U+FFFD there, `ignore` leaves it out, both as `bytes.decode` does. A byte order mark is text like
    any other.
    """
    if errors not in ("strict", "replace", "ignore"):
        raise GraphError(f"errors is 'strict', 'replace' or 'ignore', not {errors!r}")
    return native(
        "decode_utf8",
        lambda: Utf8(errors),
        rx=no_twin("decode_utf8"),
        arguments={"errors": errors},
    )


def split_lines(
    max_length: int = MAX_LENGTH, keep_ends: bool = False
) -> Callable[[Observable[AnyStr]], Stream[AnyStr]]:
    r"""The lines of chunks of text, or of bytes, wherever the chunks were cut.

        --ab--c\nd--\ne--|
        [ split_lines()  ]
        ------abc---d----e|

    `\n`, `\r\n` and a lone `\r` end a line, nothing else does. A last line without an end comes when the
    input ends well; when it fails, nobody knows whether that line was whole, and it does not come. A line
    of more than `max_length` characters (bytes) without its end fails with a `WorldError`, after the lines
    before it.
    """
    positive("max_length", max_length)
    return waiting(
        "split_lines",
        lambda: Expanding(Lines("split_lines", max_length, keep_ends=keep_ends)),
        rx=no_twin("split_lines"),
        arguments={"max_length": max_length, "keep_ends": keep_ends},
        resumable=True,
    )


def coalesce_text(
    min_chars: int = 10, max_delay: float = 0.1, max_bytes: int = MAX_LENGTH
) -> Callable[[Observable[str]], Stream[str]]:
    """Strings joined into pieces that are worth showing: soon, but not each by itself.

        --ab-cd-ef-gh-ij------kl-------|
        [ coalesce_text(10, 0.1)       ]
        --------------abcdefghij----kl-|

    What waits goes on when it has `min_chars` characters, or when its first character has waited for
    `max_delay` seconds. The more there is, the less it is worth waiting for more: with n of `min_chars`
    characters the wait is `max_delay * (1 - (n - 1) / (2 * (min_chars - 1)))`, all of it for one character,
    about half of it when one is missing, counted from the first.

    While a reader is slow, what comes joins what waits, up to `max_bytes` bytes of UTF-8; then what feeds
    this waits too. A piece is never larger: a larger element is cut between characters. At the end, and
    before an error, what waits goes on at once. Nothing is lost or comes in another order; empty strings
    vanish.
    """
    _check(min_chars, max_delay, max_bytes)
    return waiting(
        "coalesce_text",
        lambda: CoalesceText(min_chars, max_delay, max_bytes),
        rx=no_twin("coalesce_text"),
        arguments={"min_chars": min_chars, "max_delay": max_delay, "max_bytes": max_bytes},
        resumable=True,
    )


def coalesce_tokens(
    min_chars: int = 10, max_delay: float = 0.1, max_bytes: int = MAX_LENGTH
) -> Callable[[Observable[dict[str, Any]]], Stream[dict[str, Any]]]:
    """The tokens of a model's answer joined into elements worth showing: soon, but not each by itself.

        --t(ab)-t(cd)-t(ef)-t(gh)-t(ij)----t(kl)-done---|
        [             coalesce_tokens(10, 0.1)          ]
        --------------------------t(abcdefghij)--t(kl)-done--|

    Text is joined with text of its kind (`token`, `reasoning`) and waits as long as with `coalesce_text`.
    Any other element goes on as it is, behind all text that came before it.

    While a reader is slow, what comes joins what waits, so pieces grow and it catches up; with `max_bytes`
    bytes and a batch of elements, what feeds this waits too. Nothing is lost or comes in another order; an
    element has at most 128 KiB of text, and empty text vanishes.
    """
    _check(min_chars, max_delay, max_bytes)
    return waiting(
        "coalesce_tokens",
        lambda: CoalesceTokens(min_chars, max_delay, max_bytes),
        rx=no_twin("coalesce_tokens"),
        arguments={"min_chars": min_chars, "max_delay": max_delay, "max_bytes": max_bytes},
        resumable=True,
    )


def _check(min_chars: int, max_delay: float, max_bytes: int) -> None:
    positive("min_chars", min_chars)
    positive("max_bytes", max_bytes, _LONGEST_CHARACTER)
    if not 0 <= max_delay < float("inf"):
        raise GraphError(f"max_delay must be a number of seconds, not {max_delay}")
