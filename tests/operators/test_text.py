"""Text as it comes in: the same wherever it was cut, bounded, and shown in time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rxstream
from rxstream.errors import GraphError, WorldError
from rxstream.stream import Stream, source
from tests.operators.bench import Bench, cut, decoded, pairs, plain, resumed
from tests.operators.parts import Bad, at, nexts, ops, told, virtually
from tests.operators.test_timing import timeline

WORDS = "é漢🎈\r\n\ufeffa\u2028ß"
BROKEN = b"ok \xc3\xa9 \xff then \xf0\x9f\x8e and \xed\xa0\x80 \xc3"
MODES = ["strict", "replace", "ignore"]


def decode(chunks: list[bytes], errors: str, restored: bool = False) -> tuple[str, str | None]:
    """The text of chunks, and the error after it."""
    make = ops.decode_utf8(errors).spec.make  # type: ignore[arg-type,attr-defined]  # an Operator
    op = make()
    out: list[str] = []
    try:
        for chunk in chunks:
            op.push([chunk], out)
            if restored:
                state, op = op.snapshot(), make()
                assert plain(state)
                op.restore(state)
        op.finish(out)
    except WorldError as error:
        return "".join(out), str(error)
    assert "" not in out
    return "".join(out), None


def reference(data: bytes, errors: str) -> tuple[str, bool]:
    """What `bytes.decode` gives, and whether it raises after that."""
    try:
        return data.decode("utf-8", errors), False
    except UnicodeDecodeError as error:
        return data[: error.start].decode(), True


@pytest.mark.parametrize("errors", MODES)
@pytest.mark.parametrize("data", [WORDS.encode(), BROKEN, b"", b"\xf0\x9f\x8e"])
def test_bytes_are_decoded_alike_at_any_pair_of_cuts(data: bytes, errors: str) -> None:
    text, fails = reference(data, errors)
    whole = decode([data], errors)
    assert (whole[0], whole[1] is not None) == (text, fails)
    for chunks in pairs(data):
        assert decode(chunks, errors) == whole
        assert decode(chunks, errors, restored=True) == whole


@given(
    data=st.binary(max_size=30), cuts=st.lists(st.integers(0, 30)), errors=st.sampled_from(MODES)
)
def test_any_bytes_are_decoded_as_python_does(data: bytes, cuts: list[int], errors: str) -> None:
    found, error = decode(cut(data, *(min(c, len(data)) for c in cuts)), errors, restored=True)
    assert (found, error is not None) == reference(data, errors)


def test_a_byte_that_is_not_utf8_is_named() -> None:
    assert decode([b"abc\xc3", b"\xa9", b"de\xff"], "strict") == (
        "abcéde",
        "byte 7 is not UTF-8 (invalid start byte): give errors='replace', or see which encoding the "
        "input has",
    )


def test_an_end_within_a_character_is_an_error_after_the_text() -> None:
    *text, (kind, message) = told(source([b"ab\xf0\x9f", b"\x8e"]).pipe(ops.decode_utf8()))
    assert text == [("next", "ab")]
    assert kind == "error"
    assert "byte 2 is not UTF-8 (unexpected end of data)" in message


def test_what_is_not_bytes_is_refused() -> None:
    assert told(source(["text"]).pipe(ops.decode_utf8()))[-1] == (
        "error",
        "decode_utf8 takes bytes, not str",
    )
    with pytest.raises(GraphError, match="strict"):
        ops.decode_utf8("surrogateescape")  # type: ignore[arg-type]  # what is tested


# -- lines -------------------------------------------------------------------------------------

LINES = "one\r\ntwo\rthree\n\r\n\r\rfour\n\n\u2028five\x0b\x85\x1csix\r\nlast"


def lines_of(text: str, keep_ends: bool = False) -> list[str]:
    """Lines by the rule, in one go."""
    found = re.split(r"(\r\n|\r|\n)", text)
    whole = [a + b if keep_ends else a for a, b in zip(found[::2], found[1::2], strict=False)]
    return whole + ([found[-1]] if found[-1] else [])


@pytest.mark.parametrize("keep_ends", [False, True])
@pytest.mark.parametrize("text", [LINES, LINES + "\r", LINES + "\r\n", "\n", "\r", "", "\r\n\n\r"])
def test_lines_are_the_same_at_any_pair_of_cuts(text: str, keep_ends: bool) -> None:
    operator = ops.split_lines(keep_ends=keep_ends)
    expected = lines_of(text, keep_ends)
    for chunks in pairs(text):
        assert decoded(operator, chunks) == expected
    for chunks in [cut(text, *range(1, len(text))), *(cut(text, i) for i in range(len(text)))]:
        assert decoded(operator, chunks, restored=True) == expected
        assert decoded(operator, [c.encode() for c in chunks], restored=True) == [
            line.encode() for line in expected
        ]


def test_lines_of_bytes_are_those_of_bytes_splitlines() -> None:
    data = LINES.encode()
    for chunks in pairs(data):
        assert decoded(ops.split_lines(), chunks) == data.splitlines()


@given(
    text=st.text("ab\r\n\u2028", max_size=20),
    cuts=st.lists(st.integers(0, 20)),
    keep_ends=st.booleans(),
)
def test_any_text_is_split_alike_however_it_is_cut(
    text: str, cuts: list[int], keep_ends: bool
) -> None:
    chunks = cut(text, *(min(c, len(text)) for c in cuts))
    expected = lines_of(text, keep_ends)
    operator = ops.split_lines(keep_ends=keep_ends)
    assert decoded(operator, chunks, restored=True) == expected
    assert told(source(chunks).pipe(operator)) == nexts(*expected)
    assert resumed(operator, chunks) == [*expected, "|"]


@pytest.mark.parametrize("keep_ends", [False, True])
def test_a_line_may_be_as_long_as_allowed_and_no_longer(keep_ends: bool) -> None:
    operator = ops.split_lines(4, keep_ends)
    ends = ["\r\n", "\n"] if keep_ends else ["", ""]
    text = "abcd\r\nefgh\nijklm\nno"
    for chunks in pairs(text):
        *found, (kind, message) = told(source(chunks).pipe(operator))
        assert found == [("next", "abcd" + ends[0]), ("next", "efgh" + ends[1])]
        assert kind == "error"
        assert message.startswith("line 3 is longer than 4 characters: raise max_length")


def test_a_line_that_has_no_end_is_refused_before_it_is_held() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    assert (
        "line 1 is longer than 1048576 bytes" in told(source(endless).pipe(ops.split_lines()))[0][1]
    )
    assert taken < 1048 + 200


def test_a_long_line_in_many_pieces_is_not_copied_for_each() -> None:
    # each copy would be of half a MiB: a quarter of a million of them would never end
    chunks = ["abcd"] * 262_144
    assert [len(line) for line in decoded(ops.split_lines(), chunks)] == [1_048_576]


def test_an_unfinished_line_does_not_come_when_the_input_fails() -> None:
    def broken() -> Iterator[str]:
        yield "a\nb"
        raise Bad("gone")

    assert told(source(broken).pipe(ops.split_lines())) == [("next", "a"), ("error", "gone")]


def test_a_line_that_waits_for_the_rest_of_its_end_comes_when_the_input_fails() -> None:
    def broken() -> Iterator[str]:
        yield "a\r"
        raise Bad("gone")

    found = told(source(broken).pipe(ops.split_lines(keep_ends=True)))
    assert found == [("next", "a\r"), ("error", "gone")]


def test_a_line_is_given_as_soon_as_its_end_is_seen() -> None:
    bench = Bench(ops.split_lines())
    bench.edge.push(["a\r"])
    assert bench.told == ["a"]
    bench.edge.push(["\nb\n"])
    assert bench.told == ["a", "b"]


def test_a_chunk_of_many_lines_goes_out_within_credit_and_holds_back_what_follows() -> None:
    bench = Bench(ops.split_lines(), left=10)
    bench.edge.push(["x\n" * 1000] * 60)
    bench.edge.finish()
    assert bench.told == ["x"] * 10
    assert len(bench.unit.pending) <= 1000
    bench.allow(70_000)
    assert bench.told == ["x"] * 60_000 + ["|"]


def test_chunks_of_many_lines_survive_being_stored_with_those_that_wait() -> None:
    chunks = ["".join(f"{chunk} {line}\n" for line in range(70)) for chunk in range(4)]
    assert resumed(ops.split_lines(), chunks) == [*"".join(chunks).splitlines(), "|"]


def test_lines_before_an_error_go_out_before_it_also_to_a_slow_reader() -> None:
    bench = Bench(ops.split_lines(3), left=1)
    bench.edge.push(["a\nb\nc\nd\nlonger\n", "never seen\n"])
    assert bench.told == ["a"]
    bench.allow(2)
    assert bench.told == ["a", "b", "c"]
    bench.allow(2)
    assert bench.told[:-1] == ["a", "b", "c", "d"]
    assert bench.told[-1].code == "line_too_long"
    assert bench.counters.errors == 1


def test_an_error_survives_being_stored_with_what_is_to_go_before_it() -> None:
    *found, error = resumed(ops.split_lines(3), ["a\nb\n", "c\nlonger", "d\n"])
    assert found == ["a", "b", "c"]
    assert isinstance(error, WorldError)
    assert error.code == "line_too_long"
    *found, error = resumed(ops.split_lines(keep_ends=True), ["a\nb\r"], Bad("gone"))
    assert found == ["a\n", "b\r"]
    assert str(error) == "gone"


def test_chunks_of_another_kind_are_refused() -> None:
    assert (
        told(source([1]).pipe(ops.split_lines()))[0][1] == "split_lines takes str or bytes, not int"
    )
    mixed = told(source(["a\nb", b"c"]).pipe(ops.split_lines()))
    assert mixed[0] == ("next", "a")
    assert "got bytes after str" in mixed[1][1]
    assert told(source([bytearray(b"a\nb")]).pipe(ops.split_lines())) == nexts(b"a", b"b")


def test_a_bound_must_be_one() -> None:
    with pytest.raises(GraphError, match="max_length must be at least 1, not 0"):
        ops.split_lines(0)


# -- pieces ------------------------------------------------------------------------------------


def coalesced(*times: tuple[float, Any], **settings: Any) -> list[tuple[float, Any]]:
    """When each piece came, on a clock that jumps."""

    async def main() -> Any:
        return await timeline(at(*times).pipe(ops.coalesce_text(**settings)))

    found: list[tuple[float, Any]] = virtually(main())
    return found


def test_enough_characters_go_on_at_once() -> None:
    assert coalesced((1, "abcdefghij"), (2, "k" * 25), (9, "")) == [
        (1, "abcdefghij"),
        (2, "k" * 25),
        (9, "|"),
    ]


@pytest.mark.parametrize(
    ("characters", "wait"), [(1, 10.0), (2, 9.5), (6, 7.5), (10, 5.5), (11, 0.0)]
)
def test_the_more_there_is_the_sooner_it_goes_on(characters: int, wait: float) -> None:
    found = coalesced((1, "x" * characters), (99, ""), min_chars=11, max_delay=10)
    assert found == [(1 + wait, "x" * characters), (99, "|")]


def test_the_wait_is_counted_from_the_first_character() -> None:
    settings = {"min_chars": 11, "max_delay": 10}
    # two characters may wait 9.5 s, three 9 s: the third comes when they would have gone on
    assert coalesced((0, "a"), (4, "b"), (8, "c"), (99, ""), **settings)[0] == (9, "abc")
    assert coalesced((0, "a"), (9.25, "bcde"), (99, ""), **settings)[0] == (9.25, "abcde")
    assert coalesced((0, "a"), (11, "b"), (99, ""), **settings)[:2] == [(10, "a"), (21, "b")]


def test_what_waits_goes_on_at_the_end_and_before_an_error() -> None:
    assert coalesced((1, "ab"), (1.05, "c")) == [(1.05, "abc"), (1.05, "|")]
    assert coalesced((1, "ab"), (1.05, Bad("no"))) == [(1.05, "ab"), (1.05, "no")]
    assert coalesced((1, "ab"), (1.05, 7))[0] == (1.05, "ab")
    assert "takes str, not int" in coalesced((1, "ab"), (1.05, 7))[1][1]


def test_one_character_at_a_time_needs_no_clock() -> None:
    assert coalesced((1, "a"), (2, "b"), min_chars=1) == [(1, "a"), (2, "b"), (2, "|")]
    assert coalesced((1, "a"), (2, "b"), max_delay=0) == [(1, "a"), (2, "b"), (2, "|")]


@pytest.mark.parametrize("at_a_time", [1, 64])
def test_text_for_a_slow_reader_is_joined_up_to_the_bound_and_then_held_back(
    at_a_time: int,
) -> None:
    async def main() -> None:
        bench = Bench(ops.coalesce_text(3, 1.0, max_bytes=100), left=1)
        for number in range(0, 64, at_a_time):
            bench.edge.push([f"[{n:04}]" for n in range(number, number + at_a_time)])
            await asyncio.sleep(0.1)
        held = sum(map(len, bench.unit.pending)) + bench.unit._bytes  # type: ignore[attr-defined]
        assert bench.told == ["[0000]"]
        assert 90 <= held <= 106
        assert len(bench.edge) == 63 - held // 6
        bench.edge.finish()
        bench.allow(100)
        await asyncio.sleep(1)
        assert max(map(len, bench.told)) <= 100
        assert "".join(bench.told) == "".join(f"[{n:04}]" for n in range(64)) + "|"

    virtually(main())


@given(
    texts=st.lists(st.text("aé漢🎈", max_size=30), max_size=12),
    gaps=st.lists(st.sampled_from([0, 0.01, 0.04, 0.2]), min_size=12, max_size=12),
    bound=st.integers(4, 12),
    broken=st.booleans(),
)
def test_no_text_is_lost_or_reordered_and_no_piece_is_over_its_bound(
    texts: list[str], gaps: list[float], bound: int, broken: bool
) -> None:
    when, moments = 0.0, []
    for gap, text in zip(gaps, texts, strict=False):
        when += gap
        moments.append((when, text))
    end: list[tuple[float, Any]] = [(when, Bad("no"))] if broken else []
    found = coalesced(*moments, *end, min_chars=5, max_bytes=bound)
    pieces = [piece for _, piece in found[:-1]]
    assert "".join(pieces) == "".join(texts)
    assert all(0 < len(piece.encode()) <= bound for piece in pieces)
    assert found[-1][1] == ("no" if broken else "|")


def test_nothing_waits_longer_than_it_may() -> None:
    times = [0.013 * i for i in range(200)]
    found = coalesced(*((when, f"{i:03}") for i, when in enumerate(times)))
    for when, piece in found[:-1]:
        first = times[int(piece[:3])]
        assert when - first <= 0.1


def test_what_waits_survives_being_stored_with_the_time_it_waited() -> None:
    async def main() -> None:
        operator = ops.coalesce_text(11, 10.0)
        first = Bench(operator)
        first.edge.push(["a"])
        await asyncio.sleep(4)
        state = first.unit.snapshot()
        assert plain(state)
        first.unit.close()
        await asyncio.sleep(100)
        again = Bench(operator, state)
        await asyncio.sleep(5.9)
        assert again.told == []
        await asyncio.sleep(0.2)
        assert again.told == ["a"]
        joined = Bench(operator, state)
        joined.edge.push(["b"])
        joined.edge.finish()
        await asyncio.sleep(1)
        assert joined.told == ["ab", "|"]

    virtually(main())


def test_a_bound_in_which_no_character_fits_is_refused() -> None:
    with pytest.raises(GraphError, match="max_bytes must be at least 4, not 3"):
        ops.coalesce_text(max_bytes=3)
    with pytest.raises(GraphError, match="max_delay"):
        ops.coalesce_text(max_delay=float("nan"))


def test_text_of_streams_in_streams_is_refused_in_words() -> None:
    def windows() -> Stream[Any]:
        opened: Any = rxstream.of(b"a").window_with_count(1)
        made: Stream[Any] = source(opened).pipe(ops.decode_utf8(), ops.merge_all())
        return made

    assert "the elements before decode_utf8 are Observables" in told(windows())[-1][1]
