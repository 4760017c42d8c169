from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from rxstream.adapters import sinks
from rxstream.codec import Binary
from rxstream.errors import CodecError, WorldError
from rxstream.events import StreamEvent, draft, seal

from .writing import FakePort


def opened(folder: Path) -> list[str]:
    """Files this process holds open below a folder."""
    return [f.path for f in psutil.Process().open_files() if f.path.startswith(str(folder))]


@dataclass
class Point:
    x: int
    y: float


AT = b"2026-01-01T00:00:00.000000Z"


def event(number: int) -> StreamEvent:
    return seal(
        draft("step_output", "bad", b'"\xc3\xb6"', at=AT),
        "e1",
        "abcd",
        number,
    )


def read(path: Path) -> list[Any]:
    text = path.read_bytes()
    assert not text or text.endswith(b"\n")
    return [orjson.loads(line) for line in text.splitlines()]


async def write(path: Path, *batches: list[Any], append: bool = False) -> None:
    async with sinks.jsonl(path, append=append).open(FakePort()) as give:
        for batch in batches:
            await give(batch)


async def test_every_element_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    await write(path, [1, "zwei\n\u2028", None], [], [Point(1, 2.5), {"a": {3}}])
    assert read(path) == [1, "zwei\n\u2028", None, {"x": 1, "y": 2.5}, {"a": [3]}]


async def test_an_event_of_the_log_is_written_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    await write(path, [event(1), event(2)])
    assert path.read_bytes() == event(1).json + b"\n" + event(2).json + b"\n"


async def test_a_batch_is_in_the_file_when_its_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    async with sinks.jsonl(path).open(FakePort()) as give:
        for i in range(5):
            await give([i])
            assert read(path) == list(range(i + 1))
        assert opened(tmp_path) == [str(path)]
    assert opened(tmp_path) == []


async def test_a_file_is_begun_anew_unless_it_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    await write(path, [1])
    await write(path, [2])
    await write(path, [3], append=True)
    assert read(path) == [2, 3]


async def test_a_line_that_a_crash_left_unfinished_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('1\n{"cut')
    await write(path, [2], append=True)
    assert path.read_text() == '1\n{"cut\n2\n'


BATCHES: list[list[Any]] = [["a", 1], [], [{"b": "ö" * 40}], [None] * 70, ["z"]]


async def written(path: Path, batches: list[list[Any]], start: Any = None, **how: Any) -> list[Any]:
    """Write batches; gives where the file stood after each."""
    port = FakePort(start=start)
    async with sinks.jsonl(path, **how).open(port) as give:
        for batch in batches:
            await give(batch)
    return port.points


@pytest.mark.parametrize("torn", [b"", b"1\n", b'"torn', b"\n{"])
@pytest.mark.parametrize("sync", [False, True])
async def test_going_on_from_any_recorded_place_every_element_is_there_once(
    tmp_path: Path, torn: bytes, sync: bool
) -> None:
    path = tmp_path / "out.jsonl"
    points = [None, *await written(path, BATCHES, sync=sync)]
    whole = path.read_bytes()
    for killed_after in range(len(points)):
        for recorded in range(killed_after + 1):
            await written(path, BATCHES[:killed_after])
            with path.open("ab") as file:
                file.write(torn)
            await written(path, BATCHES[recorded:], points[recorded], sync=sync)
            assert path.read_bytes() == whole


async def test_a_file_that_is_not_what_was_written_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    *_, point = await written(path, BATCHES)
    whole = path.read_bytes()
    for changed in (b"", whole[:-1], whole[:-2] + b"!\n", b"x" * len(whole)):
        path.write_bytes(changed)
        with pytest.raises(WorldError, match=r"cannot go on writing .*out.jsonl at byte") as raised:
            await written(path, [["more"]], point)
        assert raised.value.code == "file_changed"
        assert path.read_bytes() == changed
        assert opened(tmp_path) == []


async def test_a_file_that_is_appended_to_is_never_cut(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('"somebody"\n')
    assert await written(path, [["mine"]], append=True) == []
    with path.open("a") as other:
        other.write('"somebody else"\n')
    await written(path, [["mine", "too"]], start={"offset": 0, "near": ""}, append=True)
    assert read(path) == ["somebody", "mine", "somebody else", "mine", "too"]


async def test_the_disk_is_waited_for_before_a_batch_counts_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, real = tmp_path / "out.jsonl", list[int](), os.fdatasync

    def seen(fd: int) -> None:
        real(fd)
        synced.append(os.fstat(fd).st_size)

    monkeypatch.setattr(os, "fdatasync", seen)
    points = await written(path, [["a"], ["b"]], sync=True)
    assert synced == [point["offset"] for point in points] == [4, 8]
    await written(path, [["a"], ["b"]])
    assert len(synced) == 2


async def test_what_is_no_file_is_only_written_to() -> None:
    await written(Path("/dev/null"), [[1]], start={"offset": 100, "near": ""})


async def test_elements_before_one_without_a_json_form_are_written(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with pytest.raises(CodecError, match="is an object"):
        await write(path, [1, 2, object(), 3])
    assert read(path) == [1, 2]


async def test_bytes_lie_beside_the_file_where_the_line_says(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    await write(path, [{"image": Binary(b"\x89PNG", "image/png")}])
    (line,) = read(path)
    assert line["image"]["media_type"] == "image/png"
    assert (tmp_path / line["image"]["href"]).read_bytes() == b"\x89PNG"


async def test_what_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        WorldError, match=rf"^cannot write .*: there is no folder {tmp_path}/no: make"
    ):
        await write(tmp_path / "no" / "out.jsonl", [1])
    with pytest.raises(WorldError, match=r"^cannot write .*: is a directory$"):
        await write(tmp_path, [1])
    with pytest.raises(WorldError, match=r"^cannot write /dev/full: no space left on device$"):
        await write(Path("/dev/full"), [1], append=True)
    assert opened(tmp_path) == []
