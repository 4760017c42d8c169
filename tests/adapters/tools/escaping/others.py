"""Processes, time and room that belong to others."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress

from tests.adapters.tools.escaping.trying import Facts, attempt, call, harmless, said


@harmless
def reads_the_limits_of_a_process(facts: Facts) -> object:
    """Limits of a process of the host, the first step to changing them."""
    return resource.prlimit(facts.pid, resource.RLIMIT_NOFILE)


@harmless
def asks_where_a_process_runs(facts: Facts) -> object:
    """The processors of a process of the host, which could be taken from it."""
    return os.sched_getaffinity(facts.pid)


@harmless
def asks_how_urgent_a_process_is(facts: Facts) -> object:
    """The priority of a process of the host."""
    return os.getpriority(os.PRIO_PROCESS, facts.pid) + 100


@harmless
def holds_a_process(facts: Facts) -> object:
    """A handle of a process of the host."""
    return os.pidfd_open(facts.pid)


@harmless
def asks_for_the_group_of_a_process(facts: Facts) -> object:
    """The group of a process of the host, to signal all of it."""
    return os.getpgid(facts.pid)


@harmless
def looks_at_the_folder_of_a_process(facts: Facts) -> object:
    """Where a process of the host works."""
    return os.readlink(f"/proc/{facts.pid}/cwd")


@harmless
def finds_a_semaphore(facts: Facts) -> object:
    """A set of semaphores that processes of the host share by a number."""
    return ctypes.CDLL(None).semget(facts.shared, 0, 0) + 1


@attempt
def is_in_the_session_of_whoever_started_it(facts: Facts) -> object:
    """Its session: 0 is one outside."""
    return 0 in (os.getsid(0), os.getpgid(0))


@attempt
def signals_groups_by_number(facts: Facts) -> object:
    """Every group with a small number, and that of the host's process."""
    found = []
    for group in (facts.pid, *range(2, 400)):
        with suppress(OSError):
            if group != os.getpgid(0):
                os.killpg(group, 0)
                found.append(group)
    mine = {os.getpgid(int(each)) for each in os.listdir("/proc") if each.isdigit()}
    return set(found) - mine


@attempt
def has_a_signal_sent_by_the_kernel(facts: Facts) -> object:
    """A signal to a process of the host when something is written to a pipe."""
    reading, _ = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, facts.pid)
    return fcntl.fcntl(reading, fcntl.F_GETOWN) == facts.pid


@attempt
def moves_pages_of_others(facts: Facts) -> object:
    """Memory of its first process, moved."""
    return call(279 if os.uname().machine == "x86_64" else 239, facts.pid, 0, 0, 0, 0, 0) >= 0


@attempt
def traces_its_own_child(facts: Facts) -> object:
    """A debugger's place, from which the filter of a child could be dodged."""
    return call(facts.calls["ptrace"], 0, 0, 0, 0) >= 0


@attempt
def takes_a_file_from_its_brother(facts: Facts) -> object:
    """An open file of another process of its own."""
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        return call(facts.calls["pidfd_getfd"], os.pidfd_open(child), 0, 0) >= 0
    finally:
        os.kill(child, signal.SIGKILL)


@attempt
def ends_its_first_process(facts: Facts) -> object:
    """The process that ends all others when it ends."""
    os.kill(1, signal.SIGKILL)
    os.kill(1, signal.SIGSTOP)
    return not os.path.exists("/proc/1/status") or "T (stopped)" in said("/proc/1/status")


@attempt
def reads_the_disk_before_others(facts: Facts) -> object:
    """Turns at the disk that others then do not get."""
    return call(251 if os.uname().machine == "x86_64" else 30, 1, 0, 1 << 13) == 0


@attempt
def locks_all_its_memory(facts: Facts) -> object:
    """Memory that can never be taken from it."""
    held = ctypes.create_string_buffer(64 << 20)
    return ctypes.CDLL(None).mlock(held, len(held)) == 0


@attempt
def has_others_run_something(facts: Facts) -> object:
    """A service of the host that runs commands."""
    asked = (
        ["systemd-run", "--user", "true"],
        ["systemd-run", "true"],
        ["at", "now"],
        ["crontab", "-"],
        ["busctl", "list"],
        ["docker", "ps"],
    )
    done = []
    for argv in asked:
        with suppress(OSError, subprocess.TimeoutExpired):
            if subprocess.run(argv, input=b"", capture_output=True, timeout=1).returncode == 0:
                done.append(argv)
    return done


@attempt
def writes_to_other_terminals(facts: Facts) -> object:
    """Terminals of people who are logged in."""
    return [each for each in os.listdir("/dev/pts") if each != "ptmx"]


@attempt
def hears_of_mounts(facts: Facts) -> object:
    """A mount of the host made later, which would appear inside and be shared back."""
    return " shared:" in said("/proc/self/mountinfo")


@attempt
def sees_locks_of_others(facts: Facts) -> object:
    """Who on the host has locked what."""
    return said("/proc/locks")


@attempt
def learns_its_place_among_control_groups(facts: Facts) -> object:
    """The host's order of services and users."""
    return [line for line in said("/proc/self/cgroup").splitlines() if not line.endswith(":/")]


@attempt
def has_files_it_did_not_open(facts: Facts) -> object:
    """An open file beside the three of every program, left by whoever started it."""
    mine = {0, 1, 2}
    return [
        each
        for each in map(int, os.listdir(f"/proc/{os.getppid()}/fd"))
        if each not in mine and "pipe:" not in os.readlink(f"/proc/{os.getppid()}/fd/{each}")
    ]


@attempt
def touches_what_it_may_read(facts: Facts) -> object:
    """The mode, the owner, the times and the attributes of what it was given to read."""
    path, _, _ = facts.shown
    changes: dict[str, Callable[[], None]] = {
        "mode": lambda: os.chmod(path, 0o755),
        "times": lambda: os.utime(path),
        "owner": lambda: os.chown(path, -1, os.getgid()),
        "attributes": lambda: os.setxattr(path, "user.x", b"x"),
    }
    done = []
    for name, change in changes.items():
        with suppress(OSError):
            change()
            done.append(name)
    return done


@attempt
def replaces_its_own_folder(facts: Facts) -> object:
    """Its work folder exchanged for a link, so that the next command works where it leads."""
    work = facts.shown[2]
    with suppress(OSError):
        os.rename(work, f"{work}-old")
        os.symlink("/", work)
        return True
    os.rmdir(work)
    return True


@attempt
def passes_a_file_through_a_socket_of_the_host(facts: Facts) -> object:
    """A file of the sandbox handed to a service that is nobody's here."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        socket.send_fds(sending, [b"x"], [0], 0, "\0" + facts.abstract)
    return True
