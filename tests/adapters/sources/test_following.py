"""The order of looks and writes decides here, so the follower is called by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rxstream.adapters.sources.following import Change, Follower


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


@pytest.fixture
def follower(log: Path) -> Iterator[Follower]:
    made = Follower(str(log), start=None, from_end=False)
    made.open()
    yield made
    made.close()


def test_what_is_written_after_the_rotation_was_seen_is_read_before_the_new_file(
    log: Path, follower: Follower
) -> None:
    log.write_bytes(b"1\n")
    assert follower.read() == (Change.GREW, b"1\n")
    with open(log, "ab", buffering=0) as writer:
        os.rename(log, f"{log}.1")
        log.write_bytes(b"3\n")
        assert follower.read() == (Change.QUIET, b"")
        writer.write(b"2\n")
        assert follower.read() == (Change.GREW, b"2\n")
    assert follower.read() == (Change.QUIET, b"")
    assert follower.read() == (Change.ENDED, b"")
    assert follower.read() == (Change.GREW, b"3\n")


def test_a_path_that_vanished_is_left_only_for_a_new_file(log: Path, follower: Follower) -> None:
    log.write_bytes(b"1\n")
    follower.read()
    log.unlink()
    assert [follower.read()[0] for _ in range(3)] == [Change.QUIET] * 3
    log.write_bytes(b"2\n")
    assert [follower.read()[0] for _ in range(3)] == [Change.QUIET, Change.ENDED, Change.GREW]


def test_a_file_of_any_size_is_read_in_bounded_parts(log: Path, follower: Follower) -> None:
    log.write_bytes(b"x" * 300_000)
    sizes = [len(follower.read()[1]) for _ in range(4)]
    assert sizes == [131_072, 131_072, 37_856, 0]
