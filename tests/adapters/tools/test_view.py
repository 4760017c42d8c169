"""`view` shows text of any size and encoding in numbered lines, and describes what is no text."""

from __future__ import annotations

import asyncio
import gzip
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from rxstream.adapters.tools import describing
from rxstream.plugins.running import CancellationToken
from tests.adapters.tools.filing import call, lay, progress, sparse, tools, viewed

GERMAN = "Größe und Übermut tun selten gut.\n" * 3
JAPANESE = "日本語のテキストファイルです。文字コードの検出を確かめます。\n" * 5
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю.\n" * 3


async def test_lines_are_numbered_and_told_as_they_come(tmp_path: Path) -> None:
    lay(tmp_path, {"notes.txt": "one\ntwo\r\n\nfour"})
    said = await viewed(tmp_path, "notes.txt")
    assert said.live == "     1  one\n     2  two\n     3  \n     4  four\n"
    assert said.brief == said.live + "[end of file: 4 lines, 14 bytes, utf-8]"
    assert said.result == {
        "path": "notes.txt",
        "type": "text",
        "encoding": "utf-8",
        "size": 14,
        "first": 1,
        "last": 4,
        "next": None,
    }


async def test_a_page_says_how_to_go_on_and_going_on_shows_the_rest(tmp_path: Path) -> None:
    lay(tmp_path, {"numbers": "".join(f"{n}\n" for n in range(1, 1001))})
    seen: list[str] = []
    start: int | None = 1
    while start is not None:
        said = await viewed(tmp_path, "numbers", start=start, lines=300)
        seen += [line.split()[1] for line in said.live.splitlines()]
        start = said.result["next"]
    assert seen == [str(n) for n in range(1, 1001)]


async def test_a_page_is_never_longer_than_was_allowed(tmp_path: Path) -> None:
    lay(tmp_path, {"long": "word " * 20 + "\n" + ("x" * 99 + "\n") * 5_000})
    view = tools(tmp_path, output=10_000)["view"]
    first = await call(view, path="long", lines=5_000)
    assert 9_000 < len(first.live) <= 10_000
    second = await call(view, path="long", lines=5_000, start=first.result["next"])
    assert second.live.startswith(f"{first.result['last'] + 1:>6}  x")


async def test_a_line_of_twenty_megabytes_is_shown_by_its_beginning(tmp_path: Path) -> None:
    lay(tmp_path, {"line": b"head\n" + b"x" * 20_000_000 + b"\ntail\n"})
    said = await viewed(tmp_path, "line")
    assert len(said.live) < 2_200
    assert "[a line of 20,000,000 bytes, from offset=5 on]" in said.live
    assert said.live.endswith("     3  tail\n")
    assert "x" * 1_000 in (await viewed(tmp_path, "line", offset=15_000_000)).live


async def test_the_end_of_a_line_that_is_not_wanted_is_not_waited_for(tmp_path: Path) -> None:
    sparse(tmp_path / "line", b"head\n", 2**40)
    said = await viewed(tmp_path, "line", lines=1, encoding="utf-8")
    assert said.live == "     1  head\n"
    assert said.result["next"] == 2


async def test_a_line_far_down_a_large_file_is_found_by_counting(tmp_path: Path) -> None:
    line = b"something to fill a line with, so that there are many bytes of it\n"
    lay(tmp_path, {"large": line * 100_000 + b"here\n"})
    said = await viewed(tmp_path, "large", start=100_001)
    assert said.live == "100001  here\n"


def test_progress_is_of_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rxstream.adapters.tools.working.TELL_SECONDS", 0.0)
    lay(tmp_path, {"large": b"x\n" * 524_288})
    told = progress(tools(tmp_path)["view"], path="large", start=524_288)
    assert told == [25.0, 50.0, 75.0, 100.0, 100.0]


@pytest.mark.parametrize(
    ("text", "encoding", "recognised"),
    [
        (GERMAN, "utf-8", "utf-8"),
        (GERMAN, "utf-8-sig", "utf-8"),
        (GERMAN, "utf-16", "utf-16-le"),
        (GERMAN, "utf-16-be", "utf-16-be"),
        (GERMAN, "utf-32", "utf-32-le"),
        (GERMAN, "latin-1", "cp1252"),
        ("plain ASCII\n", "ascii", "utf-8"),
        (JAPANESE, "utf-16", "utf-16-le"),
        (JAPANESE, "shift_jis", "cp932"),
        (JAPANESE, "euc_jp", "euc_jp"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (RUSSIAN, "cp1251", "cp1251"),
    ],
)
async def test_text_is_shown_whatever_its_encoding(
    tmp_path: Path, text: str, encoding: str, recognised: str
) -> None:
    lay(tmp_path, {"text": text.encode(encoding)})
    said = await viewed(tmp_path, "text")
    assert said.result["encoding"] == recognised
    assert [line[8:] for line in said.live.splitlines()] == text.splitlines()


async def test_an_encoding_that_is_named_is_believed(tmp_path: Path) -> None:
    lay(tmp_path, {"text": "żółć\n".encode("cp1250"), "marked": "żółć\n".encode("utf-16")})
    assert (await viewed(tmp_path, "text", encoding="cp1250")).live == "     1  żółć\n"
    assert (await viewed(tmp_path, "marked", encoding="UTF-16")).live == "     1  żółć\n"


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "zlib", "undefined", "a\0b"])
async def test_what_is_no_text_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    lay(tmp_path, {"text": "text"})
    error = (await viewed(tmp_path, "text", encoding=encoding)).error
    assert error is not None
    assert error["kind"] == "client"
    assert "there is no text encoding" in error["message"]


async def test_bytes_that_are_no_text_in_a_text_are_escaped(tmp_path: Path) -> None:
    lay(tmp_path, {"text": ("ä" * 20_000).encode() + b"\n broken \xff\xfe byte\n"})
    assert r"broken \xff\xfe byte" in (await viewed(tmp_path, "text")).live


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "shift_jis"])
async def test_pieces_by_offset_make_the_whole_text(tmp_path: Path, encoding: str) -> None:
    text = "".join(f"{n} 日本語\n" for n in range(4_000))
    lay(tmp_path, {"text": text.encode(encoding)})
    view = tools(tmp_path, output=5_000)["view"]
    seen, offset = "", 0
    while offset is not None:
        said = await call(view, path="text", offset=offset, encoding=encoding)
        seen += said.live[:-1]  # ends with a line break of its own
        offset = said.result["next_offset"]
    assert seen == text


async def test_a_negative_offset_shows_the_end(tmp_path: Path) -> None:
    lay(tmp_path, {"log": "".join(f"line {n}\n" for n in range(10_000))})
    said = await viewed(tmp_path, "log", offset=-20)
    assert said.live == "line 9998\nline 9999\n\n"


async def test_an_offset_within_a_character_begins_with_the_next(tmp_path: Path) -> None:
    lay(tmp_path, {"text": "日本"})
    said = await viewed(tmp_path, "text", offset=1)
    assert said.live == "本\n"
    assert said.result["offset"] == 3


async def test_a_start_behind_the_end_says_how_many_lines_there_are(tmp_path: Path) -> None:
    lay(tmp_path, {"text": "a\nb\n"})
    by_line = (await viewed(tmp_path, "text", start=9)).error
    by_byte = (await viewed(tmp_path, "text", offset=9)).error
    assert by_line is not None
    assert by_line["message"] == "text has 2 lines: start=9 is behind its end"
    assert by_byte is not None
    assert by_byte["message"] == "text has 4 bytes: offset=9 is behind its end"


async def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    lay(tmp_path, {"empty": ""})
    said = await viewed(tmp_path, "empty")
    assert said.brief == "[an empty file]"
    assert said.progress[-1] == 100.0
    assert (await viewed(tmp_path, "empty", offset=0)).error is None


async def test_files_that_the_system_makes_up_have_no_size_and_are_shown() -> None:
    said = await viewed(Path("/proc"), "self/status")
    assert "VmRSS" in said.live


# --- what is no text -------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["png", "jpeg", "gif", "webp", "bmp", "tiff"])
async def test_an_image_is_described_by_its_dimensions(tmp_path: Path, form: str) -> None:
    Image.new("RGB", (123, 45), "red").save(tmp_path / "image", form)
    said = await viewed(tmp_path, "image")
    assert said.result["media_type"] == f"image/{form}"
    assert (said.result["width"], said.result["height"]) == (123, 45)
    assert "123×45 pixels" in said.brief


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
async def test_an_archive_is_described_by_its_members(tmp_path: Path, form: str) -> None:
    lay(tmp_path, {"inside/a.txt": "a" * 10, "inside/b.txt": "b" * 20})
    if form == "zip":
        with zipfile.ZipFile(tmp_path / "archive", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("a.txt", "b.txt"):
                archive.write(tmp_path / "inside" / name, name)
    else:
        with tarfile.open(tmp_path / "archive", f"w:{form[4:]}") as tar:  # type: ignore[call-overload]  # built
            for name in ("a.txt", "b.txt"):
                tar.add(tmp_path / "inside" / name, name)
    said = await viewed(tmp_path, "archive")
    assert said.result["members"] == [{"name": "a.txt", "size": 10}, {"name": "b.txt", "size": 20}]
    assert "b.txt" in said.brief


async def test_an_archive_of_many_members_names_some(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for n in range(500):
            archive.writestr(f"{n}.txt", "")
    said = await viewed(tmp_path, "many.zip")
    assert len(said.result["members"]) == 100
    assert said.result["more_members"] is True


async def test_an_archive_made_to_be_expensive_is_left_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describing, "_SECONDS", 0.1)
    huge = tarfile.TarInfo("zeros")
    huge.size = 2**40
    zeros = gzip.compress(bytes(2**24))
    # 500 times 16 MiB of zeros, in a file of 8 MB
    packed = gzip.compress(tarfile.TarInfo("first").tobuf() + huge.tobuf()) + zeros * 500
    lay(tmp_path, {"bomb.tar.gz": packed})
    said = await viewed(tmp_path, "bomb.tar.gz")
    assert [member["name"] for member in said.result["members"]] == ["first", "zeros"]


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"\x7fELF\x02\x01\x01\0rest\0", "an ELF program or library"),
        (b"%PDF-1.7\n\xe2\xe3\xcf\xd3\n", "application/pdf"),
        (b"SQLite format 3\0\x10\0", "an SQLite database"),
        (bytes(range(256)) * 4, "binary data"),
        (b"\0" * 5_000, "binary data"),
    ],
)
async def test_other_bytes_are_described_and_not_dumped(
    tmp_path: Path, content: bytes, media_type: str
) -> None:
    lay(tmp_path, {"file": content})
    said = await viewed(tmp_path, "file")
    assert said.result["media_type"] == media_type
    assert said.result["begins"] == content[:64].hex(" ")
    assert len(said.brief) < 400


async def test_text_that_begins_like_something_else_is_text(tmp_path: Path) -> None:
    lay(tmp_path, {"bmp": "BM is the magic of bitmaps\n", "id3": "ID3 tags explained\n"})
    assert (await viewed(tmp_path, "bmp")).result["type"] == "text"
    assert (await viewed(tmp_path, "id3")).result["type"] == "text"


# --- what goes wrong -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing.txt", "cannot read nothing.txt: no such file or directory"),
        ("folder", "cannot open folder: it is a folder: `tree` shows what is in it"),
        (
            "../outside",
            "cannot open ../outside: it leads outside the folder these tools see; give a path below it",
        ),
    ],
)
async def test_what_cannot_be_viewed_is_said_in_one_line(
    tmp_path: Path, path: str, message: str
) -> None:
    lay(tmp_path, {"root/folder/": "", "outside": "secret"})
    error = (await viewed(tmp_path / "root", path)).error
    assert error is not None
    assert error["message"] == message


async def test_a_call_that_takes_too_long_says_where_it_stopped(tmp_path: Path) -> None:
    sparse(tmp_path / "endless", b"x\n", 2**43)
    view = tools(tmp_path, seconds=0.05)["view"]
    said = await call(view, path="endless", start=2, encoding="utf-8")
    assert "[time is up" in said.brief


async def test_a_call_that_is_cancelled_ends_soon(tmp_path: Path) -> None:
    sparse(tmp_path / "endless", b"x\n", 2**43)
    token = CancellationToken()
    asyncio.get_running_loop().call_later(0.05, token.cancel, "not wanted")
    said = await call(tools(tmp_path)["view"], token, path="endless", start=3, encoding="utf-8")
    assert said.error is not None
    assert said.error["kind"] == "cancelled"


@pytest.mark.parametrize(("content", "lines"), [("a", 1), ("a\n", 1), ("a\nb", 2), ("a\nb\n", 2)])
async def test_a_last_line_that_nothing_ends_counts(
    tmp_path: Path, content: str, lines: int
) -> None:
    (tmp_path / "file").write_text(content)
    said = await viewed(tmp_path, "file", start=lines + 1)
    assert said.error is not None
    assert f"file has {lines} line" in said.error["message"]


@pytest.mark.parametrize("encoding", ["idna", "punycode", "undefined", "zlib", "rot13"])
async def test_what_is_no_encoding_of_texts_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "file").write_bytes(b"a\xff")
    said = await viewed(tmp_path, "file", encoding=encoding)
    assert said.error is not None
    assert "no text encoding" in said.error["message"]
