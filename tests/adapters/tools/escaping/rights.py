"""Other processes, more rights, the kernel itself."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import pty
import re
import resource
import signal
import socket
import struct
import subprocess
import time
from contextlib import suppress

from tests.adapters.tools.escaping.trying import (
    Facts,
    attempt,
    call,
    harmless,
    said,
    written,
)


@harmless
def ends_a_process(facts: Facts) -> object:
    """A process of the host (asked whether it could be signalled)."""
    os.kill(facts.pid, 0)
    return True


@attempt
def has_capabilities(facts: Facts) -> object:
    """Rights of the superuser, one by one."""
    found = re.findall(r"Cap(?:Eff|Prm|Inh|Amb):\s*(\w+)", said("/proc/self/status"))
    return [each for each in found if int(each, 16)]


@attempt
def finds_a_process_with_more_rights(facts: Facts) -> object:
    """A process it could take over that has rights it lacks: the one that made the sandbox."""
    status = said("/proc/1/status")
    found = re.findall(r"Cap(?:Eff|Prm|Inh|Amb):\s*(\w+)", status)
    return [each for each in found if int(each, 16)] or "Seccomp:\t2" not in status


@attempt
def may_gain_rights(facts: Facts) -> object:
    """Rights that a program gives to whoever starts it."""
    return "NoNewPrivs:\t1" not in said("/proc/self/status")


@attempt
def becomes_root(facts: Facts) -> object:
    """The superuser."""
    os.setuid(0)
    return True


@attempt
def becomes_another_group(facts: Facts) -> object:
    """The group of the superuser, or a list of groups."""
    with suppress(OSError):
        os.setgroups([0])
        return True
    os.setgid(0)
    return True


@attempt
def is_the_superuser(facts: Facts) -> object:
    """The superuser, without doing anything."""
    return 0 in (os.getuid(), os.geteuid(), os.getgid(), os.getegid())


@attempt
def asks_for_other_rights(facts: Facts) -> object:
    """`su` and `sudo`."""
    for program in ("su", "sudo"):
        with suppress(OSError, subprocess.TimeoutExpired):
            asked = subprocess.run(
                [program, "-c", "id -u"], stdin=-3, capture_output=True, timeout=0.3
            )
            if asked.stdout.strip() == b"0":
                return program
    return None


@attempt
def writes_its_own_map_of_users(facts: Facts) -> object:
    """Who it is on the host."""
    return written("/proc/self/uid_map")


@attempt
def makes_a_namespace_of_users(facts: Facts) -> object:
    """A place where it is the superuser, and from there the kernel's rarely used corners."""
    return call(facts.calls["unshare"], 0x10000000) == 0


@attempt
def makes_a_namespace_of_mounts(facts: Facts) -> object:
    """Mounts of its own."""
    return call(facts.calls["unshare"], 0x00020000) == 0


@attempt
def makes_a_namespace_by_clone(facts: Facts) -> object:
    """A child in a namespace of users of its own."""
    child = call(facts.calls["clone"], 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    return child


@attempt
def makes_a_namespace_by_clone3(facts: Facts) -> object:
    """The same by the call whose wishes no filter can read."""
    wishes = ctypes.create_string_buffer(struct.pack("=8Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0), 64)
    child = call(facts.calls["clone3"], wishes, 64)
    if child == 0:
        os._exit(0)
    return child


@attempt
def makes_a_namespace_of_times(facts: Facts) -> object:
    """Clocks of its own."""
    return call(facts.calls["unshare"], 0x00000080) == 0


@attempt
def enters_a_namespace(facts: Facts) -> object:
    """The network of the process that made the sandbox."""
    return call(facts.calls["setns"], os.open("/proc/1/ns/net", os.O_RDONLY), 0) == 0


@attempt
def traces_a_process(facts: Facts) -> object:
    """Its first process, as a debugger."""
    return call(facts.calls["ptrace"], 16, 1, 0, 0) == 0


@attempt
def reads_another_process(facts: Facts) -> object:
    """The memory of its first process, by the call for that."""
    buffer = ctypes.create_string_buffer(8)
    mine = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)
    return call(facts.calls["process_vm_readv"], 1, mine, 1, mine, 1, 0)


@attempt
def takes_a_file_from_another_process(facts: Facts) -> object:
    """An open file of its first process."""
    return call(facts.calls["pidfd_getfd"], os.pidfd_open(1), 0, 0) >= 0


@attempt
def loads_a_kernel_module(facts: Facts) -> object:
    """Code in the kernel."""
    return call(facts.calls["init_module"], b"", 0, b"") == 0


@attempt
def loads_a_program_into_the_kernel(facts: Facts) -> object:
    """A small program in the kernel."""
    attributes = ctypes.create_string_buffer(struct.pack("=4I", 1, 4, 4, 1), 72)
    return call(facts.calls["bpf"], 0, attributes, 72) >= 0


@attempt
def counts_events_of_the_kernel(facts: Facts) -> object:
    """What the processor does for others."""
    wishes = ctypes.create_string_buffer(struct.pack("=IIQ", 1, 112, 0), 112)
    return call(facts.calls["perf_event_open"], wishes, 0, -1, -1, 0) >= 0


@attempt
def handles_page_faults(facts: Facts) -> object:
    """Faults of pages, which make races in the kernel easy."""
    return call(facts.calls["userfaultfd"], 1) >= 0


@attempt
def queues_calls(facts: Facts) -> object:
    """System calls that no filter sees."""
    return call(facts.calls["io_uring_setup"], 4, ctypes.create_string_buffer(120)) >= 0


@attempt
def sets_the_clock(facts: Facts) -> object:
    """The host's time."""
    time.clock_settime(time.CLOCK_REALTIME, time.time())
    return True


@attempt
def renames_the_host(facts: Facts) -> object:
    """The host's name."""
    socket.sethostname("escaped")
    return True


@attempt
def talks_to_the_processor(facts: Facts) -> object:
    """The ports of the machine."""
    return call(facts.calls["iopl"], 3) == 0


@attempt
def goes_before_others(facts: Facts) -> object:
    """Time of the processor that others then do not get."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # type: ignore[attr-defined,unused-ignore]  # Linux
    return True


@attempt
def is_nicer_to_itself(facts: Facts) -> object:
    """A higher priority."""
    os.setpriority(os.PRIO_PROCESS, 0, -5)
    return True


@attempt
def is_never_ended_for_memory(facts: Facts) -> object:
    """Immunity when the host's memory ends."""
    return written_value("/proc/self/oom_score_adj", "-1000")


def written_value(path: str, value: str) -> bool:
    with open(path, "w") as file:
        file.write(value)
    return True


@attempt
def raises_its_limits(facts: Facts) -> object:
    """More than it was given."""
    for each in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_DATA):
        _, hard = resource.getrlimit(each)
        with suppress(OSError, ValueError):
            resource.setrlimit(each, (hard + 1, hard + 1))
            return each
    return None


@attempt
def has_no_limits(facts: Facts) -> object:
    """As much as it likes."""
    names = ("NOFILE", "FSIZE", "DATA", "NPROC", "CORE")
    limits = [resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1] for name in names]
    return resource.RLIM_INFINITY in limits


@attempt
def leaves_a_core(facts: Facts) -> object:
    """Its memory in a file when it crashes."""
    child = os.fork()
    if child == 0:
        os.abort()
    _, status = os.waitpid(child, 0)
    return os.WCOREDUMP(status) or [name for name in os.listdir(".") if name.startswith("core")]


@attempt
def types_into_the_terminal(facts: Facts) -> object:
    """Keys pressed in the terminal of whoever started it."""
    for path in ("/dev/tty", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"):
        with suppress(OSError):
            fcntl.ioctl(os.open(path, os.O_RDWR), 0x5412, b"x")
            return path
    return None


@attempt
def types_into_a_terminal_of_its_own(facts: Facts) -> object:
    """The same, where nothing but the filter is in the way."""
    child, terminal = pty.fork()
    if child == 0:
        with suppress(OSError):
            fcntl.ioctl(0, 0x5412, b"x")
            os._exit(0)
        os._exit(1)
    with suppress(OSError):
        os.read(terminal, 100)
    return os.waitpid(child, 0)[1] == 0


@attempt
def has_a_terminal(facts: Facts) -> object:
    """The terminal of whoever started it."""
    return os.open("/dev/tty", os.O_RDWR) or True


@attempt
def calls_by_other_numbers(facts: Facts) -> object:
    """The kernel by the numbers of 32-bit programs, which a filter may not know (x86-64 only)."""
    if os.uname().machine != "x86_64":
        return None
    code = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"  # mov eax, 20 (getpid); int 0x80; ret
    memory = mmap.mmap(-1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()
