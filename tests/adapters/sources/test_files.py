# ruff: noqa: ASYNC240 - a test may wait for its disk

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxstream.adapters import sources
from rxstream.errors import AuthorError, WorldError

from .running import everything, open_files, running, until

TEXT = "one\r\nzwei ö\n\n三 🎈\nno end"
LINES = ["one", "zwei ö", "", "三 🎈", "no end"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.txt"
    path.write_bytes(TEXT.encode())
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Over several chunks, with characters across their borders."""
    path = tmp_path / "large.txt"
    path.write_text("".join(f"{i:06} ö漢🎈{'x' * (i % 97)}\n" for i in range(10_000)), "utf-8")
    return path


async def test_lines_are_what_the_file_holds(small: Path, large: Path) -> None:
    assert await everything(sources.lines(small)) == LINES
    assert await everything(sources.lines(large)) == large.read_text("utf-8").split("\n")[:-1]
    assert "".join(await everything(sources.lines(large, keep_ends=True))) == large.read_text(
        "utf-8"
    )


async def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert await everything(sources.lines(tmp_path / "empty")) == []


async def test_a_run_goes_on_from_every_seek_point(small: Path) -> None:
    seen: list[str] = []
    async with running(sources.lines(small), wanted=1) as run:
        while len(seen) < len(LINES):
            seen += await run.step()
            assert seen + await everything(sources.lines(small), start=run.port.offset) == LINES
    assert await everything(sources.lines(small), start=run.port.offset) == []


async def test_no_more_is_emitted_than_was_wanted(large: Path) -> None:
    async with running(sources.lines(large), wanted=3) as run:
        assert [len(await run.step()) for _ in range(50)] == [3] * 50


async def test_progress_is_told_in_bytes_and_ends_at_100(large: Path) -> None:
    async with running(sources.lines(large), wanted=5_000) as run:
        await run.rest()
    told = [percentage or 0 for percentage, _, _ in run.port.told]
    size = large.stat().st_size
    assert told == sorted(told)
    assert 0 < told[0] < 50
    assert run.port.told[-1] == (100.0, f"{size:,} of {size:,} bytes", "running")


async def test_the_file_is_closed_when_nobody_wants_more(large: Path) -> None:
    async with running(sources.lines(large)) as run:
        await run.step()
        assert open_files(large)
    assert not open_files(large)


async def test_a_file_that_shrank_is_no_complete_answer(large: Path) -> None:
    async with running(sources.lines(large), wanted=1) as run:
        await run.step()
        point = run.port.offset
        os.truncate(large, 10)
        with pytest.raises(WorldError, match=r"large.txt was cut to 10 bytes while it was read"):
            await run.rest()
    with pytest.raises(WorldError, match=r"cannot go on reading .* at byte 17: it has only 10 now"):
        await everything(sources.lines(large), start=point)


@pytest.mark.parametrize("read", [sources.lines, sources.read_bytes])
@pytest.mark.parametrize("place", [0, 300, 10_000])
async def test_a_file_that_is_another_one_by_now_is_not_gone_on_with(
    tmp_path: Path, read: Any, place: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10_001 + b"\nmore\n")
    async with running(read(path), wanted=1) as run:
        await run.step()
    data = bytearray(path.read_bytes())
    data[place if place < 10_000 else int(run.port.offset["offset"]) - 2] = ord("y")
    path.write_bytes(data)
    if place == 300:  # what lies in between is not looked at
        await everything(read(path), start=run.port.offset)
        return
    with pytest.raises(WorldError, match=r"at byte \d+: it is not what was read before$") as raised:
        await everything(read(path), start=run.port.offset)
    assert raised.value.code == "file_changed"


@given(
    text=st.text(st.sampled_from("ab ö漢🎈\r\n"), max_size=60),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "shift_jis", "gb18030", "utf-7"]),
    wanted=st.integers(1, 5),
    keep_ends=st.booleans(),
    chunk=st.integers(1, 9),
)
@settings(max_examples=60, deadline=None)
async def test_head_and_rest_are_the_whole_wherever_it_was_stopped(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    encoding: str,
    wanted: int,
    keep_ends: bool,
    chunk: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(text.encode(encoding, "replace"))
    for made in (
        lambda: sources.lines(path, encoding=encoding, keep_ends=keep_ends),
        lambda: sources.read_bytes(path, chunk),
    ):
        whole, seen = await everything(made()), list[Any]()
        async with running(made(), wanted=wanted) as run:
            while len(seen) < len(whole):
                seen += await run.step()
                assert seen + await everything(made(), start=run.port.offset) == whole


async def test_what_was_added_meanwhile_is_read(small: Path) -> None:
    async with running(sources.lines(small), wanted=1) as run:
        seen = list(await run.step())
    with small.open("a") as file:
        file.write("ing\nadded\n")
    seen += await everything(sources.lines(small), start=run.port.offset)
    assert seen == [*LINES[:-1], "no ending", "added"]


async def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, reason in [
        ("none", "no such file"),
        ("", "a folder"),
        ("fifo", "not a regular file"),
    ]:
        with pytest.raises(WorldError, match=reason) as raised:
            await everything(sources.lines(tmp_path / name))
        assert str(tmp_path / name) in str(raised.value)
        assert "\n" not in str(raised.value)
        assert not open_files(tmp_path)


async def test_a_line_that_is_too_long_names_the_file_and_the_byte(small: Path) -> None:
    with pytest.raises(WorldError, match=r"a line of .*small.txt at byte 5 is longer than 6 bytes"):
        await everything(sources.lines(small, max_line=6))


async def test_a_line_longer_than_a_chunk_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_text("ö" * 500_000 + "\nshort\n", "utf-8")
    assert await everything(sources.lines(path)) == ["ö" * 500_000, "short"]
    path.write_text("x" * (1024 * 1024 + 1))
    with pytest.raises(WorldError, match="raise max_line"):
        await everything(sources.lines(path))


@pytest.mark.parametrize("wanted", [1, 7, 64])
async def test_chunks_are_whole_and_resume(large: Path, wanted: int) -> None:
    data = large.read_bytes()
    chunks = await everything(sources.read_bytes(large, 1_000), wanted=wanted)
    assert b"".join(chunks) == data
    assert {len(chunk) for chunk in chunks[:-1]} == {1_000}
    async with running(sources.read_bytes(large, 1_000), wanted=wanted) as run:
        seen = b"".join(await run.take(3))
    rest = await everything(sources.read_bytes(large, 999), start=run.port.offset)
    assert seen + b"".join(rest) == data


def test_a_chunk_size_below_one_is_refused(small: Path) -> None:
    with pytest.raises(AuthorError, match="chunk_size"):
        sources.read_bytes(small, 0)


async def test_a_graph_shows_the_path_and_nothing_is_read_before_it_runs(tmp_path: Path) -> None:
    stream = sources.lines(tmp_path / "not yet")
    assert (stream.spec.name, stream.spec.arguments) == (
        "lines",
        {"path": str(tmp_path / "not yet")},
    )


async def test_a_stream_of_lines_can_be_awaited_and_iterated(small: Path) -> None:
    assert await sources.lines(small) == "no end"
    assert [line async for line in sources.lines(small)] == LINES
    async for _ in sources.lines(small):
        break
    await until(lambda: not open_files(small))
