"""Secrets of the host, read from the inside."""

from __future__ import annotations

import ctypes
import os
import re
import stat
import struct
from contextlib import suppress

from tests.adapters.tools.escaping.trying import (
    Facts,
    attempt,
    call,
    harmless,
    listed,
    others,
    said,
)


@harmless
def reads_beside_its_folder(facts: Facts) -> object:
    """A file next to the work folder."""
    return said(facts.secret)


@harmless
def reads_by_dots(facts: Facts) -> object:
    """A file next to the work folder, through `..`."""
    return said(os.path.join("..", os.path.relpath(facts.secret, "..")))


@harmless
def reads_by_a_symlink(facts: Facts) -> object:
    """A file next to the work folder, through a link in it."""
    os.symlink(facts.secret, "link-to-secret")
    return said("link-to-secret")


@harmless
def reads_by_a_folder_link(facts: Facts) -> object:
    """A file next to the work folder, through a link to its folder and another over it."""
    os.symlink(os.path.dirname(facts.secret), "link-to-folder")
    os.symlink(os.path.join("link-to-folder", os.path.basename(facts.secret)), "link-of-link")
    return said("link-of-link")


@harmless
def reads_by_proc_self_root(facts: Facts) -> object:
    """A file of the host through `/proc/self/root`."""
    return said("/proc/self/root" + facts.secret)


@harmless
def reads_by_proc_self_cwd(facts: Facts) -> object:
    """A file of the host through `/proc/self/cwd`."""
    return said("/proc/self/cwd/" + os.path.relpath(facts.secret))


@attempt
def reads_by_the_root_of_others(facts: Facts) -> object:
    """A file of the host through the root folder of each process it sees."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            return said(f"/proc/{entry}/root{facts.secret}")
    return None


@attempt
def reads_by_the_old_root(facts: Facts) -> object:
    """A file of the host where a careless sandbox leaves the old root."""
    for old in ("/oldroot", "/.oldroot", "/newroot", "/host", "/.."):
        with suppress(OSError):
            return said(old + facts.secret)
    return None


@harmless
def reads_variables_of_processes(facts: Facts) -> object:
    """A secret among the variables of any process it sees, the one that made the sandbox included."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if facts.token in said(f"/proc/{entry}/environ"):
                return entry
    return None


@harmless
def reads_its_own_variables(facts: Facts) -> object:
    """A secret among the variables it was given."""
    return facts.token in str(os.environ)


@attempt
def has_variables_that_load_code(facts: Facts) -> object:
    """LD_PRELOAD, BASH_ENV and others by which a host's variable would run code in the command."""
    names = {"LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "ENV", "PYTHONPATH", "PROMPT_COMMAND"}
    return names & os.environ.keys()


@harmless
def sees_processes(facts: Facts) -> object:
    """What the host runs, with its arguments."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if facts.mark in said(f"/proc/{entry}/cmdline"):
                return entry
    return None


@attempt
def reads_memory_of_others(facts: Facts) -> object:
    """A secret in the memory of the process that made the sandbox, which is its first one inside."""
    for entry in ("1", str(facts.pid)):
        with suppress(OSError), open(f"/proc/{entry}/mem", "rb") as memory:
            for line in said(f"/proc/{entry}/maps").splitlines():
                begin, end = (int(each, 16) for each in line.split()[0].split("-"))
                with suppress(OSError, OverflowError, ValueError):
                    memory.seek(begin)
                    if facts.token.encode() in memory.read(min(end - begin, 1 << 24)):
                        return line
    return None


@attempt
def reads_files_that_others_hold(facts: Facts) -> object:
    """Files that the process which made the sandbox has open."""
    files = [os.readlink(f"/proc/1/fd/{each}") for each in os.listdir("/proc/1/fd")]
    return [each for each in files if not each.startswith(("pipe:", "anon_inode:[eventfd]"))]


@attempt
def inherits_a_file(facts: Facts) -> object:
    """A file that was open where the sandbox was made, and may be inherited."""
    for number in range(3, 1024):
        with suppress(OSError):
            if facts.token in os.pread(number, 100, 0).decode(errors="replace"):
                return number
    return None


@harmless
def lists_the_temporary_folder(facts: Facts) -> object:
    """What others have in `/tmp`."""
    return others("/tmp", facts)


@attempt
def lists_homes(facts: Facts) -> object:
    """Homes, and with them keys, tokens and histories."""
    return [path for path in ("/root", "/home") if os.path.isdir(path) and others(path, facts)]


@attempt
def reads_keys(facts: Facts) -> object:
    """Keys and tokens where programs keep them."""
    names = (".ssh", ".aws", ".netrc", ".gnupg", ".config", ".docker", ".kube", ".npmrc", ".git")
    homes = ("/root", os.path.expanduser("~"), *(f"/home/{each}" for each in listed("/home")))
    return [
        f"{home}/{name}" for home in homes for name in names if os.path.exists(f"{home}/{name}")
    ]


@attempt
def reads_password_hashes(facts: Facts) -> object:
    """`/etc/shadow` and its like, which the host's root may read."""
    names = ("shadow", "shadow-", "gshadow", "sudoers", "ssh/ssh_host_rsa_key", "krb5.keytab")
    return [name for name in names if os.path.exists(f"/etc/{name}")]


@attempt
def finds_sockets_of_services(facts: Facts) -> object:
    """Sockets by which services take orders: containers, system, session, agents of keys."""
    names = ("docker.sock", "containerd", "podman", "dbus", "systemd", "user", "lock")
    return [
        f"{run}/{name}"
        for run in ("/run", "/var/run")
        for name in names
        if os.path.exists(f"{run}/{name}")
    ]


@attempt
def lists_other_folders(facts: Facts) -> object:
    """Where a host keeps data."""
    folders = ("/var/lib", "/var/log", "/srv", "/mnt", "/media", "/boot", "/sys")
    return [path for path in folders if os.path.isdir(path) and others(path, facts)]


@harmless
def learns_the_name_of_the_host(facts: Facts) -> object:
    """The host's name."""
    return os.uname().nodename == facts.host


@attempt
def reads_the_id_of_the_host(facts: Facts) -> object:
    """What tells this machine from all others."""
    paths = ("/etc/machine-id", "/var/lib/dbus/machine-id", "/sys/class/dmi/id/product_uuid")
    return [path for path in paths if os.path.exists(path)]


@attempt
def reads_the_kernel_log(facts: Facts) -> object:
    """What the kernel logs."""
    for path in ("/dev/kmsg", "/proc/kmsg"):
        with suppress(OSError):
            return os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 100)
    return None


@attempt
def reads_addresses_of_the_kernel(facts: Facts) -> object:
    """Where the kernel keeps what, which attacks on it start from."""
    return re.search("^0*[1-9a-f][0-9a-f]* ", said("/proc/kallsyms"), re.MULTILINE)


@attempt
def reads_memory_of_the_machine(facts: Facts) -> object:
    """The memory of the whole machine."""
    for path in ("/proc/kcore", "/dev/mem", "/dev/kmem", "/dev/port", "/proc/kpageflags"):
        with suppress(OSError), open(path, "rb") as memory:
            if found := memory.read(8):
                return path, found
    return None


@attempt
def finds_disks(facts: Facts) -> object:
    """Disks, under the file systems on them."""
    kinds = [os.lstat(f"/dev/{name}").st_mode for name in os.listdir("/dev")]
    return [kind for kind in kinds if stat.S_ISBLK(kind)]


@attempt
def finds_devices(facts: Facts) -> object:
    """Devices beside the few that every program needs."""
    known = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console"}
    mine = {name for name in os.listdir("/dev") if stat.S_ISCHR(os.lstat(f"/dev/{name}").st_mode)}
    return mine - known


@attempt
def makes_a_disk(facts: Facts) -> object:
    """A device file for the host's disk."""
    os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(254, 0))
    return os.open("disk", os.O_RDONLY)


@attempt
def makes_a_memory_device(facts: Facts) -> object:
    """A device file for the machine's memory."""
    os.mknod("memory", stat.S_IFCHR | 0o600, os.makedev(1, 1))
    return os.open("memory", os.O_RDONLY)


@attempt
def opens_by_handle(facts: Facts) -> object:
    """Any file of a file system by its number, past every folder."""
    handle = ctypes.create_string_buffer(struct.pack("=Ii", 128, 0), 136)
    mount = ctypes.c_int()
    call(facts.calls["name_to_handle_at"], -100, b".", handle, ctypes.byref(mount), 0)
    return True


@attempt
def reads_keyrings(facts: Facts) -> object:
    """Keys that the kernel holds for the host's user."""
    return call(facts.calls["keyctl"], 0, -4, 0) or True
