"""Bits that flip anywhere in a log's file: either nothing that is read changes, or the place is told.

The bits are chosen by chance, in a file with events, records, states and binary data. For each, what a reader
gets is compared with what was written; what is damaged may be refused, and never be wrong without a word.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rxstream.adapters.logs import LogView, SQLiteLog
from rxstream.adapters.logs.verifying import Verified
from rxstream.codec import Binary
from rxstream.errors import LogError, RxStreamError
from rxstream.log import Commit, Delta
from tests.log.parts import begin, drained, end, foreign, outputs, record

EXECUTIONS = [f"e{i}" for i in range(6)]
BLOB = Binary(bytes(range(256)) * 8)

Content = dict[str, Any]
"""What readers get, by what was asked."""


async def write(path: Path) -> None:
    log = SQLiteLog(path, power_safe=False)
    await log.open()
    for number, execution_id in enumerate(EXECUTIONS):
        await log.commit(Commit(execution_id, (), record(execution_id), blobs={BLOB.sha256: BLOB}))
        for i in range(8):
            state = {"n": Delta({f"k{i}": b"%d" % i * 50})}
            await log.commit(Commit(execution_id, outputs(i, "x" * 700, i), states=state))
        if number % 2:
            await log.commit(Commit(execution_id, [end()], record(execution_id, "completed")))
    await log.close()


async def content(view: LogView) -> Content:
    """All of it; an answer that was refused is the error's class."""

    async def answer(question: Callable[..., Awaitable[Any]], *about: Any) -> Any:
        try:
            return await question(*about)
        except RxStreamError as error:
            return type(error)

    async def events(execution_id: str) -> Any:
        found: list[tuple[int | None, bytes]] = []
        while page := await view.read(execution_id, len(found)):
            found += [(event.sequence, event.json) for event in page]
        return found

    told: Content = {"epoch": view.epoch, "records": await answer(view.records)}
    told["running"] = await answer(lambda: view.records(statuses=["running"]))
    for execution_id in EXECUTIONS:
        for question in (view.head, view.record, view.states, events):
            told[f"{question.__name__} {execution_id}"] = await answer(question, execution_id)
        told[f"blob {execution_id}"] = await answer(view.blob, execution_id, BLOB.sha256)
    return told


async def seen(path: Path) -> tuple[Content, Verified] | None:
    """What is read of a file, and what verifying it tells; None when it cannot be opened."""
    view = LogView(path, threaded=False)
    try:
        await view.open()
    except RxStreamError:
        return None
    try:
        return await content(view), await view.verify()
    finally:
        await view.close()


def refused(told: Any) -> bool:
    return isinstance(told, type)


async def flips(path: Path, count: int, seed: int) -> tuple[int, int]:
    """Flip bits, one at a time; how many changed or hid something, and in how many the rest was read."""
    await write(path)
    whole = bytearray(await asyncio.to_thread(path.read_bytes))
    expected = await seen(path)
    assert expected is not None
    assert expected[1].damage == []
    chance = random.Random(seed)
    changed = others = 0
    for _ in range(count):
        bit = chance.randrange(len(whole) * 8)
        whole[bit // 8] ^= 1 << bit % 8
        await asyncio.to_thread(path.write_bytes, whole)
        found = await seen(path)
        whole[bit // 8] ^= 1 << bit % 8
        if found is None:
            changed += 1
            continue
        got, verified = found
        wrong = [key for key, value in got.items() if value != expected[0][key]]
        if not wrong:
            continue
        changed += 1
        others += len(wrong) < len(got) // 2
        assert verified.damage, f"bit {bit} changed {wrong} and nothing was told"
    return changed, others


async def test_a_flipped_bit_is_never_wrong_without_a_word(path: Path) -> None:
    changed, others = await flips(path, 120, seed=1)
    assert changed > 60
    assert others > changed * 0.8  # the rest can be read


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_thousands_of_flipped_bits_are_never_wrong_without_a_word(path: Path) -> None:
    changed, others = await flips(path, 5_000, seed=2)
    assert changed > 2_500
    assert others > changed * 0.8


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE events SET payload = zeroblob(9) WHERE execution = 2 AND last = 6",
         "e1: events 4 to 6 are not what was written"),
        ("UPDATE events SET at = at + 1 WHERE execution = 2 AND last = 6",
         "e1: events 4 to 6 are not what was written"),
        ("UPDATE events SET execution = 3 WHERE execution = 2 AND last = 25",
         "e2: events 25 to 25 are not what was written"),
        ("DELETE FROM events WHERE execution = 2 AND last < 7",
         "e1: events 1 to 6 are missing"),
        ("UPDATE executions SET status = 'completed' WHERE id = 3",
         "e2: its record is not what was written"),
        ("UPDATE executions SET ended = 1 WHERE id = 3",
         "e2: its record is not what was written"),
        ("UPDATE executions SET record = NULL WHERE id = 3",
         "e2: its record is not what was written"),
        ("UPDATE executions SET execution_id = x'00ff' WHERE id = 3",
         "b'\\x00\\xff': its record is not what was written"),
        ("UPDATE states SET payload = zeroblob(3) WHERE execution = 3 AND position = 1000004",
         "e2: its state is not what was written at row 1000004"),
        ("DELETE FROM states WHERE execution = 3 AND position = 1000004",
         "e2: its state misses rows 1000004 to 1000004"),
        ("UPDATE blobs SET data = 'text' WHERE execution = 3",
         f"e2: its blob {BLOB.sha256} is not what was written"),
        ("UPDATE meta SET value = 'ffffffff' WHERE key = 'epoch'",
         "the file: its epoch or its format is not what was written"),
    ],
)  # fmt: skip
async def test_the_place_is_told(path: Path, change: str, told: str) -> None:
    await write(path)
    other = foreign(path)
    other.execute(change)
    assert other.changes() > 0
    other.close()
    found = await seen(path)
    assert found is not None
    assert told in [str(damage) for damage in found[1].damage]


async def test_rows_that_were_exchanged_are_found_by_their_chain(path: Path) -> None:
    log = SQLiteLog(path)
    await log.open()
    await begin(log, "e1", 1)
    other = foreign(path)
    kept = other.execute("SELECT * FROM events").fetchall()
    other.execute("DELETE FROM events")
    await log.close()
    await log.open()
    await begin(log, "e1", 2)
    for i in range(3):
        await log.commit(Commit("e1", outputs(i)))
    assert await log.damage() == []
    # the first row again as it was in another past: whole by itself, and not what the next one follows
    other.execute("DELETE FROM events WHERE last = 1")
    marks = ", ".join("?" * len(kept[0]))
    other.execute(f"INSERT INTO events VALUES ({marks})", (99, *kept[0][1:]))
    other.close()
    assert await log.damage() == ["e1: events 2 to 2 are not what was written"]
    await log.close()


async def test_a_page_that_cannot_be_read_hides_only_what_is_on_it(path: Path) -> None:
    log = SQLiteLog(path, power_safe=False)
    await log.open()
    await begin(log, "e1", "x" * 3_000)
    for _ in range(40):
        await log.commit(Commit("e1", outputs("x" * 3_000)))
    await log.close()
    whole = bytearray(await asyncio.to_thread(path.read_bytes))
    size = 4_096
    begin_at = whole.index(b'"sequence":20,') // size * size
    whole[begin_at : begin_at + size] = b"\xff" * size
    await asyncio.to_thread(path.write_bytes, whole)
    found = await seen(path)
    assert found is not None
    verified = found[1]
    hidden = [d for d in verified.damage if d.execution_id == "e1"]
    assert hidden
    assert verified.events >= 35
    view = LogView(path, threaded=False)
    await view.open()
    got: set[int | None] = set()
    after = 0
    while after < 41:
        try:
            page = await view.read("e1", after)
        except RxStreamError as error:
            after = error.detail["last"]
            continue
        got |= {event.sequence for event in page}
        after = page[-1].sequence or 0
    assert len(got) == verified.events
    await view.close()


async def test_readers_are_told_of_events_that_are_missing(path: Path) -> None:
    await write(path)
    other = foreign(path)
    other.execute("DELETE FROM events WHERE execution = 2 AND last = 9")
    other.close()
    view = LogView(path, threaded=False)
    await view.open()
    events = await drained(await view.follow("e1"))
    told = [e.data if e.event_type == "gap" else e.sequence for e in events]
    gap = {"requested": "6", "first_available": 10, "missed": 3}
    assert told == [*range(1, 7), gap, *range(10, 26)]
    await view.close()


@pytest.mark.parametrize("change", ["key = 'epocg'", "key = CAST(x'ff' AS TEXT)"])
async def test_a_log_that_does_not_know_what_it_is_is_refused(path: Path, change: str) -> None:
    await write(path)
    other = foreign(path)
    other.execute(f"UPDATE meta SET {change} WHERE key = 'epoch'")
    other.close()
    for log in (SQLiteLog(path), LogView(path)):
        with pytest.raises(LogError, match="what it says of itself is damaged"):
            await log.open()


async def test_a_text_that_is_no_text_any_more_is_told(path: Path) -> None:
    await write(path)
    other = foreign(path)
    other.execute("UPDATE executions SET graph = CAST(x'ff' AS TEXT) WHERE id = 3")
    other.execute("UPDATE blobs SET sha256 = CAST(x'ff' AS TEXT) WHERE execution = 2")
    other.close()
    found = await seen(path)
    assert found is not None
    told = [str(damage) for damage in found[1].damage]
    assert any(line.startswith("e1: some of the blobs cannot be listed") for line in told)
    assert any("an execution cannot be read" in line for line in told)
