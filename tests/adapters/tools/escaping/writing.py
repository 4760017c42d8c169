"""What is outside the work folder, changed from the inside."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from contextlib import suppress

from tests.adapters.tools.escaping.trying import (
    Facts,
    attempt,
    call,
    harmless,
    opened,
    said,
    written,
)


@harmless
def writes_beside_its_folder(facts: Facts) -> object:
    """A file next to the work folder."""
    return written(facts.outside + "/written")


@harmless
def writes_by_dots(facts: Facts) -> object:
    """A file next to the work folder, through `..`."""
    return written(os.path.relpath(facts.outside + "/dots"))


@harmless
def writes_by_a_symlink(facts: Facts) -> object:
    """A file next to the work folder, through a link in it."""
    os.symlink(facts.outside + "/linked", "link-out")
    return written("link-out")


@harmless
def writes_by_a_hard_link(facts: Facts) -> object:
    """A file next to the work folder, by another name in it."""
    os.link(facts.secret, "hard")
    return True


@harmless
def moves_a_file_out(facts: Facts) -> object:
    """A file moved out of the work folder."""
    written("moved")
    os.rename("moved", facts.outside + "/moved")
    return True


@harmless
def writes_by_a_folder_it_holds(facts: Facts) -> object:
    """A file next to the work folder, by a folder opened before."""
    folder = os.open("..", os.O_RDONLY | os.O_DIRECTORY)
    path = os.path.relpath(facts.outside + "/held", "..")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=folder))
    return True


@harmless
def lends_its_rights(facts: Facts) -> object:
    """A program that runs with the rights of the host's user, for whoever starts it."""
    written("lent")
    os.chmod("lent", 0o4755)
    return os.stat("lent").st_mode & stat.S_ISUID


@harmless
def lends_its_rights_when_it_creates(facts: Facts) -> object:
    """The same, by the mode a file is made with."""
    os.close(os.open("lent-new", os.O_CREAT | os.O_WRONLY, 0o4755))
    return os.stat("lent-new").st_mode & stat.S_ISUID


@harmless
def lends_the_rights_of_its_group(facts: Facts) -> object:
    """The same for the group, by the open file."""
    with open("lent-group", "w") as file:
        os.fchmod(file.fileno(), 0o2755)
    return os.stat("lent-group").st_mode & stat.S_ISGID


@attempt
def gives_a_file_capabilities(facts: Facts) -> object:
    """A program with rights of its own."""
    written("capable")
    value = struct.pack("<IIIII", 0x02000001, 0xFFFFFFFF, 0, 0, 0)
    os.setxattr("capable", "security.capability", value)
    return True


@attempt
def gives_a_file_away(facts: Facts) -> object:
    """A file that belongs to somebody else."""
    written("given")
    for user in (0, 1, 1001, 65534):
        with suppress(OSError):
            os.chown("given", user, user)
            return user
    return None


@attempt
def writes_programs(facts: Facts) -> object:
    """A program of the system."""
    return written("/usr/bin/rxstream-escape")


@attempt
def writes_over_a_program(facts: Facts) -> object:
    """A program of the system that is there."""
    return opened(os.path.realpath("/usr/bin/env"))


@attempt
def preloads_a_library(facts: Facts) -> object:
    """A library that every program of the host would load."""
    return written("/etc/ld.so.preload")


@attempt
def adds_a_user(facts: Facts) -> object:
    """The list of users."""
    return opened("/etc/passwd")


@attempt
def writes_in_the_root(facts: Facts) -> object:
    """A folder at the root."""
    os.mkdir("/escaped")
    return True


@attempt
def writes_to_devices(facts: Facts) -> object:
    """A file among the devices."""
    return written("/dev/escaped")


@attempt
def writes_settings_of_the_kernel(facts: Facts) -> object:
    """Settings of the kernel, such as the program it starts when another crashes."""
    for path in (
        "core_pattern",
        "modprobe",
        "hotplug",
        "domainname",
        "sysrq",
        "usermodehelper/bset",
    ):
        with suppress(OSError):
            return opened(f"/proc/sys/kernel/{path}")
    return None


@attempt
def writes_anywhere_in_proc(facts: Facts) -> object:
    """Any file of the kernel's that is not about itself."""
    found = []
    for folder, folders, files in os.walk("/proc"):
        if folder == "/proc":
            folders[:] = [each for each in folders if not each.isdigit()]
        for name in files:
            path = os.path.join(folder, name)
            with suppress(OSError):
                if stat.S_ISREG(os.stat(path).st_mode) and opened(path):
                    found.append(path)
    return found


@attempt
def pulls_the_plug(facts: Facts) -> object:
    """The file that restarts the machine."""
    path = "/proc/sysrq-trigger"
    return os.path.exists(path) and stat.S_ISREG(os.stat(path).st_mode) and opened(path)


@attempt
def takes_over_a_control_group(facts: Facts) -> object:
    """A program that the host starts when a control group is empty."""
    found = [line.split()[1] for line in said("/proc/mounts").splitlines() if " cgroup" in line]
    return found or os.path.exists("/sys/fs/cgroup")


@attempt
def mounts_a_control_group(facts: Facts) -> object:
    """The same, with control groups mounted by itself."""
    os.mkdir("groups")
    return call(facts.calls["mount"], b"none", b"groups", b"cgroup2", 0, None) == 0


@attempt
def mounts_writable(facts: Facts) -> object:
    """The system's programs, mounted again to be written."""
    return call(facts.calls["mount"], b"none", b"/usr", None, 32 | 4096, None) == 0


@attempt
def mounts_a_folder(facts: Facts) -> object:
    """A folder of the sandbox in another place."""
    return call(facts.calls["mount"], b"/usr", b"/tmp", None, 4096, None) == 0


@attempt
def mounts_by_the_new_calls(facts: Facts) -> object:
    """A mount without the call that everybody guards."""
    return call(facts.calls["open_tree"], -100, b"/", 1) >= 0


@attempt
def uncovers_what_is_covered(facts: Facts) -> object:
    """What the sandbox mounted over the kernel's settings, taken away."""
    return call(facts.calls["umount2"], b"/proc/sys", 2) == 0


@attempt
def changes_its_root(facts: Facts) -> object:
    """Another root, and from there the way up."""
    os.chroot(".")
    return True


@attempt
def exchanges_its_root(facts: Facts) -> object:
    """The root exchanged for another."""
    return call(facts.calls["pivot_root"], b".", b".") == 0


@harmless
def reads_shared_memory(facts: Facts) -> object:
    """Memory that processes of the host share by a number."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    at = libc.shmat(libc.shmget(facts.shared, 0, 0), None, 0o10000)
    return ctypes.string_at(at, len(facts.token)) if at not in (None, 2**64 - 1) else None


@harmless
def reads_named_shared_memory(facts: Facts) -> object:
    """Memory that processes of the host share by a name."""
    return said(f"/dev/shm/{facts.mark}")
