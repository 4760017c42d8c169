"""Finding with ripgrep, where it is installed: it names lines, and we look at those ourselves.

It is given the files a walk found, so that it follows no rules of its own, and what it prints is only where
a line begins: the line is read through the root and looked at by the same matcher as without it. So what is
found is the same, and nothing outside the root is shown even if a name changes under its hands. A large file
is its standard input, and the offset they share says how far it is. Must not know what is done with lines.
"""

from __future__ import annotations

import os
import resource
import select
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from rxstream.adapters.tools.confined import Confined
from rxstream.adapters.tools.searching import Matcher
from rxstream.adapters.tools.working import Watch
from rxstream.errors import WorldError

_OPTIONS: Final = (
    *("--no-config", "--color=never", "--no-heading", "--null", "--line-number", "--byte-offset"),
    *("--with-filename", "--text", "--crlf", "--no-messages", "--threads=2"),
    "--engine=auto",  # what looks around goes to PCRE2, where it was built with it
    "--max-columns=1",  # the line itself is not printed
)
_PIPE_BYTES: Final = 64 * 1024
_POLL_MS: Final = 50
_IDLE_POLLS: Final = 20
"""After so many without output it is looked whether it does anything."""
_MEMORY: Final = 1 << 30


class Stuck(WorldError):
    """It waits, and not for us: a name has become a FIFO under its hands, at which nobody writes."""


class Candidate(NamedTuple):
    """A line that ripgrep found something in."""

    path: str
    number: int
    offset: int
    """Where it begins, in bytes."""


class Ripgrep:
    """One search. `program` is where it is."""

    def __init__(self, program: str, matcher: Matcher, most: int) -> None:
        self._command = [program, *_OPTIONS, f"--max-count={most}"]
        if matcher.ignore_case:
            self._command.append("--ignore-case")
        if matcher.literal:
            self._command.append("--fixed-strings")
        self._command.append(f"--regexp={matcher.wanted}")

    def understands(self, folder: Confined, watch: Watch) -> bool:
        """Whether it takes the expression: some it cannot, such as those that look around."""
        with self._started(["--", "-"], folder, subprocess.DEVNULL) as process:
            for _ in _read(process, watch):
                pass
            return not watch.late and process.wait() != 2

    def names(self, paths: Sequence[str], folder: Confined, watch: Watch) -> Iterator[Candidate]:
        """Lines of files below an open folder, those of a file in order. Raises `Stuck`."""
        arguments = ["--", *(f"./{path}" for path in paths)]
        with self._started(arguments, folder, subprocess.DEVNULL) as process:
            for path, number, offset in _candidates(process, watch, opening=True):
                if path:
                    yield Candidate(path.removeprefix("./"), number, offset)

    def input(
        self, file: Confined, watch: Watch, told: Callable[[int], object]
    ) -> Iterator[Candidate]:
        """Lines of an open file; `told` now and then how many of its bytes were read."""
        os.lseek(file.fd, 0, os.SEEK_SET)
        with self._started(["--", "-"], file, file.fd) as process:
            for path, number, offset in _candidates(process, watch):
                if path:
                    yield Candidate(file.path, number, offset)
                else:
                    told(os.lseek(file.fd, 0, os.SEEK_CUR))

    @contextmanager
    def _started(
        self, arguments: list[str], folder: Confined, stdin: int
    ) -> Iterator[subprocess.Popen[bytes]]:
        # the folder is named by its descriptor, which whoever renames folders cannot change
        where = f"/proc/self/fd/{folder.fd}" if folder.is_folder else "/"
        process = subprocess.Popen(
            [*self._command, *arguments],
            cwd=where,
            env={},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        try:
            # it holds whole lines, and a line may be as long as a disk; of what has ended nothing is limited
            with suppress(OSError):
                resource.prlimit(process.pid, resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
            yield process
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def installed() -> str | None:
    """Where ripgrep is; None where it cannot be used as it is here."""
    return shutil.which("rg") if os.path.isdir("/proc/self/fd") else None


def _read(process: subprocess.Popen[bytes], watch: Watch, opening: bool = False) -> Iterator[bytes]:
    """What it prints; nothing now and then, so that somebody can look at the time.

    Raises `Stuck` when it opens files itself and no longer does anything.
    """
    assert process.stdout is not None
    fd = process.stdout.fileno()
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    idle, worked = 0, ""
    while True:
        watch.look()
        if watch.late:
            return
        if not poll.poll(_POLL_MS):
            yield b""
            idle += 1
            if opening and idle % _IDLE_POLLS == 0:
                if (now := _work(process.pid)) == worked:
                    raise Stuck("ripgrep waits for something that does not come: try again")
                worked = now
            continue
        idle = 0
        data = os.read(fd, _PIPE_BYTES)
        if not data:
            return
        yield data


def _work(pid: int) -> str:
    """What it has done so far: time of the processor, and bytes read."""
    said = []
    for name in ("stat", "io"):
        with suppress(OSError), open(f"/proc/{pid}/{name}") as file:
            said.append(file.read())
    return f"{said[0].rpartition(')')[2].split()[11:13]}{said[1:]}" if said else ""


def _candidates(
    process: subprocess.Popen[bytes], watch: Watch, opening: bool = False
) -> Iterator[tuple[str, int, int]]:
    """Path, number of the line, its offset; an empty path where nothing came."""
    rest = b""
    for data in _read(process, watch, opening):
        if not data:
            yield "", 0, 0
        rest += data
        while True:
            # a name may hold the end of a line, so the end is looked for behind the name
            path, found, behind = rest.partition(b"\0")
            line, ended, left = behind.partition(b"\n")
            if not found or not ended:
                break
            number, offset, _ = line.split(b":", 2)
            yield os.fsdecode(path), int(number), int(offset)
            rest = left
    # 2 says that some file could not be read, which we see ourselves
    if not watch.late and (status := process.wait()) not in (0, 1, 2):
        raise WorldError(f"ripgrep died ({status}), so not all was searched: try again")
