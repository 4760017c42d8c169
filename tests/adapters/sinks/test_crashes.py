"""Files are read and written over a crash at every commit: what comes out is there once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

import rxstream as rxs
from rxstream.adapters import sinks, sources
from rxstream.adapters.sinks import files as writing
from rxstream.adapters.sources import files as reading
from rxstream.testing import crash_everywhere
from rxstream.testing.crashes import Seen


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In virtual time nobody waits for a thread."""

    async def called(function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    monkeypatch.setattr(reading, "blocking", called)
    monkeypatch.setattr(writing, "blocking", called)


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "numbers"
    path.write_text("".join(f"{i}\n" for i in range(400)))
    return path


async def slowly(line: str) -> str:
    await asyncio.sleep(0.002)
    return line


def written(path: Path, expected: list[Any]) -> Callable[[Seen], Any]:
    """Looks into the file after each run, too."""

    def check(seen: Seen) -> Seen:
        assert [orjson.loads(line) for line in path.read_bytes().splitlines()] == expected
        return seen

    return check


LINES = [str(i) for i in range(400)]


def test_a_file_is_copied_line_by_line(numbers: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    @rxs.graph
    def copied() -> Any:
        lines = sources.lines(numbers).map_async(slowly, concurrency=4).named("slow")
        lines.to(sinks.jsonl(out))
        return lines

    assert crash_everywhere(copied, by=written(out, LINES), most=15) > 15


def test_a_file_is_copied_in_chunks(numbers: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    @rxs.graph
    def copied() -> Any:
        chunks = sources.read_bytes(numbers, 100).map(bytes.decode).map_async(slowly)
        chunks.to(sinks.jsonl(out, sync=True))
        return chunks.named("chunks")

    text = "".join(f"{line}\n" for line in LINES)
    parts = [text[i : i + 100] for i in range(0, len(text), 100)]
    assert crash_everywhere(copied, by=written(out, parts), most=15) > 5


def test_ticks_keep_their_numbers() -> None:
    @rxs.graph
    def ticking() -> Any:
        ours, theirs = sources.interval(0.03).take(9), rxs.timer(0.05, 0.04).take(7)
        return rxs.merge(ours=ours, theirs=theirs).named("both")

    assert crash_everywhere(ticking, by=lambda seen: sorted(map(repr, seen["both"])), most=20) > 5


def test_a_sink_that_forgets_its_place_is_caught(
    numbers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"

    @rxs.graph
    def copied() -> Any:
        lines = sources.lines(numbers).map_async(slowly, concurrency=4).named("slow")
        lines.to(sinks.jsonl(out, append=True))
        return lines

    with pytest.raises(AssertionError):
        crash_everywhere(copied, by=written(out, LINES), most=15)
