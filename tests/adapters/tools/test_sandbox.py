"""The sandbox's limits against commands that want more, and what it gives those that do not."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from rxstream.adapters.tools import sandbox, sandbox_groups
from rxstream.adapters.tools.sandbox import Limits, Sandbox
from rxstream.adapters.tools.sandbox_running import Ended
from rxstream.adapters.tools.sandbox_user import NOBODY
from rxstream.errors import AuthorError, WorldError
from tests.adapters.tools.boxing import MIB, python, ran
from tests.adapters.tools.calling import alive

pytestmark = pytest.mark.usefixtures("boundary")


async def until(word: bytes, code: str, **limits: Any) -> Ended:
    """A shell command that is stopped when it has said a word; nothing of it may be left."""
    mark = uuid.uuid4().hex
    box = Sandbox(environment={"MARK": mark}, limits=Limits(**{"seconds": 20, **limits}))
    said = b""
    async with box.start(["bash", "-c", code]) as running:
        while word not in said and (chunk := await running.read()) is not None:
            said += chunk[1]
        running.stop()
        ended = await running.wait()
    assert word in said
    assert alive(mark) == []
    return ended


# --- commands that want more than they may have ------------------------------------------------


@pytest.fixture(params=["user", "group"])
def counted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel counts processes: those of a user who is not root, or those of a control group."""
    if request.param == "user":
        monkeypatch.setattr(sandbox_groups, "kind", lambda: None)
    else:
        monkeypatch.setattr(sandbox, "somebody", lambda readable, writable: None)
    if "watched" in str(Sandbox().describe()["processes"]):
        pytest.skip(f"missing: what lets the kernel count processes by {request.param} for root")


BOMB = 'b(){ setsid bash -c "$(declare -f b); b" & b | b & }; b; sleep 5'
"""It doubles, and every other one leaves its session."""
ZOMBIES = "python3 -c 'import os\nwhile os.fork(): pass\nos._exit(0)'; sleep 5"
"""Each ends at once, and nobody waits for it."""


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("code", [BOMB, ZOMBIES], ids=["bomb", "zombies"])
async def test_processes_beyond_their_number_are_not_made(code: str) -> None:
    said = await until(b"Resource temporarily unavailable", code, processes=30)
    assert said.ended_by == "cancelled"


async def test_too_many_processes_are_seen_where_the_kernel_does_not_count(
    tmp_path: Path, watched: None
) -> None:
    code = "for i in {1..60}; do sleep 30 & done; wait; echo all"
    done = await ran(tmp_path, code, processes=30, seconds=5)
    assert done.ended.ended_by == "processes" or "unavailable" in done.stderr
    assert "all" not in done.stdout


async def test_one_process_has_no_more_memory_than_the_limit(tmp_path: Path) -> None:
    done = await ran(tmp_path, "head -c 500M /dev/zero | tail -c 400M | wc -c", memory=64 * MIB)
    assert done.stdout.strip() != str(400 * MIB)
    assert "memory" in done.stderr or done.ended.ended_by == "memory"


@pytest.fixture(params=["kernel", "watched"])
def who_counts(request: pytest.FixtureRequest) -> None:
    """Limits of memory are kept in both ways; where there are no control groups they are one."""
    if request.param == "watched":
        request.getfixturevalue("watched")


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose control groups are not ours to make, and where root can be nobody else."""
    monkeypatch.setattr(sandbox_groups, "kind", lambda: None)
    monkeypatch.setattr(sandbox, "somebody", lambda readable, writable: None)


async def test_many_processes_have_no_more_together(tmp_path: Path, who_counts: None) -> None:
    each = "x=$(head -c 20000000 /dev/zero | tr '\\0' x); sleep 30"
    done = await ran(tmp_path, f"for i in {{1..8}}; do ({each}) & done; wait", memory=64 * MIB)
    assert done.ended.ended_by == "memory"


async def test_memory_that_is_shared_counts(tmp_path: Path, who_counts: None) -> None:
    code = "import mmap\nm = mmap.mmap(-1, 1 << 29)\nfor at in range(0, 1 << 29, 4096): m[at] = 1\n"
    done = await python(tmp_path, f"{code}\nimport time; time.sleep(30)", memory=64 * MIB)
    assert done.ended.ended_by == "memory"


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.memfd_create('x')",
        "import ctypes; assert ctypes.CDLL(None).shmget(0, 4096, 0o1600) >= 0",
    ],
    ids=["file", "segment"],
)
async def test_memory_that_belongs_to_nobody_is_not_to_be_had(tmp_path: Path, code: str) -> None:
    assert (await python(tmp_path, code)).exit_code != 0


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
async def test_folders_in_memory_have_a_size(tmp_path: Path, folder: str) -> None:
    done = await ran(tmp_path, f"head -c 9M /dev/zero > {folder}/x", scratch=4 * MIB)
    assert "No space left" in done.stderr


def test_no_control_group_is_left_behind() -> None:
    kind = sandbox_groups.kind()
    if kind is not None:
        group = sandbox_groups.Group(kind, 1 << 30, 10)
        made = group.entering(["true"])[4:-2]
        assert all(os.path.exists(path) for path in made)
        group.remove()
        assert not any(os.path.exists(path) for path in made)


async def test_a_file_has_a_largest_size(tmp_path: Path) -> None:
    done = await ran(tmp_path, "head -c 9M /dev/zero > x", file_size=4 * MIB)
    assert done.exit_code != 0
    assert (tmp_path / "x").stat().st_size == 4 * MIB


async def test_the_disk_is_not_filled(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path)
    spare = free.f_bavail * free.f_frsize - 24 * MIB
    code = "for i in {1..99}; do head -c 8M /dev/zero > $i; sleep 0.05; done; echo all"
    done = await ran(tmp_path, code, spare_disk=spare)
    assert done.ended.ended_by == "disk"
    assert len(os.listdir(tmp_path)) < 60


async def test_files_can_be_open_up_to_a_number(tmp_path: Path) -> None:
    done = await ran(
        tmp_path, 'for i in {10..90}; do eval "exec $i</dev/null"; done', open_files=32
    )
    assert "Too many open files" in done.stderr or "Bad file descriptor" in done.stderr


async def test_endless_output_is_read_thrown_away_and_ended(tmp_path: Path) -> None:
    done = await ran(tmp_path, "yes", output=10_000, seconds=0.8)
    assert len(done.stdout) == 10_000
    assert done.dropped > 0
    assert done.ended.ended_by == "time"


@pytest.mark.parametrize(
    "code",
    [
        "sleep 1000",
        "exec >/dev/null 2>&1 </dev/null; exec >&- 2>&- <&-; while :; do :; done",
        "trap '' HUP INT QUIT TERM PIPE; while :; do sleep 1; done",
        "kill -STOP $$",
        "kill -STOP -1",
        "setsid sh -c 'trap \"\" TERM HUP; sleep 1000' & disown -a; wait; sleep 1000",
        "(( (sleep 1000 &) &) &); sleep 1000",
        "while :; do (setsid sleep 1000 &); sleep 0.01; done",
        "kill -STOP 1; kill -KILL 1; kill -KILL 0 & sleep 1000",
    ],
    ids=[
        *("sleeps", "closes", "ignores", "stops", "stops-all", "leaves", "orphans", "spawns"),
        "kills-the-first",
    ],
)
async def test_whatever_it_does_it_ends_when_it_is_to(code: str) -> None:
    ended = await until(b"up", f"echo up; {code}")
    assert ended.exit_code != 0


async def test_killing_everybody_kills_only_itself(tmp_path: Path) -> None:
    done = await ran(tmp_path, "kill -KILL -1; kill -KILL $PPID; echo alive")
    assert done.ended.ended_by in (None, "time")


async def test_nothing_goes_on_after_its_command(tmp_path: Path) -> None:
    code = "(setsid sh -c 'sleep 0.5; echo late > late') & disown; exit 0"
    done = await ran(tmp_path, code)
    assert done.exit_code == 0
    assert not (tmp_path / "late").exists()


ORPHANED = """
import asyncio
from rxstream.adapters.tools.sandbox import Sandbox

async def main():
    command = ["sh", "-c", "echo up; setsid sleep 1000"]
    async with Sandbox(environment={"MARK": MARK}).start(command) as running:
        await running.read()
        print("up", flush=True)
        await running.read()

asyncio.run(main())
"""


def test_it_ends_when_whoever_started_it_is_killed() -> None:
    mark = uuid.uuid4().hex
    code = ORPHANED.replace("MARK}", f"{mark!r}}}")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"up\n"
        assert alive(mark)
        started.kill()
    deadline = time.monotonic() + 30
    while left(mark, started.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left(mark, started.pid) == []


def left(mark: str, host: int) -> list[object]:
    """What a host that was killed has left, processes and control groups, once another has begun."""
    kind = sandbox_groups.kind()
    if kind is None:
        return [*alive(mark)]
    sandbox_groups.sweep(kind)
    return [*alive(mark), *kind.memory.glob(f"rxstream-{host}-*")]


async def test_root_is_not_root_on_the_host(tmp_path: Path) -> None:
    told = str(Sandbox(tmp_path).describe()["user"])
    if os.geteuid() == 0 and told.endswith(" 0 on the host"):
        pytest.skip("missing: a file system whose folders can be shown to somebody else as theirs")
    kept = tmp_path / "kept"
    kept.write_text("root's own")
    kept.chmod(0o600)
    code = f"cat kept; echo more > made; sleep 30; : {tmp_path}"
    async with Sandbox(tmp_path).start(["bash", "-c", code]) as running:
        assert await running.read() == (1, b"root's own")
        users = {each.uids().real for each in alive(f": {tmp_path}") if each.name() == "bash"}
    assert users == {NOBODY if os.geteuid() == 0 else os.geteuid()}
    assert (tmp_path / "made").stat().st_uid == os.geteuid()


# --- and what others get -----------------------------------------------------------------------


async def test_input_reaches_it_and_output_comes_back(tmp_path: Path) -> None:
    done = await Sandbox(tmp_path).run(["tr", "a-z", "A-Z"], stdin="whole\n" * 50_000)
    assert done.stdout == "WHOLE\n" * 50_000
    assert (done.exit_code, done.dropped) == (0, 0)


async def test_without_a_folder_it_has_one_in_memory() -> None:
    done = await Sandbox().run(["sh", "-c", "pwd; echo x > x && ls"])
    assert done.stdout == "/tmp\nx\n"


async def test_other_folders_are_there_if_they_are_named(tmp_path: Path) -> None:
    read, write, work = (tmp_path / name for name in ("read", "write", "work"))
    for folder in (read, write, work):
        folder.mkdir()
    (read / "file").write_text("readable")
    box = Sandbox(work, readable=[read], writable=[write])
    done = await box.run(["sh", "-c", f"cat {read}/file; echo x > {write}/x; echo x > {read}/x"])
    assert done.stdout == "readable"
    assert "Read-only file system" in done.stderr
    assert (write / "x").exists()


@pytest.mark.parametrize(("network", "said"), [(True, "reached"), (False, "")])
async def test_the_network_is_there_if_it_is_given(network: bool, said: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"reached")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        code = f"exec 3<>/dev/tcp/127.0.0.1/{port} && cat <&3"
        done = await Sandbox(network=network).run(["bash", "-c", code])
    assert done.stdout == said


async def test_its_variables_are_those_it_was_given(tmp_path: Path) -> None:
    done = await Sandbox(tmp_path, environment={"WORD": "given", "LANG": "C"}).run(["env"])
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert variables.keys() - {"PWD", "OLDPWD", "SHLVL", "_"} == {
        *("HOME", "LANG", "PATH", "TERM", "TMPDIR", "USER", "WORD")
    }
    assert (variables["WORD"], variables["LANG"], variables["HOME"]) == ("given", "C", "/tmp")


async def test_nobody_on_the_host_sees_its_variables(tmp_path: Path) -> None:
    secret = uuid.uuid4().hex
    box = Sandbox(tmp_path, environment={"SECRET": secret})
    async with box.start(["bash", "-c", "echo $SECRET; sleep 30"]) as running:
        assert await running.read() == (1, f"{secret}\n".encode())
        seen = [word for each in alive(secret) for word in each.cmdline()]
        running.stop()
    assert seen != []
    assert not any(secret in word for word in seen)


async def test_it_is_somebody(tmp_path: Path) -> None:
    done = await Sandbox(tmp_path).run(["sh", "-c", "whoami; id -u; hostname"])
    assert done.stdout == "user\n1000\nsandbox\n"


async def test_a_command_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    done = await Sandbox(tmp_path).run(["no-such-program"])
    assert done.exit_code == 127
    assert "not found" in done.stderr


@pytest.mark.parametrize("argv", [[], [""], ["a\0b"], ["x" * 100_001]])
async def test_what_cannot_be_started_is_refused(argv: list[str]) -> None:
    with pytest.raises(AuthorError):
        await Sandbox().run(argv)


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    for box in (Sandbox(tmp_path / "none"), Sandbox(readable=[tmp_path / "none"])):
        with pytest.raises(WorldError, match=r"there is no .*none"):
            await box.run(["true"])
    with pytest.raises(AuthorError, match="whole file system"):
        await Sandbox("/").run(["true"])


async def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    whole, inner, secret = (tmp_path / name for name in ("whole", "whole/inner", "secret"))
    for folder in (whole, inner, secret):
        folder.mkdir()
    boxes = [Sandbox(inner), Sandbox(readable=[inner]), Sandbox(writable=[inner])]
    assert (await ran(whole, f"rmdir inner; ln -s {secret} inner")).exit_code == 0
    for box in boxes:
        with pytest.raises(WorldError, match="replaced by a link"):
            await box.run(["sh", "-c", f"echo x > {inner}/x"])
    assert os.listdir(secret) == []


async def test_a_link_that_comes_at_the_last_moment_is_not_followed_for_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0 or " 0 on the host" in str(Sandbox(tmp_path).describe()["user"]):
        pytest.skip("missing: root, and folders that can be shown to somebody else as theirs")
    work, secret = tmp_path / "work", tmp_path / "secret"
    box = Sandbox(work)
    secret.mkdir()
    work.symlink_to(secret)
    monkeypatch.setattr(sandbox, "_present", str)
    with pytest.raises(WorldError, match="symbolic links"):
        await box.run(["sh", "-c", "echo x > x"])
    assert os.listdir(secret) == []


@pytest.mark.parametrize("name", [b"a b\n", b"\xff\xe9", b"-rf", b"a\\134b", b"$(x)"])
async def test_a_folder_may_have_any_name(tmp_path: Path, name: bytes) -> None:
    folder = os.path.join(os.fsencode(tmp_path), name)
    os.mkdir(folder)
    assert (await Sandbox(os.fsdecode(folder)).run(["sh", "-c", "echo x > x"])).exit_code == 0
    assert os.listdir(folder) == [b"x"]


@pytest.mark.parametrize(
    "environment",
    [{"A=B": "x"}, {"": "x"}, {"A": "x\0"}, {"A\0": "x"}, {"A": "x" * 200_000}, {"A": 1}],
    ids=["equals", "empty", "nul", "nul-name", "long", "number"],
)
def test_what_cannot_be_a_variable_is_refused(environment: dict[str, Any]) -> None:
    with pytest.raises(AuthorError, match="variable"):
        Sandbox(environment=environment)


def test_a_limit_is_a_number() -> None:
    with pytest.raises(AuthorError, match="the limit seconds"):
        Limits(seconds=float("inf"))


def test_what_holds_is_said(tmp_path: Path, boundary: str) -> None:
    told = Sandbox(tmp_path, network=True).describe()
    assert told["boundary"] == f"bubblewrap {boundary}"
    assert told["system_calls"] == "filtered"
    assert (told["network"], told["work"]) == ("the host's", str(tmp_path))
    assert Sandbox().describe()["network"] == "none"
