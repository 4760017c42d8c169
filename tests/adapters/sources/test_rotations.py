"""A followed file under all that rotates, copies, cuts and kills: each line comes once and in order."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rxstream.adapters import sources
from rxstream.adapters.sources import tailing
from rxstream.adapters.sources.rotations import rotations
from rxstream.testing import run

from .running import FakePort, source_of


class Writer:
    """Writes lines and rotates, and knows what a reader is to see. Its clock is as coarse as it is told."""

    def __init__(self, folder: Path, name: Callable[[Path, int], str]) -> None:
        self.path = folder / "app.log"
        self.ended: list[str] = []
        """Contents of the files before the present one."""
        self._name = name
        self._written = 0
        self._rotations = 0
        self._now = 10**18

    def write(self, lines: int, unfinished: bool) -> None:
        with self.path.open("a") as file:
            if not file.tell():
                file.write("# a banner that every file begins with\n")
            for _ in range(lines):
                self._written += 1
                file.write(f"line {self._written}" + "." * (self._written * 37 % 91) + "\n")
            if unfinished:
                self._written += 1
                file.write(f"unfinished {self._written} ")
        self._touch(self.path)

    def rotate(self) -> None:
        if self.path.exists():
            self.ended.append(self.path.read_text())
            os.rename(self.path, self._make_room())

    def copy_and_cut(self) -> None:
        if self.path.exists() and self.path.stat().st_size:
            self.ended.append(self.path.read_text())
            copy = self._make_room()
            shutil.copyfile(self.path, copy)
            self._touch(copy)
            os.truncate(self.path, 0)
            self._touch(self.path)

    def forget(self) -> None:
        """Delete what was rotated and read; its inodes are given out again."""
        if self.path.exists():
            for found in rotations(str(self.path)):
                os.unlink(found.path)

    def lines(self) -> list[str]:
        """What a reader has seen when it has caught up."""
        contents = list(self.ended)
        if self.path.exists():
            contents.append(self.path.read_text().rpartition("\n")[0])
        elif contents:  # the file that was renamed last may still be written to
            contents[-1] = contents[-1].rpartition("\n")[0]
        return [line for content in contents for line in content.splitlines()]

    def _make_room(self) -> Path:
        self._rotations += 1
        return Path(self._name(self.path, self._rotations))

    def _touch(self, path: Path) -> None:
        self._now += 1_000_000
        os.utime(path, ns=(self._now, self._now))


def by_number(path: Path, _: int) -> str:
    """As logrotate does it: the youngest is 1."""
    numbers = sorted(
        (int(other.suffix[1:]) for other in path.parent.glob("app.log.*")), reverse=True
    )
    for number in numbers:
        os.rename(f"{path}.{number}", f"{path}.{number + 1}")
    return f"{path}.1"


def by_date(path: Path, count: int) -> str:
    return str(path.with_name(f"app-202601{count:02}T00:00:00.log"))


def by_suffix(path: Path, count: int) -> str:
    return f"{path}-2026-01-{count:02}"


def by_count(path: Path, count: int) -> str:
    return f"{path}.{count}"


NAMES = [by_number, by_date, by_suffix, by_count]


class Tail:
    """A source that is killed and started again, from where it last stood."""

    def __init__(self, path: Path, wanted: int) -> None:
        self.seen: list[str] = []
        self.told: list[str | None] = []
        self.point: Any = None
        self._path = path
        self._wanted = wanted
        self._budget = 0
        self._more = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        port = FakePort(self.point, self._wanted)
        origin = source_of(sources.tail(self._path, poll=0.1))
        iterator = cast("AsyncGenerator[list[str], None]", origin.open(port))
        try:
            async for batch in iterator:
                self.seen += batch
                self.point = port.offset
                self._budget -= bool(batch)
                while self._budget <= 0:
                    self._more.clear()
                    await self._more.wait()
        finally:
            self.told += [status for _, _, status in port.told]
            await iterator.aclose()

    async def look(self, batches: int) -> None:
        """Let it take so many batches, if it finds them."""
        self._budget = batches
        self._more.set()
        await asyncio.sleep(1)
        self._budget = min(self._budget, 0)

    async def kill(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def restart(self) -> None:
        await self.kill()
        self._task = asyncio.create_task(self._read())
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of looks and writes decides here, so no thread may choose it."""

    async def called(function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    monkeypatch.setattr(tailing, "blocking", called)


def played(actions: list[Any], name: Callable[[Path, int], str], wanted: int = 3) -> list[Any]:
    """Play actions on a folder of their own; gives what was told beside the lines."""

    async def main(folder: Path) -> list[Any]:
        writer = Writer(folder, name)
        tail = Tail(writer.path, wanted)
        await asyncio.sleep(0)
        for action in [*actions, "look", ("write", 1, False), "look"]:
            match action:
                case ("write", lines, unfinished):
                    writer.write(lines, unfinished)
                case ("look", batches):
                    await tail.look(batches)
                    assert tail.seen == writer.lines()[: len(tail.seen)]
                case "look":
                    await tail.look(10_000)
                    assert tail.seen == writer.lines()
                case "kill":
                    await tail.restart()
                case "rotate":
                    writer.rotate()
                case "copy":
                    writer.copy_and_cut()
                case "forget":
                    await tail.look(10_000)
                    assert tail.seen == writer.lines()
                    writer.forget()
        await tail.kill()
        return tail.told

    with TemporaryDirectory() as folder:
        return run(main(Path(folder)))


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 9), st.booleans()),
        st.tuples(st.just("look"), st.integers(1, 4)),
        st.sampled_from(["kill", "kill", "rotate", "rotate", "copy", "look", "forget"]),
    ),
    max_size=25,
)


WRITE = ("write", 2, False)


@example([WRITE, ("look", 1), "copy", ("look", 1), "kill"], by_number, 1)
@example([WRITE, "look", "copy", "look", WRITE, "copy"], by_number, 3)
@example([WRITE, "look", "rotate", WRITE, "rotate", WRITE, "rotate"], by_count, 3)
@example([WRITE, ("look", 1), "kill", "rotate", WRITE, "rotate", WRITE, "copy"], by_date, 1)
@example([WRITE, "look", "rotate", WRITE, "forget", WRITE, "rotate", WRITE, "rotate"], by_number, 3)
@given(ACTIONS, st.sampled_from(NAMES), st.sampled_from([1, 3, 64]))
@settings(max_examples=80, deadline=None)
def test_every_line_comes_once_and_in_order(
    actions: list[Any], name: Callable[[Path, int], str], wanted: int
) -> None:
    played(actions, name, wanted)


@pytest.mark.slow
@pytest.mark.timeout(300)
@given(ACTIONS, st.sampled_from(NAMES), st.sampled_from([1, 3, 64]))
@settings(max_examples=1_000, deadline=None)
def test_every_line_comes_once_and_in_order_for_long(
    actions: list[Any], name: Callable[[Path, int], str], wanted: int
) -> None:
    played(actions, name, wanted)


def test_what_is_gone_is_told_and_what_follows_is_read(tmp_path: Path) -> None:
    async def main() -> Tail:
        writer = Writer(tmp_path, by_number)
        writer.write(2, unfinished=False)
        tail = Tail(writer.path, 1)
        await tail.look(2)
        await tail.kill()
        writer.rotate()
        os.unlink(f"{writer.path}.1")
        for _ in range(2):
            writer.write(1, unfinished=False)
            writer.rotate()
        await tail.restart()
        await tail.look(100)
        await tail.kill()
        return tail

    tail = run(main())
    lines = [line.rstrip(".") for line in tail.seen if "banner" not in line]
    assert lines == ["line 1", "line 3", "line 4"]
    assert tail.told == ["lost"]


def test_a_file_that_was_cut_without_a_copy_is_told(tmp_path: Path) -> None:
    async def main() -> Tail:
        path = tmp_path / "app.log"
        path.write_text("1\n2\n")
        tail = Tail(path, 64)
        await tail.look(1)
        path.write_text("3\n")
        await tail.look(1)
        await tail.kill()
        return tail

    tail = run(main())
    assert (tail.seen, tail.told) == (["1", "2", "3"], ["cut"])


def test_a_backup_is_no_rotation(tmp_path: Path) -> None:
    async def main() -> Tail:
        path = tmp_path / "app.log"
        tail = Tail(path, 1)
        path.write_text("1\n2\n")
        await tail.look(1)
        shutil.copyfile(path, f"{path}.1")
        await tail.look(1)
        await tail.restart()
        with path.open("a") as file:
            file.write("3\n")
        await tail.look(9)
        await tail.kill()
        return tail

    tail = run(main())
    assert (tail.seen, tail.told) == (["1", "2", "3"], [])


def test_only_what_looks_like_a_rotation_is_one(tmp_path: Path) -> None:
    rotated = ["app.log.2", "app.log.1", "app.log-20260101", "app.2026-01-02_00-00.log"]
    for age, name in enumerate(rotated):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (age, age))
    others = [
        "app.log.1.gz",
        "app.log.lock",
        "app.error.log",
        "app.log",
        "other.log.1",
        "app.log.3",
    ]
    for name in others[:-1]:
        (tmp_path / name).touch()
    (tmp_path / others[-1]).mkdir()
    found = rotations(str(tmp_path / "app.log"))
    assert [Path(one.path).name for one in found] == rotated
    assert rotations(str(tmp_path / "no" / "app.log")) == []
