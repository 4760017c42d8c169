from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from rxstream.adapters import sources
from rxstream.errors import AuthorError, WorldError
from rxstream.stream import Stream

from .running import Run, everything, running, until


def python(code: str, *args: str, **settings: Any) -> Stream[Any]:
    return sources.subprocess(sys.executable, "-c", code, *args, **settings)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


_known: set[psutil.Process] = set()


@pytest.fixture(autouse=True)
def known() -> None:
    """What other tests share for longer (a model's server, a tracker) is not ours."""
    _known.clear()
    _known.update(psutil.Process().children())


def children() -> list[psutil.Process]:
    """What the test itself has started and not ended."""
    return [child for child in psutil.Process().children() if child not in _known]


async def pids(run: Run, count: int) -> list[int]:
    return [int(line) for line in await run.take(count)]


async def test_lines_are_what_the_program_writes() -> None:
    assert await everything(sources.subprocess("printf", "a\\r\\nö 漢\\n\\nno end")) == [
        "a",
        "ö 漢",
        "",
        "no end",
    ]
    assert await everything(sources.subprocess("true")) == []


async def test_chunks_are_what_the_program_writes() -> None:
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 4096)"
    assert b"".join(await everything(python(code, lines=False))) == bytes(range(256)) * 4096


async def test_a_line_longer_than_any_buffer_of_asyncio_is_whole() -> None:
    assert await everything(python("print('x' * 900_000); print('y')")) == ["x" * 900_000, "y"]
    with pytest.raises(WorldError, match=r"a line of the stdout of .* is longer than 1000 bytes"):
        await everything(python("print('x' * 5000)", max_line=1_000))


async def test_both_channels_are_tagged() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); print('end')"
    found = await everything(python(code, channel="both"))
    assert [e["text"] for e in found if e["channel"] == "stdout"] == ["out", "end"]
    assert [e["text"] for e in found if e["channel"] == "stderr"] == ["err"]
    assert await everything(python(code, channel="stderr")) == ["err"]


async def test_stdin_environment_and_folder_are_given(tmp_path: Path) -> None:
    assert await everything(sources.subprocess("cat", stdin="a\nö")) == ["a", "ö"]
    assert await everything(sources.subprocess("cat")) == []
    code = "import os; print(os.getcwd(), os.environ.get('X'))"
    assert await everything(python(code, cwd=tmp_path, env={"X": "y"})) == [f"{tmp_path} y"]


async def test_stdin_larger_than_a_pipe_is_written_while_output_is_read() -> None:
    data = b"x" * 99 + b"\n"
    assert len(await everything(sources.subprocess("cat", stdin=data * 20_000))) == 20_000


async def test_stdin_that_nobody_reads_is_no_error() -> None:
    assert await everything(sources.subprocess("true", stdin=b"x" * 1_000_000)) == []


async def test_a_failure_shows_the_last_lines_of_stderr() -> None:
    code = "import sys; print('out'); print('first\\nboom\\nbang', file=sys.stderr); sys.exit(3)"
    async with running(python(code)) as run:
        assert await run.take(1) == ["out"]
        with pytest.raises(
            WorldError, match=r"ended with status 3: first / boom / bang$"
        ) as raised:
            await run.rest()
    assert raised.value.code == "process_failed"
    assert raised.value.detail == {"status": 3, "stderr": ["first", "boom", "bang"]}
    assert await everything(python(code, check=False)) == ["out"]


async def test_much_stderr_neither_blocks_the_program_nor_is_kept() -> None:
    code = "import sys; [print('e' * 100, i, file=sys.stderr) for i in range(20_000)]; sys.exit(1)"
    with pytest.raises(WorldError) as raised:
        await everything(python(code))
    assert raised.value.detail["stderr"][-1] == "e" * 100 + " 19999"
    assert len(raised.value.detail["stderr"]) == 20


async def test_a_signal_is_named() -> None:
    code = "import os, sys; os.kill(os.getpid(), int(sys.argv[1]))"
    with pytest.raises(WorldError, match="was ended by SIGKILL and wrote nothing to stderr"):
        await everything(python(code, str(int(signal.SIGKILL))))
    with pytest.raises(WorldError, match=f"was ended by signal {signal.SIGRTMIN + 1}"):
        await everything(python(code, str(signal.SIGRTMIN + 1)))


async def test_what_cannot_be_started_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a program")
    cases: list[tuple[str, Path | None, str]] = [
        ("no-such-program", None, "cannot start no-such-program: no such program"),
        ("true", tmp_path / "none", "cannot start true: there is no folder"),
        (str(tmp_path / "text"), None, "permission denied"),
    ]
    for program, cwd, reason in cases:
        with pytest.raises(WorldError, match=reason) as raised:
            await everything(sources.subprocess(program, cwd=cwd))
        assert raised.value.code == "process_not_started"


async def test_an_endless_program_is_read_only_as_far_as_wanted() -> None:
    async with running(sources.subprocess("yes", "x" * 1_000), wanted=1) as run:
        await run.take(10)
        (yes,) = children()
        before = psutil.Process().memory_info().rss
        # what `yes` writes fills our buffer and the pipe, and then it waits in its own `write`
        while (now := written(yes.pid)) == 0 or now != await later(written, yes.pid):
            assert now < 2_000_000
        assert psutil.Process().memory_info().rss - before < 4_000_000
        assert len(await run.take(2_000)) >= 2_000


def written(pid: int) -> int:
    """Bytes it has written so far."""
    return int(Path(f"/proc/{pid}/io").read_text().split("wchar: ")[1].split()[0])


async def later(look: Callable[[int], int], pid: int) -> int:
    await asyncio.sleep(0.05)
    return look(pid)


TREE = """
import os, subprocess, sys, time
child = subprocess.Popen(["sh", "-c", "sleep 1000 & echo $!; wait"], stdout=subprocess.PIPE, text=True)
away = subprocess.Popen(["sleep", "1000"], start_new_session=True)
print(os.getpid(), child.pid, int(child.stdout.readline()), away.pid, sep="\\n", flush=True)
time.sleep(1000)
"""


async def test_disposing_ends_the_process_and_everything_it_started() -> None:
    async with running(python(TREE)) as run:
        family = await pids(run, 4)
        assert all(map(alive, family))
    assert not any(map(alive, family))
    assert children() == []


async def test_what_ignores_term_is_killed_after_the_grace() -> None:
    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(os.getpid(), flush=True); time.sleep(1000)"
    )
    async with running(python(code, grace=0.1)) as run:
        (pid,) = await pids(run, 1)
    assert not alive(pid)
    assert children() == []


async def test_what_obeys_term_may_say_goodbye_into_a_full_pipe(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "def leave(*_):\n"
        "    sys.stdout.write('y' * 500_000); sys.stdout.flush()\n"
        "    open('goodbye', 'w').close(); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "print(os.getpid(), flush=True)\n"
        "signal.pause()\n"
    )
    async with running(python(code, cwd=tmp_path, grace=10)) as run:
        await pids(run, 1)
    assert (tmp_path / "goodbye").exists()


async def test_a_reader_cancelled_twice_still_leaves_nothing_behind() -> None:
    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(os.getpid(), flush=True); time.sleep(1000)"
    )
    found: list[str] = []

    async def read() -> None:
        async with running(python(code, grace=1_000)) as run:
            found.extend(await run.take(1))
            await run.step()

    task = asyncio.create_task(read())
    await until(lambda: found)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0.01)
    await until(lambda: not alive(int(found[0])))
    assert children() == []


async def test_a_program_that_ends_leaves_nothing_running() -> None:
    quiet = "sleep 1000 >/dev/null 2>&1 & echo $!"
    loud = "sleep 1000 & echo $!"
    for script in (quiet, loud):
        (pid,) = await everything(sources.subprocess("sh", "-c", script, grace=0.1))
        assert not alive(int(pid))
    assert children() == []


async def test_what_a_left_child_still_writes_is_read() -> None:
    script = "(sleep 0.05; echo late) & echo early"
    assert await everything(sources.subprocess("sh", "-c", script)) == ["early", "late"]


async def test_file_descriptors_are_released() -> None:
    process = psutil.Process()
    await everything(sources.subprocess("true"))
    before = process.num_fds()
    for _ in range(5):
        async with running(sources.subprocess("yes")) as run:
            await run.step()
        await everything(sources.subprocess("cat", stdin="x"))
    await until(lambda: process.num_fds() <= before)


async def test_a_stream_of_a_process_runs_in_a_graph_and_ends_with_its_reader() -> None:
    assert await sources.subprocess("printf", "a\\nb\\n") == "b"
    async for line in sources.subprocess("yes"):
        assert line == "y"
        break
    await until(lambda: children() == [])


def test_a_wrong_use_is_refused_when_drawn() -> None:
    with pytest.raises(AuthorError, match="needs a program"):
        sources.subprocess()
    with pytest.raises(AuthorError, match="no channel 'out'"):
        sources.subprocess("true", channel="out")  # type: ignore[arg-type]  # that is the point
    assert sources.subprocess("echo", "a b").spec.arguments["command"] == "echo 'a b'"
    assert children() == []
