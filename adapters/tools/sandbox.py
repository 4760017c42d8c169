"""`Sandbox`: what a command may see and take, and the way to run one inside.

The sandbox is the boundary between a machine and commands that nobody has read. Everything it allows is named
in its settings; what it does not name is not there. It must not know tools or models.
"""

from __future__ import annotations

import math
import os
import shlex
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rxstream.adapters.sources.child import STDOUT
from rxstream.adapters.tools import sandbox_bwrap as bubblewrap
from rxstream.adapters.tools import sandbox_groups as groups
from rxstream.adapters.tools.sandbox_groups import Group
from rxstream.adapters.tools.sandbox_growth import Growth
from rxstream.adapters.tools.sandbox_running import MARK, Command, Ended, Running
from rxstream.adapters.tools.sandbox_unseen import Unseen
from rxstream.adapters.tools.sandbox_user import NOBODY, launched, somebody
from rxstream.adapters.tools.sandbox_wall import told, wall
from rxstream.adapters.tools.sandbox_watch import Watch
from rxstream.errors import AuthorError, WorldError

PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_SCRATCH: Final = "/tmp"
_ACCOUNTS: Final = {
    "/etc/passwd": f"user:x:{bubblewrap.USER}:{bubblewrap.USER}::{_SCRATCH}:/bin/bash\n",
    "/etc/group": f"user:x:{bubblewrap.USER}:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
}
_MIB: Final = 1 << 20
_OURS: Final = 2
_LONGEST: Final = 100_000
"""Characters of a word; the system takes none of more than 131,071 bytes."""


@dataclass(frozen=True)
class Limits:
    """What one command may take. Bytes and seconds."""

    seconds: float = 120.0
    cpu_seconds: float = 600.0
    """Of the processors' time, of all its processes together; also of each alone, then in whole seconds."""
    memory: int = 2048 * _MIB
    """Of all its processes together; also of each alone."""
    processes: int = 256
    """Threads count too where the kernel counts."""
    output: int = 1 * _MIB
    """Of both channels together; what is more is read, counted and thrown away."""
    file_size: int = 1024 * _MIB
    """Of one file."""
    open_files: int = 1024
    """Of one process."""
    scratch: int = 256 * _MIB
    """Of `/tmp`, which is in memory and private, and of `/dev/shm`."""
    growth: int = 4096 * _MIB
    """What it may add to the folders it may write to; beyond it, the command is ended."""
    spare_disk: int = 512 * _MIB
    """What must stay free on the disks of those folders; below it, the command is ended."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise AuthorError(
                    f"the limit {name} is a finite number of at least 0, not {value!r}"
                )


@dataclass(frozen=True)
class Finished:
    """A command that ended, with what it said, up to the limit of output."""

    exit_code: int
    stdout: str
    stderr: str
    ended: Ended
    dropped: int
    """Bytes of output that were more than its limit."""


@dataclass(frozen=True)
class Sandbox:
    """What a command may see and take. Without `work` it has an empty folder in memory.

    Paths are those of the host, and the same inside; where links lead is settled when this is made. Always
    readable are the system's programs under `/usr`; homes, `/etc` as a whole and every other folder are not
    there unless they are named.
    """

    work: str | os.PathLike[str] | None = None
    """The folder it runs in and may write to."""
    readable: Sequence[str | os.PathLike[str]] = ()
    writable: Sequence[str | os.PathLike[str]] = ()
    network: bool = False
    """The whole network of the host, its loopback included."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Beside PATH, HOME, LANG, TERM, TMPDIR and USER, which can be replaced here."""
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        # a command that may write beside one of them could make it a link to anywhere for the next one
        if self.work is not None:
            object.__setattr__(self, "work", os.path.realpath(self.work))
        for name in ("readable", "writable"):
            paths = tuple(map(os.path.realpath, getattr(self, name)))
            object.__setattr__(self, name, paths)
        for name, value in self.environment.items():
            _variable(name, value)

    def describe(self) -> Mapping[str, object]:
        """What holds here, in words and numbers: which parts of the system make the boundary.

        Raises `WorldError` when this machine has none.
        """
        made = bubblewrap.found()
        kind = groups.kind()
        group = "" if kind is None else f"by the kernel (control groups {kind.version})"
        user = os.geteuid()
        writable = [*self.writable, *([] if self.work is None else [self.work])]
        if somebody([], [os.fspath(path) for path in writable]) is not None:
            user = NOBODY
        counted = "by the kernel" if user else group or "watched (the kernel does not limit root)"
        return {
            "boundary": f"bubblewrap {made.version}",
            "second_wall": told(made.path),
            "system_calls": "filtered" if made.seccomp is not None else "not filtered",
            "user_namespaces": "forbidden" if made.nested else "refused by the filter",
            "user": f"{bubblewrap.USER} inside, {user} on the host",
            "network": "the host's" if self.network else "none",
            "memory": group or "each process by the kernel, all together watched",
            "processes": counted,
            "cpu": "each process by the kernel, all together watched",
            "disk": "one file by the kernel, all together watched",
            "work": self.work,
            "readable": self.readable,
            "writable": self.writable,
            "limits": vars(self.limits),
        }

    def start(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float | None = None
    ) -> Running:
        """The command, not yet started: `async with`. Raises `WorldError` without a sandbox."""
        bubblewrap.found()
        checked(argv)
        words = tuple(argv)
        seconds = self.limits.seconds if timeout is None else min(timeout, self.limits.seconds)
        return Running(lambda: self._command(words, seconds), stdin)

    def _command(self, argv: Sequence[str], seconds: float) -> Command:
        made, limits = bubblewrap.found(), self.limits
        folder = None if self.work is None else _folder(self.work)
        readable = [*map(_present, self.readable)]
        writable = [*map(_present, self.writable), *([] if folder is None else [folder])]
        user = somebody(readable, writable)
        paths = [*readable, *writable]
        sources = paths if user is None else user.sources
        binds = list(zip(sources, paths, strict=True))
        seen = bubblewrap.seen(
            network=self.network,
            readable=binds[: len(readable)],
            writable=binds[len(readable) :],
            scratch=limits.scratch,
        )
        variables = {**_environment(), **self.environment}
        files = bubblewrap.opened(made, _ACCOUNTS)
        launch = launched([*(() if user is None else user.words), *wall(made.path)])
        program, *apart = bubblewrap.apart(made, network=self.network)
        words = [
            *apart,
            *files.arguments,  # before the root is closed
            *seen,
            *(word for pair in variables.items() for word in ("--setenv", *pair)),
            *("--chdir", folder or _SCRATCH),
        ]
        files = bubblewrap.handed(files, words)
        arguments = [
            *(*launch, program, *files.arguments, "--"),
            *limited(argv, limits, crashing=not launch),
        ]
        group, watch = _counted(limits, writable, user is not None or os.geteuid() != 0)
        return Command(
            group.entering(arguments) if group is not None else arguments,
            watch,
            files,
            group,
            # bubblewrap itself is seen inside, so it gets no variable of ours either
            environment={"PATH": PATH},
            seconds=seconds,
        )

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | bytes | None = None,
        timeout: float | None = None,
    ) -> Finished:
        """Run it to its end. A command that fails or exceeds a limit is no error: look at the result."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        return await finished(self.start(argv, stdin=given, timeout=timeout), self.limits.output)


def unboxed(
    argv: Sequence[str],
    work: str | os.PathLike[str] | None,
    limits: Limits,
    environment: Mapping[str, str],
    stdin: bytes | None = None,
    timeout: float | None = None,
) -> Running:
    """The command without any boundary: it sees and may do all that this process may.

    What it started ends with it, unless that left its session, its parents and its variables behind.
    """
    checked(argv)
    words = tuple(argv)

    def command() -> Command:
        folder = None if work is None else _folder(os.path.realpath(work))
        group, watch = _counted(limits, [] if folder is None else [folder], False)
        mark = uuid.uuid4().hex
        arguments = limited(words, limits, counted=False)
        return Command(
            group.entering(arguments) if group is not None else arguments,
            replace(watch, itself=True),
            group=group,
            cwd=folder,
            environment={**_environment(), "HOME": folder or _SCRATCH, **environment, MARK: mark},
            seconds=limits.seconds if timeout is None else min(timeout, limits.seconds),
            mark=mark,
        )

    return Running(command, stdin)


async def finished(running: Running, limit: int) -> Finished:
    """Read a command to its end, keeping at most `limit` bytes."""
    kept: dict[bool, list[bytes]] = {True: [], False: []}
    size = dropped = 0
    async with running:
        while (chunk := await running.read()) is not None:
            fd, data = chunk
            part = data[: max(0, limit - size)]
            size += len(part)
            dropped += len(data) - len(part)
            if part:
                kept[fd == STDOUT].append(part)
        ended = await running.wait()
    stdout, stderr = (b"".join(kept[each]).decode("utf-8", "replace") for each in (True, False))
    return Finished(ended.exit_code, stdout, stderr, ended, dropped)


def limited(
    argv: Sequence[str], limits: Limits, *, counted: bool = True, crashing: bool = True
) -> list[str]:
    """The command behind a shell that lowers the kernel's limits for itself first.

    Inside the sandbox, because the number of processes is counted for each user namespace; outside, where all
    that a user runs counts, it is not limited so. `crashing` unless crashes are kept from the host already.
    """
    seconds = math.ceil(limits.cpu_seconds)
    code = [
        *(["ulimit -c 0"] if crashing else []),
        # first the signal that tells why, a second later the one that nobody can ignore
        *([f"ulimit -S -t {seconds}; ulimit -H -t {seconds + 1}"] if seconds else []),
        f"ulimit -n {limits.open_files}",
        f"ulimit -f {max(1, limits.file_size // 512)}",
        f"ulimit -d {max(1, limits.memory // 1024)}",
        *([f"ulimit -u {limits.processes} || ulimit -p {limits.processes}"] if counted else []),
    ]
    # what the host allows less of than we do stays as it is
    lowered = "; ".join(f"{{ {each}; }} 2>/dev/null" for each in code)
    return ["/bin/sh", "-c", f'{lowered}; exec "$@"', "sh", *argv]


def checked(argv: Sequence[str]) -> None:
    """Raise `AuthorError` for what no system can start."""
    if not argv or not argv[0]:
        raise AuthorError("there is no command to run")
    if any("\0" in word for word in argv):
        raise AuthorError("a command cannot contain NUL")
    if max(map(len, argv)) > _LONGEST:
        raise AuthorError(
            f"the command {shlex.quote(argv[0][:40])} is longer than {_LONGEST:,} characters"
        )


def _variable(name: object, value: object) -> None:
    """Raise `AuthorError` for what cannot be a variable."""
    if not isinstance(name, str) or not name or "=" in name or "\0" in name:
        raise AuthorError(f"a variable cannot be called {str(name)[:40]!r}")
    if not isinstance(value, str) or "\0" in value or len(value) > _LONGEST:
        raise AuthorError(f"the variable {name} is text without NUL, up to {_LONGEST:,} characters")


def _counted(limits: Limits, writable: Sequence[str], counted: bool) -> tuple[Group | None, Watch]:
    """Who looks after memory, processes and processors: the kernel where it can, else we.

    Processes may be counted already, as those of a user of the sandbox.
    """
    # the processes that make the sandbox are not the command's
    processes = limits.processes + _OURS
    growth = Growth(writable, limits.growth) if writable else None
    watch = Watch(cpu=limits.cpu_seconds, growth=growth, spare_disk=limits.spare_disk)
    kind = groups.kind()
    if kind is not None:
        group = Group(kind, limits.memory, None if counted else processes)
        return group, replace(watch, cpu_taken=group.cpu_seconds)
    return None, replace(
        watch,
        memory=limits.memory,
        unseen=Unseen(limits.memory) if limits.memory else None,
        processes=0 if counted else processes,
    )


def _environment() -> dict[str, str]:
    return {
        "HOME": _SCRATCH,
        "LANG": "C.UTF-8",
        "PATH": PATH,
        "TERM": "dumb",
        "TMPDIR": _SCRATCH,
        "USER": "user",
    }


def _folder(path: str | os.PathLike[str]) -> str:
    found = _present(path)
    if not os.path.isdir(found):
        raise WorldError(f"{found} is not a folder", code="no_folder")
    if found == "/":
        raise AuthorError("the whole file system cannot be a work folder")
    return found


def _present(path: str | os.PathLike[str]) -> str:
    found = os.fspath(path)
    if not os.path.lexists(found):
        raise WorldError(f"there is no {found}", code="no_folder")
    if os.path.realpath(found) != found:
        raise WorldError(
            f"{found} leads elsewhere now, it or a folder above it was replaced by a link: "
            "nothing is run there",
            code="no_folder",
        )
    return found
