"""The checker by itself: a life that nobody interrupted writes a log, then something in it is changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from rxstream.adapters.logs import digests
from rxstream.adapters.logs.rows import time_of
from tests.torture.checker import Found, compare, find, in_itself
from tests.torture.life import LOG, Order
from tests.torture.shapes import SHAPES, graphs, obstacles
from tests.torture.zygote import Zygote

SHAPE = SHAPES["failing"]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    with Zygote() as zygote:
        ended = zygote.live(Order(str(folder), 1, "failing"))
    assert ended.how == "done", ended.said
    return folder


@pytest.fixture(scope="module")
def whole(original: Path) -> Found:
    return find(original, SHAPE)


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy"


def rewritten(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """The same log with other events, under digests that are right: what a wrong engine would write."""
    connection = apsw.Connection(str(folder / LOG))
    rows: list[Any] = connection.execute("SELECT payload FROM events ORDER BY id").fetchall()
    lines = change([line for (payload,) in rows for line in payload.split(b"\n")])
    payload, last, at = b"\n".join(lines), len(lines), time_of(lines[-1])
    execution_id = connection.execute("SELECT execution_id FROM executions").get
    digest = digests.of_events(execution_id, 1, last, at, payload)
    connection.execute("DELETE FROM events")
    connection.execute(
        """INSERT INTO events (execution, first, last, at, digest, chain, payload)
           VALUES (1, 1, ?, ?, ?, ?, ?)""",
        (last, at, digest, digests.chained(b"", digest), payload),
    )
    connection.close()


def complaints(folder: Path, whole: Found) -> str:
    return "\n".join(compare(folder, SHAPE, whole))


def test_a_whole_life_is_as_it_is(copy: Path, whole: Found) -> None:
    rewritten(copy, lambda lines: lines)
    assert complaints(copy, whole) == ""
    assert whole.told["failing"].outputs("picky") == list(range(500))


CHANGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a lost event": (lambda lines: lines[:50] + lines[51:], "499 instead of 500"),
    "an event twice": (lambda lines: lines[:50] + lines[49:], "501 instead of 500"),
    "a number left out": (lambda lines: lines[:50] + lines[51:], "number 51 is 52"),
    "two in another order": (
        lambda lines: [*lines[:50], lines[51], lines[50], *lines[52:]],
        "number 51 is 52",
    ),
    "no start": (lambda lines: lines[1:], "it does not begin with its start"),
    "no end": (lambda lines: lines[:-1], "it has the ends []"),
    "two ends": (lambda lines: [*lines, lines[-1]], "it has the ends ['pipeline_error', "),
    "an event that a client saw otherwise": (
        lambda lines: [*lines[:50], lines[50].replace(b"2026", b"2027"), *lines[51:]],
        "saw",
    ),
    "another error": (
        lambda lines: [line.replace(b"five hundred", b"six") for line in lines],
        "step_error",
    ),
}


def test_a_place_in_the_line_may_be_told_before_the_start(whole: Found) -> None:
    """As it is where a life takes so long that who waits is told."""
    told = whole.told["failing"]
    waits = told.events[0] | {"event_type": "step_progress", "data": {"status": "queued"}}
    events = [e | {"sequence": number} for number, e in enumerate([waits, *told.events], 1)]
    assert [*in_itself(replace(told, events=events))] == []
    events[0]["data"] = {"status": None}
    assert [*in_itself(replace(told, events=events))] != []


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen(copy: Path, whole: Found, name: str) -> None:
    change, said = CHANGES[name]
    rewritten(copy, change)
    assert said in complaints(copy, whole)


def test_flipped_bits_are_seen(copy: Path, whole: Found) -> None:
    connection = apsw.Connection(str(copy / LOG))
    connection.execute(
        "UPDATE events SET payload = CAST(replace(payload, '\"data\":7', '\"data\":8') AS BLOB)"
    )
    connection.close()
    assert "are not what was written" in complaints(copy, whole)


def test_bytes_that_an_event_mentions_are_asked_for(copy: Path, whole: Found) -> None:
    mention = b'"data":{"sha256":"%b"}' % (b"0" * 64)
    rewritten(copy, lambda lines: [line.replace(b'"data":70,', mention + b",") for line in lines])
    assert "are missing" in complaints(copy, whole)


def test_a_client_that_saw_too_much_is_believed(copy: Path, whole: Found) -> None:
    notes = next(copy.glob("seen-*"))
    last = notes.read_bytes().splitlines()[-1]
    number = whole.told["failing"].events[-1]["sequence"]
    more = last.replace(b'"sequence":%d' % number, b'"sequence":%d' % (number + 1))
    notes.write_bytes(notes.read_bytes() + more + b"\n" + more[:40])
    assert "there is b'nothing'" in complaints(copy, whole)


def test_a_client_that_left_one_out_is_seen(copy: Path, whole: Found) -> None:
    notes = next(copy.glob("seen-*"))
    lines = notes.read_bytes().splitlines(keepends=True)
    notes.write_bytes(b"".join(lines[:20] + lines[21:]))
    assert "saw 22 after 20" in complaints(copy, whole)


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_can_go_on(tmp_path: Path, name: str) -> None:
    shape = SHAPES[name]
    assert obstacles(shape, tmp_path) == []
    ids = {node.id for graph in graphs(shape, tmp_path) for node in graph.build().nodes}
    assert set(shape.open) <= ids
