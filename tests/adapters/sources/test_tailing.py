# ruff: noqa: ASYNC230, ASYNC240 - a test may wait for its disk

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest

from rxstream.adapters import sources
from rxstream.errors import AuthorError, WorldError
from rxstream.stream import Stream

from .running import open_files, running, until

POLL = 0.005


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def tail(path: Path, **settings: Any) -> Stream[str]:
    return sources.tail(path, poll=POLL, **settings)


def add(path: Path, text: str) -> None:
    with open(path, "a", encoding="utf-8", newline="") as file:
        file.write(text)


async def test_lines_are_emitted_as_they_are_finished(log: Path) -> None:
    add(log, "one\ntw")
    async with running(tail(log)) as run:
        assert await run.take(1) == ["one"]
        add(log, "o\r\nthree\n")
        assert await run.take(2) == ["two", "three"]


async def test_a_line_may_grow_byte_by_byte(log: Path) -> None:
    data = "漢🎈 ö\r\n".encode()
    async with running(tail(log)) as run:
        for byte in data:
            with open(log, "ab") as file:
                file.write(bytes([byte]))
        assert await run.take(1) == ["漢🎈 ö"]


async def test_a_file_that_does_not_exist_yet_is_waited_for_and_read_from_its_start(
    log: Path,
) -> None:
    async with running(tail(log, from_start=False)) as run:
        step = asyncio.ensure_future(run.step())
        await until(lambda: run.port.offset is not None)
        add(log, "first\n")
        assert await step == ["first"]


async def test_from_the_end_only_lines_finished_from_now_on_are_emitted(log: Path) -> None:
    add(log, "old\nbegun ")
    async with running(tail(log, from_start=False)) as run:
        step = asyncio.ensure_future(run.step())
        await until(lambda: open_files(log))
        add(log, "and finished\nnew\n")
        await step
        assert await run.take(2) == ["begun and finished", "new"]


async def test_the_rest_of_a_rotated_file_is_read_before_the_new_one(log: Path) -> None:
    add(log, "1\n")
    async with running(tail(log)) as run:
        assert await run.take(1) == ["1"]
        with open(log, "a") as writer:
            os.rename(log, f"{log}.1")
            add(log, "4\n")
            writer.write("2\n3\n")
        assert await run.take(3) == ["2", "3", "4"]
        await until(lambda: not open_files(Path(f"{log}.1")))


async def test_what_a_rotated_file_left_unfinished_is_a_line(log: Path) -> None:
    add(log, "1\nunfinished")
    async with running(tail(log)) as run:
        assert await run.take(1) == ["1"]
        os.rename(log, f"{log}.1")
        add(log, "2\n")
        assert await run.take(2) == ["unfinished", "2"]


async def test_a_renamed_file_is_followed_until_a_new_one_is_made(log: Path) -> None:
    add(log, "1\n")
    async with running(tail(log)) as run:
        assert await run.take(1) == ["1"]
        os.rename(log, f"{log}.1")
        add(Path(f"{log}.1"), "2\n")
        assert await run.take(1) == ["2"]
        add(log, "3\n")
        assert await run.take(1) == ["3"]


async def test_many_rotations_lose_nothing_and_double_nothing(log: Path) -> None:
    rng = random.Random(7)
    written: list[str] = []
    async with running(tail(log), wanted=5) as run:
        seen: list[str] = []
        for generation in range(12):
            for _ in range(rng.randrange(1, 30)):
                written.append(f"{generation} {len(written)} ö")
                add(log, written[-1] + "\n")
            seen += await run.take(len(written) - len(seen))
            written.append(f"late {generation}")
            add(log, written[-1] + "\n")
            os.rename(log, f"{log}.{generation}")
        add(log, "end\n")
        while "end" not in seen:
            seen += await run.take(1)
    assert seen == [*written, "end"]


async def test_a_file_cut_short_is_read_from_its_new_start(log: Path) -> None:
    add(log, "1\n2\n")
    async with running(tail(log)) as run:
        assert await run.take(2) == ["1", "2"]
        log.write_text("3\n")
        assert await run.take(1) == ["3"]


async def test_a_file_rewritten_longer_than_before_is_noticed_by_its_beginning(log: Path) -> None:
    add(log, "old 1\nold 2\n")
    async with running(tail(log)) as run:
        assert await run.take(2) == ["old 1", "old 2"]
        log.write_text("new 1\nnew 2\nnew 3\nnew 4\n")
        assert await run.take(4) == ["new 1", "new 2", "new 3", "new 4"]


async def test_a_run_goes_on_from_every_seek_point(log: Path) -> None:
    lines = [f"{i} ö" for i in range(20)]
    add(log, "".join(f"{line}\n" for line in lines))
    async with running(tail(log), wanted=1) as first:
        for done in range(1, 20):
            await first.step()
            async with running(tail(log), start=first.port.offset) as second:
                assert await second.take(20 - done) == lines[done:]


async def test_a_resumed_run_finds_its_file_under_its_new_name(log: Path) -> None:
    add(log, "1\n2\n")
    async with running(tail(log), wanted=1) as first:
        await first.step()
    os.rename(log, f"{log}.1")
    add(log, "3\n")
    async with running(tail(log), start=first.port.offset) as second:
        assert await second.take(2) == ["2", "3"]
        assert [status for _, _, status in second.port.told] == []


async def test_a_resumed_run_that_started_from_the_end_misses_nothing(log: Path) -> None:
    add(log, "old\n")
    async with running(tail(log, from_start=False)) as first:
        step = asyncio.ensure_future(first.step())
        await until(lambda: first.port.offset is not None)
        step.cancel()
        await asyncio.wait([step])
    add(log, "meanwhile\n")
    async with running(tail(log, from_start=False), start=first.port.offset) as second:
        assert await second.take(1) == ["meanwhile"]


async def test_another_file_of_the_same_name_is_read_from_its_start_and_said(log: Path) -> None:
    add(log, "1\n2\n")
    async with running(tail(log), wanted=1) as first:
        await first.step()
    log.unlink()
    add(log, "other file\n")  # most file systems give the same inode again
    async with running(tail(log), start=first.port.offset) as second:
        assert await second.take(1) == ["other file"]
        assert second.port.told == [
            (None, "the file it stopped in is gone: lines may be missing", "lost")
        ]


async def test_a_point_in_the_flushed_rest_of_a_rewritten_file_begins_the_new_one(
    log: Path,
) -> None:
    add(log, "old\nunfinished")
    async with running(tail(log)) as first:
        assert await first.take(1) == ["old"]
        log.write_text("new\n")
        assert await first.take(1) == ["unfinished"]
    async with running(tail(log), start=first.port.offset) as second:
        assert await second.take(1) == ["new"]
        assert second.port.told == []


async def test_the_file_is_closed_when_nobody_wants_more(log: Path) -> None:
    add(log, "1\n")
    async with running(tail(log)) as run:
        await run.step()
        assert open_files(log)
    assert not open_files(log)


async def test_what_cannot_be_followed_is_said_in_one_line(tmp_path: Path) -> None:
    async with running(tail(tmp_path)) as run:
        with pytest.raises(WorldError, match="it is a folder"):
            await run.step()
    with pytest.raises(AuthorError, match="poll"):
        sources.tail(tmp_path, poll=0)
