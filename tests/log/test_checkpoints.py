"""What an engine needs of a log to go on from: exact states, put together now and then, asked of each log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from rxstream.adapters.logs import LogView, SQLiteLog, rows
from rxstream.errors import LogError, UnknownExecution
from rxstream.log import CheckpointInfo, Commit, Delta, EventLog, MemoryLog
from tests.log.parts import add, begin, data, finish, foreign, outputs, record, until

States = dict[str, dict[str, bytes]]


@pytest.fixture(params=["memory", "sqlite"])
def new_log(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], EventLog]:
    if request.param == "memory":
        memory = MemoryLog()
        return lambda: memory
    return lambda: SQLiteLog(tmp_path / "events.db", power_safe=False)


@pytest.fixture
async def log(new_log: Callable[[], EventLog]) -> AsyncIterator[EventLog]:
    log = new_log()
    await log.open()
    yield log
    await log.close()


class Model:
    """Commits deltas of chance and knows what they come to."""

    def __init__(self, log: EventLog, seed: int = 0) -> None:
        self.log = log
        self.states: States = {}
        self._chance = random.Random(seed)

    async def commit(self, execution_id: str = "e1", size: int = 20) -> int:
        """One event with changes of two nodes."""
        chance = self._chance
        deltas = {}
        for node in chance.sample("abc", 2):
            state = self.states.setdefault(node, {})
            wiped = chance.random() < 0.02
            changed = {f"k{chance.randrange(40)}": chance.randbytes(size) for _ in range(3)}
            gone = [key for key in (f"k{chance.randrange(40)}",) if key not in changed]
            deltas[node] = Delta(changed, gone, wiped)
            if wiped:
                state.clear()
            state.update(changed)
            for key in gone:
                state.pop(key, None)
        return await self.log.commit(Commit(execution_id, outputs(1), states=deltas))

    @property
    def bytes(self) -> int:
        """Of keys and values."""
        return sum(len(k) + len(v) for state in self.states.values() for k, v in state.items())


async def test_a_checkpoint_tells_what_it_holds_and_changes_nothing(log: EventLog) -> None:
    await begin(log)
    model = Model(log)
    for _ in range(30):
        last = await model.commit()
    assert await log.checkpoint("e1") == CheckpointInfo(last, model.bytes)
    assert await log.states("e1") == model.states
    await model.commit()
    assert await log.states("e1") == model.states
    assert await log.checkpoint("e1") == (last + 1, model.bytes)
    assert await log.checkpoint("e1") == (last + 1, model.bytes)  # of nothing but itself
    assert await log.states("e1") == model.states


async def test_a_checkpoint_comes_after_what_was_committed_before(log: EventLog) -> None:
    await begin(log)
    storing = log.commit(Commit("e1", outputs(1), states={"n": Delta({"k": b"12"})}))
    assert await log.checkpoint("e1") == (1, 3)
    assert storing.done()


async def test_of_what_has_no_state_a_checkpoint_is_empty(log: EventLog) -> None:
    await begin(log, "e1", 1)
    assert await log.checkpoint("e1") == (1, 0)
    await finish(log)
    assert await log.checkpoint("e1") == (2, 0)
    with pytest.raises(UnknownExecution, match="'nobody'"):
        await log.checkpoint("nobody")
    await log.close()
    with pytest.raises(LogError, match="not open"):
        await log.checkpoint("e1")


async def test_another_engine_finds_everything_as_it_was_left(
    new_log: Callable[[], EventLog],
) -> None:
    first = new_log()
    await first.open()
    await begin(first, "e1", 1, 2)
    model = Model(first)
    for _ in range(20):
        last = await model.commit()
    before = await first.record("e1")
    await first.close()

    second = new_log()
    await second.open()
    assert await second.record("e1") == before
    assert await second.states("e1") == model.states
    assert data(await second.read("e1"))[:2] == [1, 2]
    assert await second.head("e1") == (1, last, False)
    model.log = second
    assert await model.commit() == last + 1
    assert await second.states("e1") == model.states
    await second.close()


# -- in a file --------------------------------------------------------------------------------


@pytest.fixture
async def file(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SQLiteLog]:
    """A log whose deltas are soon too many."""
    monkeypatch.setattr(rows, "_FOLD_BYTES", 4_000)
    log = SQLiteLog(path, power_safe=False)
    await log.open()
    yield log
    await log.close()


def stored_rows(path: Path) -> int:
    other = foreign(path)
    count = other.execute("SELECT count(*) FROM states").get
    other.close()
    return int(count)


async def test_a_commit_costs_one_row_of_states_however_many_keys(
    log: EventLog, path: Path
) -> None:
    await begin(log)
    many = {f"k{i}": b"v" for i in range(1_000)}
    await log.commit(
        Commit("e1", states={"a": Delta(many), "b": Delta(many), "c": Delta({"x": b""})})
    )
    if log.durable:
        assert stored_rows(path) == 1


async def test_deltas_are_folded_when_they_have_grown_and_the_engine_is_told(
    file: SQLiteLog, path: Path
) -> None:
    told: list[tuple[str, CheckpointInfo]] = []
    file.on_checkpoint = lambda execution_id, info: told.append((execution_id, info))
    await begin(file)
    model = Model(file)
    for _ in range(500):
        await model.commit()
        await until(lambda: not file._folding)
        assert stored_rows(path) < 150
    assert len(told) > 5
    assert {execution_id for execution_id, _ in told} == {"e1"}
    sequences = [info.sequence for _, info in told]
    assert sequences == sorted(set(sequences))
    assert await file.states("e1") == model.states
    assert await file.damage() == []


async def test_many_deltas_are_folded_even_when_they_are_small(
    path: Path, file: SQLiteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_FOLD_BYTES", 10**9)
    monkeypatch.setattr(rows, "_FOLD_ROWS", 50)
    await begin(file)
    for i in range(200):
        await file.commit(Commit("e1", states={"n": Delta({"k": b"%d" % i})}))
        await until(lambda: not file._folding)
    assert stored_rows(path) <= 60
    assert await file.states("e1") == {"n": {"k": b"199"}}


async def test_what_is_committed_while_it_is_folded_comes_after(
    file: SQLiteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(file)
    model = Model(file)
    for _ in range(20):
        await model.commit()
    for _ in range(20):
        folding = asyncio.create_task(file.checkpoint("e1"))
        while not folding.done():
            await model.commit()
        await folding
        assert await file.states("e1") == model.states
    # more rows than before are no trouble: values that are wider than a row
    wide = {f"w{i}": bytes(300_000) for i in range(5)}
    await file.commit(Commit("e1", states={"w": Delta(wide)}))
    await file.checkpoint("e1")
    assert await file.states("e1") == {**model.states, "w": wide}


async def test_an_end_while_it_is_folded_leaves_no_state(file: SQLiteLog, path: Path) -> None:
    await begin(file)
    model = Model(file)
    for _ in range(30):
        await model.commit()
    folding = asyncio.create_task(file.checkpoint("e1"))
    await finish(file)
    await folding
    assert await file.states("e1") == {}
    assert stored_rows(path) == 0


async def test_a_close_while_it_is_folded_loses_nothing(path: Path, file: SQLiteLog) -> None:
    await begin(file)
    model = Model(file)
    for _ in range(30):
        await model.commit(size=2_000)
    folding = asyncio.create_task(file.checkpoint("e1"))
    await asyncio.sleep(0)
    await file.close()
    await asyncio.wait([folding])
    await file.open()
    assert await file.states("e1") == model.states


async def test_a_state_that_is_damaged_is_not_given(
    file: SQLiteLog, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await begin(file)
    for i in range(3):
        await file.commit(Commit("e1", states={"n": Delta({"k": b"%d" % i})}))
    other = foreign(path)
    other.execute("DELETE FROM states WHERE position = 1000002")
    with pytest.raises(LogError, match="state of e1 is damaged at its row 1000003") as said:
        await file.states("e1")
    assert said.value.code == "log_corrupt"
    other.execute("DELETE FROM states WHERE position = 1000003")
    other.execute("UPDATE states SET payload = CAST(replace(payload, 'k', 'j') AS BLOB)")
    other.close()
    with pytest.raises(LogError, match="damaged at its row 1000001"):
        await file.checkpoint("e1")
    large = {"k": bytes(5_000)}
    await file.commit(Commit("e1", states={"n": Delta(large)}))
    await until(lambda: not file._folding)  # fails, is said, and commits go on
    assert "a checkpoint failed" in capsys.readouterr().out
    assert await add(file, "e1", 1) == 1


async def test_who_only_reads_makes_no_checkpoint(file: SQLiteLog, path: Path) -> None:
    await file.commit(Commit("e1", (), record("e1"), {"n": Delta({"k": b"v"})}))
    view = LogView(path)
    await view.open()
    assert await view.states("e1") == {"n": {"k": b"v"}}
    with pytest.raises(LogError, match="for reading only"):
        await view.checkpoint("e1")
    await view.close()
