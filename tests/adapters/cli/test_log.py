"""Looking after a log from the command line: verify, stats, prune, export."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from rxstream.adapters.cli import main
from rxstream.adapters.logs import SQLiteLog
from rxstream.codec import Binary, Encoder
from rxstream.events import draft
from rxstream.log import Commit, Delta
from tests.adapters.cli.conftest import Command
from tests.adapters.cli.warm import ROOT
from tests.log.parts import add, begin, end, finish, outputs, record

LOG = ".rxstream/events.db"


def logged(here: Here) -> Path:
    """A log where commands look for it: `e1` ended long ago, `e2` now, `live` not; of graphs a, b and c."""
    path = here.folder / LOG
    asyncio.run(_write(path))
    return path


async def _write(path: Path) -> None:
    log = SQLiteLog(path)
    await log.open()
    long_ago = b"%bZ" % (datetime.now(UTC) - timedelta(days=9)).isoformat()[:26].encode()
    last = draft("pipeline_complete", None, b"{}", at=long_ago)
    await log.commit(Commit("e1", [*outputs(1, 2), last], record("e1", "completed", "a")))
    await log.commit(Commit("e2", outputs(1), record("e2", graph="b")))
    for i in range(2, 5):
        await add(log, "e2", i)
    await log.commit(Commit("e2", [end()], record("e2", "completed", "b")))
    await log.commit(
        Commit("live", outputs(7), record("live", graph="c"), {"n": Delta({"k": b"state"})})
    )
    await log.close()


def broken(path: Path, change: str) -> None:
    other = apsw.Connection(str(path))
    other.execute(change)
    other.close()


class Here:
    """The command in this process: the same, without a second to start."""

    def __init__(self, folder: Path, captured: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._captured = captured

    def run(self, *arguments: str) -> tuple[int, str, list[str]]:
        """Run to the end; returns status, stdout, lines of stderr."""
        self._captured.readouterr()
        status = main(arguments)
        out, err = self._captured.readouterr()
        return status, out, err.splitlines()


@pytest.fixture
def here(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Here:
    monkeypatch.chdir(tmp_path)
    return Here(tmp_path, capfd)


def sequences(out: str) -> list[tuple[str, int]]:
    events = [json.loads(line) for line in out.splitlines()]
    return [(event["execution_id"], event["sequence"]) for event in events]


def test_a_whole_log_verifies(here: Here) -> None:
    path = logged(here)
    status, out, said = here.run("log", "verify")
    assert (status, out) == (0, "")
    assert said == [f"{path}: 9 events of 3 executions, all as they were written"]


def test_each_damaged_place_is_told_and_the_rest_is_exported(here: Here) -> None:
    path = logged(here)
    broken(path, "UPDATE events SET payload = zeroblob(length(payload)) WHERE first IN (2, 4)")
    broken(path, "UPDATE states SET payload = zeroblob(3)")
    status, out, said = here.run("log", "verify")
    assert status == 1
    assert out.splitlines() == [
        "e2: events 2 to 2 are not what was written",
        "e2: events 4 to 4 are not what was written",
        "live: its state is not what was written at row 1000001",
    ]
    assert said == [
        f"rxstream: {path}: 3 places damaged, listed above; 7 events of 3 executions are as they were "
        "written and can be read: take them out with `rxstream log export`"
    ]
    status, out, _ = here.run("log", "verify", "--json")
    assert json.loads(out.splitlines()[0]) == {
        "execution_id": "e2", "first": 2, "last": 2, "what": "events 2 to 2 are not what was written"
    }  # fmt: skip
    status, out, said = here.run("log", "export", "--execution", "e2")
    assert status == 1
    assert sequences(out) == [("e2", 1), ("e2", 3), ("e2", 5)]
    assert said[0].startswith("events 2 to 2 of e2 are damaged: go on after 2")
    assert said[-1].startswith(f"rxstream: {path}: 2 damaged places were left out")


def test_what_is_lost_is_told_too(here: Here) -> None:
    path = logged(here)
    broken(path, "DELETE FROM events WHERE first = 3")
    status, out, _ = here.run("log", "verify")
    assert (status, out) == (1, "e2: events 3 to 3 are missing\n")
    status, out, said = here.run("log", "export", "--graph", "b")
    assert (status, sequences(out)) == (1, [("e2", 1), ("e2", 2), ("e2", 4), ("e2", 5)])
    assert said[0] == "events 3 to 3 of e2 are missing"


def test_it_counts_what_a_log_holds(here: Here) -> None:
    logged(here)
    status, out, said = here.run("log", "stats")
    assert (status, said) == (0, [])
    assert "executions  2 completed, 1 running" in out
    assert "events      9, " in out
    status, out, said = here.run("log", "stats", "--json")
    told = json.loads(out)
    assert told["executions"] == {"completed": 2, "running": 1}
    assert told["graphs"] == {"a": 1, "b": 1, "c": 1}
    assert told["events"] == 9
    assert told["state_bytes"] == told["largest_state_bytes"] > 5
    assert told["oldest"] < told["newest"]


def test_an_empty_log_counts_nothing(here: Here) -> None:
    path = here.folder / "empty.db"

    async def make() -> None:
        log = SQLiteLog(path)
        await log.open()
        await log.close()

    asyncio.run(make())
    status, out, _ = here.run("log", "stats", "--log", "empty.db")
    assert status == 0
    assert "executions  none" in out
    assert "newest      never" in out


@pytest.mark.parametrize(
    ("limits", "gone"),
    [
        (["--older-than", "7d"], ["e1"]),
        (["--keep", "1"], ["e1"]),
        (["--keep", "0", "--graph", "b"], ["e2"]),
        (["--max-bytes", "1.2kB"], ["e1"]),
        (["--older-than", "240h"], []),
    ],
)  # fmt: skip
def test_what_is_beyond_the_limits_goes(here: Here, limits: list[str], gone: list[str]) -> None:
    logged(here)
    status, out, said = here.run("log", "prune", *limits, "--dry-run")
    assert (status, out.split()) == (0, gone)
    assert said[0].startswith("would take 1 execution" if gone else "nothing to take")
    assert len(sequences(here.run("log", "export")[1])) == 9
    status, out, said = here.run("log", "prune", *limits)
    assert (status, out.split()) == (0, gone)
    left = {execution_id for execution_id, _ in sequences(here.run("log", "export")[1])}
    assert left == {"e1", "e2", "live"} - set(gone)
    assert here.run("log", "verify")[0] == 0


def test_old_events_of_what_has_not_ended_can_go(here: Here) -> None:
    logged(here)
    status, _, said = here.run("log", "prune", "--max-events", "2")
    assert status == 0
    assert said[0].startswith("took 0 executions and the oldest events of 1: 3 events, ")
    assert sequences(here.run("log", "export", "--execution", "e2")[1]) == [
        ("e2", 4),
        ("e2", 5),
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["prune"],
         "nothing was said to go: give --older-than, --keep, --max-bytes or --max-events"),
        (["prune", "--older-than", "soon"],
         "Invalid value for '--older-than': 'soon' is no duration: write it as 7d (s, m, h, d) "
         "(see rxstream log prune --help)"),
        (["prune", "--max-bytes", "1XB"],
         "Invalid value for '--max-bytes': '1XB' is no size: write it as 1GB (b, kb, mb, gb, tb) "
         "(see rxstream log prune --help)"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line(here: Here, arguments: list[str], line: str) -> None:
    assert here.run("log", *arguments) == (2, "", [f"rxstream: {line}"])


@pytest.mark.parametrize("command", ["verify", "stats", "export", "prune --keep 1"])
def test_a_log_that_is_not_there_is_not_made(here: Here, command: str) -> None:
    status, out, said = here.run("log", *command.split(), "--log", "none.db")
    assert (status, out) == (2, "")
    path = here.folder / "none.db"
    assert said == [f"rxstream: there is no event log at {path}: name its file with --log or log="]
    assert not path.exists()


def test_a_log_that_is_written_can_be_read_but_not_pruned(here: Here) -> None:
    path = here.folder / "busy.db"
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.log.writing", str(path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout is not None
        for _ in range(20):
            writer.stdout.readline()
        assert here.run("log", "verify", "--log", "busy.db")[0] == 0
        assert here.run("log", "stats", "--log", "busy.db")[0] == 0
        assert here.run("log", "prune", "--log", "busy.db", "--keep", "1", "--dry-run")[0] == 0
        status, _, said = here.run("log", "prune", "--log", "busy.db", "--keep", "1")
        assert status == 1
        assert f"busy.db is written by process {writer.pid} on " in said[0]
    finally:
        writer.kill()
        writer.communicate()


def test_binary_data_is_exported_as_files(here: Here) -> None:
    path = here.folder / LOG
    blob = Binary(b"\x00picture", "image/png")
    event = draft("step_output", "n", Encoder(lambda sha256: f"/{sha256}").encode(blob))

    async def write() -> None:
        log = SQLiteLog(path)
        await log.open()
        await log.commit(Commit("e1", [event, event], record("e1"), blobs={blob.sha256: blob}))
        await begin(log, "e2", 1)
        await finish(log, "e2")
        await log.close()

    asyncio.run(write())
    status, out, _ = here.run("log", "export", "-o", "all.jsonl", "--blobs", "files")
    assert (status, out) == (0, "")
    assert len(sequences((here.folder / "all.jsonl").read_text())) == 4
    assert (here.folder / "files" / blob.sha256).read_bytes() == b"\x00picture"
    assert {p.name for p in here.folder.iterdir()} == {".rxstream", "all.jsonl", "files"}
    broken(path, "UPDATE blobs SET data = x'00'")
    (here.folder / "files" / blob.sha256).unlink()
    status, _, said = here.run("log", "export", "-o", "again.jsonl", "--blobs", "files")
    assert status == 1
    assert said[0] == f"the stored bytes of {blob.sha256} are damaged"
    status, out, _ = here.run("log", "verify")
    assert (status, out) == (1, f"e1: its blob {blob.sha256} is not what was written\n")


def test_nobody_who_reads_ends_it(rxstream: Command) -> None:
    path = rxstream.folder / LOG

    async def write() -> None:
        log = SQLiteLog(path, power_safe=False)
        await log.open()
        await begin(log, "e1", *range(5_000))
        await log.close()

    asyncio.run(write())
    running = rxstream.start("log", "export")
    running.until(lambda r: r.out, "the first line")
    assert running.process.stdout is not None
    running.process.stdout.close()
    assert running.process.wait(20) == 141
