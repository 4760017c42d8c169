"""Rarely used corners of the kernel, and spellings that a careless filter does not know."""

from __future__ import annotations

import ctypes
import fcntl
import os
import pty
import resource
import signal
import socket
import stat
import struct
import subprocess
from contextlib import suppress

from tests.adapters.tools.escaping.trying import Facts, attempt, call, written

_UPPER = 1 << 32
"""Added to an argument of which the kernel looks at the lower half only."""


@attempt
def runs_a_program_from_memory(facts: Facts) -> object:
    """A program that is in no file."""
    made = call(facts.calls["memfd_create"], b"program", 0)
    with open("/bin/true", "rb") as program:
        os.write(made, program.read())
    child = os.fork()
    if child == 0:
        os.execve(made, ["true"], {})  # type: ignore[arg-type,unused-ignore]  # an open file
    return os.waitpid(child, 0)[1] == 0


@attempt
def runs_secret_memory(facts: Facts) -> object:
    """Memory that even the kernel cannot look at."""
    return call(facts.calls["memfd_secret"], 0) >= 0


@attempt
def types_by_a_longer_number(facts: Facts) -> object:
    """Keys typed into a terminal, the request spelt with more digits than the kernel reads."""
    child, terminal = pty.fork()
    if child == 0:
        with suppress(OSError):
            call(facts.calls["ioctl"], 0, ctypes.c_ulong(_UPPER | 0x5412), b"x")
            os._exit(0)
        os._exit(1)
    with suppress(OSError):
        os.read(terminal, 100)
    return os.waitpid(child, 0)[1] == 0


@attempt
def loads_a_driver_for_its_terminal(facts: Facts) -> object:
    """A driver of modems for a terminal of its own, which the kernel would load."""
    ours, _ = pty.openpty()
    loaded = []
    for discipline in (2, 7, 13, 16, 21, 24):
        with suppress(OSError):
            fcntl.ioctl(ours, 0x5423, struct.pack("=i", discipline))
            loaded.append(discipline)
    return loaded


@attempt
def opens_a_socket_by_a_longer_number(facts: Facts) -> object:
    """A family that is refused, spelt with more digits than the kernel reads."""
    return call(facts.calls["socket"], ctypes.c_ulong(_UPPER | 16), 3, 0) >= 0


@attempt
def loads_a_protocol(facts: Facts) -> object:
    """Protocols that few use, which the kernel would load, over an address that everybody uses."""
    loaded = []
    for kind, protocol in ((1, 132), (5, 132), (6, 33), (2, 136), (1, 262), (2, 115), (3, 255)):
        with suppress(OSError):
            call(facts.calls["socket"], socket.AF_INET, kind, protocol)
            loaded.append(protocol)
    return loaded


@attempt
def makes_a_namespace_by_a_longer_number(facts: Facts) -> object:
    """A namespace of users, asked for with more digits than the kernel reads."""
    wish = ctypes.c_ulong(_UPPER | 0x10000000 | signal.SIGCHLD)
    child = call(facts.calls["clone"], wish, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    return child


@attempt
def lends_its_rights_by_a_longer_number(facts: Facts) -> object:
    """A program with the rights of the host's user, its mode spelt with more digits."""
    written("lent-longer")
    call(facts.calls["fchmodat"], -100, b"lent-longer", ctypes.c_ulong(_UPPER | 0o4755))
    return os.stat("lent-longer").st_mode & stat.S_ISUID


@attempt
def lends_its_rights_by_a_folder(facts: Facts) -> object:
    """A folder in which files take its group."""
    os.mkdir("lent-folder", 0o2755)
    os.chmod("lent-folder", 0o2755)
    return os.stat("lent-folder").st_mode & stat.S_ISGID


@attempt
def lends_its_rights_by_an_unnamed_file(facts: Facts) -> object:
    """A file that gets its name after its rights."""
    made = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o6755)
    os.link(f"/proc/self/fd/{made}", "lent-named", follow_symlinks=True)
    return os.stat("lent-named").st_mode & (stat.S_ISUID | stat.S_ISGID)


@attempt
def lends_its_rights_by_an_archive(facts: Facts) -> object:
    """A program with rights, unpacked by one that keeps them."""
    code = "cp /bin/true t && tar --mode=4755 -cf t.tar t && rm t && tar -xpf t.tar"
    subprocess.run(["sh", "-c", code], capture_output=True)
    return os.path.exists("t") and os.stat("t").st_mode & stat.S_ISUID


@attempt
def makes_a_device(facts: Facts) -> object:
    """The disk, under a name of its own."""
    os.mknod("disk", 0o600 | stat.S_IFBLK, os.makedev(254, 0))
    return True


@attempt
def leaves_a_pipe(facts: Facts) -> object:
    """A pipe with a name, at which a program of the host would wait for ever."""
    os.mkfifo("pipe")
    return True


@attempt
def makes_a_file_that_cannot_be_removed(facts: Facts) -> object:
    """A file that the host's user cannot remove."""
    with open("immutable", "w") as file:
        for flag in (0x10, 0x20):
            with suppress(OSError):
                fcntl.ioctl(file, 0x40086602, struct.pack("=l", flag))
                return flag
    return None


@attempt
def calls_what_is_newer_than_the_filter(facts: Facts) -> object:
    """Calls that nobody knew when the filter was written."""
    known = []
    for number in range(facts.unknown, 512):
        with suppress(OSError):
            known.append((number, call(number, -1, 0, 0, 0, 0, 0)))
        if ctypes.get_errno() not in (0, 38):
            known.append((number, ctypes.get_errno()))
    return known


@attempt
def writes_rules_of_its_network(facts: Facts) -> object:
    """Rules for packets, the part of the kernel most attacks begin in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        any_socket.setsockopt(0, 64, bytes(84))
    return True


@attempt
def joins_a_network_by_a_tunnel(facts: Facts) -> object:
    """A network card of its own."""
    return os.open("/dev/net/tun", os.O_RDWR)


@attempt
def opens_devices_that_serve_everybody(facts: Facts) -> object:
    """Devices that most systems let everybody open."""
    found = []
    for name in (
        "kvm",
        "fuse",
        "userfaultfd",
        "vhost-vsock",
        "vsock",
        "uinput",
        "dri/card0",
        "rtc",
    ):
        with suppress(OSError):
            found.append(os.open(f"/dev/{name}", os.O_RDONLY))
    return found


@attempt
def reads_the_kernel_s_command_line(facts: Facts) -> object:
    """What the machine was started with, addresses and keys of its owner among it."""
    with open("/proc/cmdline") as line:
        return line.read()


@attempt
def registers_a_kind_of_program(facts: Facts) -> object:
    """A program of its own that the host would start for files of some kind."""
    with open("/proc/sys/fs/binfmt_misc/register", "w") as file:
        file.write(":x:M::rx::/tmp/x:")
    return True


@attempt
def is_handed_to_the_host_when_it_crashes(facts: Facts) -> object:
    """A program of the host, run by its root, that reads the memory of what crashed.

    A limit of 0 keeps a file from being written and not that program from being started; a limit of 1 does.
    """
    return resource.getrlimit(resource.RLIMIT_CORE) != (1, 1)


@attempt
def wakes_the_machine(facts: Facts) -> object:
    """A clock that wakes the machine from its sleep."""
    number = 283 if os.uname().machine == "x86_64" else 85
    return call(number, 8, 0) >= 0
