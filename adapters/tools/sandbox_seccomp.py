"""The system calls a sandboxed command is refused, as the program the kernel runs before each call.

A list of what is refused: whatever makes mounts, namespaces, traces other processes, loads code into the
kernel, speaks to keyrings, clocks and asynchronous rings, or makes a file that lends its owner's rights.
Written out here because a library for it would be one more thing to install. The program is classic BPF:
`seccomp(2)`, `bpf(4)`. It must not know what runs the command.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REFUSED: Final[Mapping[str, tuple[int | None, int | None]]] = {
    "_sysctl": (156, None),
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "memfd_secret": (447, 447),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
"""Always refused, with their numbers on x86-64 and arm64 (None: it has no such call)."""

ABSENT: Final[Mapping[str, tuple[int | None, int | None]]] = {
    "clone3": (435, 435),
    "memfd_create": (319, 279),
    "openat2": (437, 437),
    "shmget": (29, 194),
}
"""Said not to exist, so that programs take another way. What `clone3` and `openat2` are asked for is in
memory, where no filter sees it; what the other two make is memory that belongs to no process and that no
limit counts."""

EXAMINED: Final[Mapping[str, tuple[int | None, int | None]]] = {
    "clone": (56, 220),
    "ioctl": (16, 29),
    "socket": (41, 198),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "creat": (85, None),
    "open": (2, None),
    "openat": (257, 56),
}
"""Refused for some arguments."""

FIRST_UNKNOWN: Final = 468
"""Calls from this number on are newer than these tables, and said not to exist."""

_NEW_NAMESPACES: Final = 0x7E020080
_TERMINAL_TRICKS: Final = (0x5412, 0x541C, 0x541D, 0x5423)
"""TIOCSTI types into the terminal, TIOCLINUX pastes into it, TIOCCONS takes the console, TIOCSETD loads
drivers."""
_FAMILIES: Final = (1, 2, 10)
"""Unix, IPv4, IPv6. Others (vsock, netlink, packets, Bluetooth) know no namespace or are wide open."""
_PROTOCOLS: Final = (0, 1, 6, 17, 58)
"""The family's own, ICMP, TCP, UDP, ICMPv6. For another the kernel loads code that few have looked at."""
_LENT_RIGHTS: Final = 0o6000
"""The set-user-id and set-group-id bits: on the host they would mean the host's user."""
_CREATES: Final = 0o100 | 0o20000000
"""O_CREAT and O_TMPFILE: without them the mode is whatever was in the register."""

# classic BPF
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE = 0, 4
_X32: Final = 0x40000000


@dataclass(frozen=True)
class _Machine:
    index: int
    audit: int


_MACHINES: Final = {
    "x86_64": _Machine(0, 0xC000003E),
    "aarch64": _Machine(1, 0xC00000B7),
    "arm64": _Machine(1, 0xC00000B7),
}


def program(machine: str | None = None) -> bytes | None:
    """The filter for this machine; None for a kind of machine whose call numbers are not known here."""
    found = _MACHINES.get(machine or platform.machine())
    if found is None:
        return None
    code = [
        _step(_LOAD, _ARCHITECTURE),
        # a program for another kind of processor would call by other numbers
        _step(_EQUAL, found.audit, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]
    if found.index == 0:
        code += [_step(_ANY_BIT, _X32, 0, 1), _step(_RETURN, _KILL)]
    code += [_step(_AT_LEAST, FIRST_UNKNOWN, 0, 1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    for table, error in ((REFUSED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        for numbers in table.values():
            number = numbers[found.index]
            if number is not None:
                code += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ERRNO | error)]
    for name, block in _examining().items():
        number = EXAMINED[name][found.index]
        if number is not None:
            code += [_step(_EQUAL, number, 0, len(block)), *block]
    code.append(_step(_RETURN, _ALLOW))
    return b"".join(code)


def _examining() -> dict[str, list[bytes]]:
    refused = _step(_RETURN, _ERRNO | errno.EPERM)
    allowed = _step(_RETURN, _ALLOW)

    def bits(argument: int, mask: int) -> list[bytes]:
        return [_argument(argument), _step(_ANY_BIT, mask, 0, 1), refused, allowed]

    def creating(flags: int, mode: int) -> list[bytes]:
        return [
            _argument(flags),
            _step(_ANY_BIT, _CREATES, 1, 0),
            allowed,
            *bits(mode, _LENT_RIGHTS),
        ]

    ioctl = [_argument(1)]
    for request in _TERMINAL_TRICKS:
        ioctl += [_step(_EQUAL, request, 0, 1), refused]
    socket = [_argument(0)]
    for left, family in zip(range(len(_FAMILIES), 0, -1), _FAMILIES, strict=True):
        socket.append(_step(_EQUAL, family, left, 0))
    socket += [_step(_RETURN, _ERRNO | errno.EAFNOSUPPORT), _argument(2)]
    for protocol in _PROTOCOLS:
        socket += [_step(_EQUAL, protocol, 0, 1), allowed]
    return {
        "clone": bits(0, _NEW_NAMESPACES),
        "ioctl": [*ioctl, allowed],
        "socket": [*socket, _step(_RETURN, _ERRNO | errno.EPROTONOSUPPORT)],
        "chmod": bits(1, _LENT_RIGHTS),
        "fchmod": bits(1, _LENT_RIGHTS),
        "fchmodat": bits(2, _LENT_RIGHTS),
        "fchmodat2": bits(2, _LENT_RIGHTS),
        "creat": bits(1, _LENT_RIGHTS),
        "open": creating(1, 2),
        "openat": creating(2, 3),
    }


def _argument(index: int) -> bytes:
    """Load the lower half of an argument; both machines are little-endian, and no upper half matters here."""
    return _step(_LOAD, 16 + 8 * index)


def _step(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, true, false, value)
