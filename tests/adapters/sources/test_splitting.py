from __future__ import annotations

import codecs
import random

import pytest

from rxstream.adapters.sources.splitting import LineSplitter, checked_encoding
from rxstream.errors import AuthorError, WorldError

TEXT = "ascii\r\nschön\n\n漢字 🎈\r\nlone\rcarriage\u2028return\n\r\nlast"
LINES = ["ascii", "schön", "", "漢字 🎈", "lone\rcarriage\u2028return", "", "last"]


def split(chunks: list[bytes], count: int = 100, **settings: object) -> list[str]:
    splitter = LineSplitter("here", **settings)  # type: ignore[arg-type]  # tests pass few of them
    found: list[str] = []
    for chunk in chunks:
        splitter.feed(chunk)
        while splitter.ready:
            found += splitter.take(count)
    splitter.end()
    return found + splitter.take(count)


def test_lines_are_the_same_wherever_one_cut_is_made() -> None:
    data = TEXT.encode()
    for cut in range(len(data) + 1):
        assert split([data[:cut], data[cut:]]) == LINES


def test_lines_are_the_same_in_single_bytes_and_in_random_chunks() -> None:
    data = TEXT.encode()
    assert split([bytes([byte]) for byte in data]) == LINES
    for seed in range(200):
        cuts = sorted(random.Random(seed).choices(range(len(data)), k=5))
        chunks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        assert split(chunks, count=1 + seed % 3) == LINES


def test_kept_ends_give_back_the_text_as_it_was() -> None:
    for text in (TEXT, TEXT + "\n", "\n", "\r\n", "a\r"):
        for cut in range(len(text.encode())):
            data = text.encode()
            assert "".join(split([data[:cut], data[cut:]], keep_ends=True)) == text


def test_the_offset_after_each_line_is_where_the_next_begins() -> None:
    data = TEXT.encode()
    splitter = LineSplitter("here")
    splitter.feed(data)
    seen: list[str] = []
    while splitter.ready:
        seen += splitter.take(1)
        assert seen + split([data[splitter.offset :]], offset=splitter.offset) == LINES


def test_an_empty_input_has_no_line_and_a_line_feed_has_one() -> None:
    assert split([]) == []
    assert split([b""]) == []
    assert split([b"\n"]) == [""]
    assert split([b"a\n"]) == ["a"]
    assert split([b"a\r"]) == ["a\r"]


def test_a_byte_order_mark_is_dropped_at_the_beginning_only() -> None:
    data = codecs.BOM_UTF8 + b"a\n" + codecs.BOM_UTF8 + b"b\n"
    for cut in range(len(data)):
        assert split([data[:cut], data[cut:]]) == ["a", "\ufeffb"]
    assert split([data], encoding="utf-8-sig") == ["a", "\ufeffb"]


def test_a_line_over_the_limit_is_refused_with_its_place() -> None:
    for chunks in (
        [b"ok\n" + b"x" * 11 + b"\n"],
        [b"ok\n", b"x" * 6, b"x" * 5],
        [b"ok\nxxxxxxxxxxx"],
    ):
        with pytest.raises(WorldError, match=r"a line of here at byte 3 is longer than 10 bytes"):
            split(chunks, limit=10)
    assert split([b"ok\n", b"x" * 10, b"\n"], limit=10) == ["ok", "x" * 10]


def test_what_is_not_in_the_encoding_is_named_with_its_byte() -> None:
    with pytest.raises(WorldError, match=r"here at byte 5 is not utf-8"):
        split([b"ok\nab\xffcd\nok\n"])
    assert split([b"ok\nab\xffcd\nok\n"], errors="replace") == ["ok", "ab\ufffdcd", "ok"]


@pytest.mark.parametrize("encoding", ["latin-1", "shift_jis", "gb18030", "big5", "euc_jp"])
def test_a_broken_character_never_takes_a_line_feed_with_it(encoding: str) -> None:
    data = b"a\x81\nb\xe3\n\xffc\n"
    assert len(split([data], encoding=encoding, errors="replace")) == 3
    text = "漢字" if encoding != "latin-1" else "é"
    assert split([f"{text}\n{text}".encode(encoding)], encoding=encoding) == [text, text]


def test_a_codec_that_has_its_own_way_with_line_feeds_changes_no_line() -> None:
    assert split([rb"a\nb" + b"\nc\n"], encoding="unicode_escape") == ["a\nb", "c"]
    with pytest.raises(WorldError, match="here at byte 1 is not hz"):
        split([b"a~\nb\n"], encoding="hz")


def test_an_encoding_whose_line_feed_is_not_one_byte_is_refused() -> None:
    for encoding in ("utf-16", "utf-32-le", "cp500"):
        with pytest.raises(AuthorError, match="line feed is not one byte"):
            checked_encoding(encoding, "strict")
    with pytest.raises(AuthorError, match="unknown encoding"):
        checked_encoding("klingon", "strict")
    with pytest.raises(AuthorError, match="unknown error handler"):
        checked_encoding("utf-8", "shrug")


def test_an_encoding_that_begins_with_what_its_bytes_mean_is_refused() -> None:
    with pytest.raises(AuthorError, match="iso2022_kr, which says only at the beginning what"):
        checked_encoding("iso2022_kr", "strict")


def test_a_broken_line_does_not_spoil_the_next_however_many_are_taken_at_once() -> None:
    data = b"\x1b$B\x80-a\n~{\x1b\x80\n-~\n"
    one = split([data], count=1, encoding="iso2022_jp", errors="replace")
    assert one == split([data], encoding="iso2022_jp", errors="replace")
    assert one[1].startswith("~{")
