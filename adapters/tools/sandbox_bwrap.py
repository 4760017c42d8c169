"""What bubblewrap is told: a root of the system's programs, one writable folder, nothing else of the host.

The root is an allow-list. Programs and libraries are there, read-only, and of `/etc` what programs need and
no secret; homes, `/run`, `/var`, `/sys` and every other process are not hidden but absent. Whoever runs as
root maps the host's root into the sandbox, and the kernel would let that user write `/proc/sys`: it and its
like are read-only by mounts of their own. It must not know what the command is.
"""

from __future__ import annotations

import functools
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from rxstream.adapters.tools.sandbox_seccomp import program
from rxstream.errors import WorldError

USER: Final = 1000
"""Who the command is inside, user and group; outside it stays whoever runs this."""
INSTALL: Final = (
    "install bubblewrap (apt-get install bubblewrap, dnf install bubblewrap), or "
    "allow commands to run without: sandbox=None, allow_unsandboxed=True"
)
ALLOW: Final = (
    "allow user namespaces, or allow commands to run without: sandbox=None, allow_unsandboxed=True"
)

_PROGRAMS: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
_OF_ETC: Final = (
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "perl",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "python3",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
)
_OF_ETC_WITH_NETWORK: Final = ("gai.conf", "host.conf", "resolv.conf")
_PROC_BLANK: Final = (
    "cmdline",
    "kallsyms",
    "keys",
    "key-users",
    "latency_stats",
    "sched_debug",
    "timer_list",
)
"""World-readable, and about the host; with them whatever is for the host's root alone."""
_WRITABLE: Final = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_TRIED_S: Final = 10


Bind: TypeAlias = tuple[str, str]
"""Where a folder is now, and where it is inside."""


@dataclass(frozen=True)
class Bubblewrap:
    """The program that makes the sandbox, as found on this machine."""

    path: str
    version: str
    seccomp: bytes | None
    """The filter it loads; None on a kind of machine we have none for."""
    nested: bool
    """Whether it can forbid further user namespaces."""


@dataclass(frozen=True)
class Files:
    """What it hands over as open files: their contents, and the number each has in the arguments."""

    arguments: tuple[str, ...] = ()
    opened: tuple[int, ...] = ()

    def close(self) -> None:
        """Ours; the child has its own by then."""
        for each in self.opened:
            os.close(each)


NO_FILES: Final = Files()


@functools.lru_cache(maxsize=1)
def found() -> Bubblewrap:
    """The one of this machine, tried once. Raises `WorldError` when there is none that works."""
    path = shutil.which("bwrap")
    if path is None:
        raise WorldError(f"no sandbox on this machine: {INSTALL}", code="no_sandbox")
    version = _said(path, "--version").stdout.split()[-1:]
    made = Bubblewrap(path, "".join(version), program(), True)
    for nested in (True, False):
        made = Bubblewrap(path, made.version, made.seccomp, nested)
        files = opened(made)
        try:
            arguments = ["--ro-bind", "/", "/", "--proc", "/proc", *files.arguments, "true"]
            tried = _said(*apart(made, network=False), *arguments, files=files)
        finally:
            files.close()
        if tried.returncode == 0:
            return made
    lines = tried.stderr.strip().splitlines() or ["it said nothing"]
    raise WorldError(
        f"bubblewrap does not work on this machine ({lines[-1]}): {ALLOW}", code="no_sandbox"
    )


def apart(made: Bubblewrap, *, network: bool) -> list[str]:
    """How every command is set apart from the host, before what it sees."""
    user = str(USER)
    said = [made.path, "--unshare-all", "--unshare-user", "--uid", user, "--gid", user]
    if network:
        said.append("--share-net")
    if made.nested:
        said.append("--disable-userns")
    return [*said, "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]


def seen(
    *, network: bool, readable: Iterable[Bind], writable: Iterable[Bind], scratch: int
) -> Iterator[str]:
    """What the command sees of files; later words cover earlier ones."""
    for path in _PROGRAMS:
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        elif os.path.isdir(path):
            yield from ("--ro-bind", path, path)
    for name in (*_OF_ETC, *(_OF_ETC_WITH_NETWORK if network else ())):
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    yield from ("--proc", "/proc")
    yield from _proc()
    size = ("--size", str(scratch), "--tmpfs")
    yield from ("--dev", "/dev", *size, "/dev/shm", "--remount-ro", "/dev")
    yield from (*size, "/tmp", "--symlink", "../tmp", "/var/tmp")
    for source, path in readable:
        yield from ("--ro-bind", source, path)
    for source, path in writable:
        yield from ("--bind", source, path)
    yield from ("--remount-ro", "/")


@functools.lru_cache(maxsize=1)
def _proc() -> tuple[str, ...]:
    """What is not about processes: folders read-only, files that are root's or can be written blank."""
    words: list[str] = []
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit() or entry.is_symlink():
                continue
            mode = entry.stat().st_mode
            if stat.S_ISDIR(mode):
                words += ("--ro-bind", entry.path, entry.path)
            elif entry.name in _PROC_BLANK or mode & _WRITABLE or not mode & stat.S_IROTH:
                words += ("--ro-bind", "/dev/null", entry.path)
    return tuple(words)


def opened(made: Bubblewrap, names: Mapping[str, str] | None = None) -> Files:
    """The filter, and small files of our own in the sandbox's `/etc`."""
    arguments: list[str] = []
    files: list[int] = []
    if made.seccomp is not None:
        files.append(_in_memory(made.seccomp))
        arguments += ["--seccomp", str(files[-1])]
    for path, content in (names or {}).items():
        files.append(_in_memory(content.encode()))
        arguments += ["--perms", "0444", "--ro-bind-data", str(files[-1]), path]
    return Files(tuple(arguments), tuple(files))


def handed(files: Files, words: Iterable[str]) -> Files:
    """The files, and one more with these words: as arguments everybody on the host could read them.

    Variables are among them. And whoever lists processes inside would see little else.
    """
    number = _in_memory(b"".join(os.fsencode(word) + b"\0" for word in words))
    return Files(("--args", str(number)), (*files.opened, number))


def _in_memory(content: bytes) -> int:
    made = os.memfd_create("rxstream")
    os.write(made, content)
    os.lseek(made, 0, os.SEEK_SET)
    return made


def _said(*arguments: str, files: Files | None = None) -> subprocess.CompletedProcess[str]:
    kept: Sequence[int] = files.opened if files is not None else ()
    try:
        return subprocess.run(
            arguments,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_TRIED_S,
            pass_fds=kept,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorldError(f"bubblewrap cannot be started: {error}", code="no_sandbox") from None
