"""The filter's tables against the system's own, and its program step by step."""

from __future__ import annotations

import importlib
import platform
import struct

import pytest

from rxstream.adapters.tools.sandbox_seccomp import (
    ABSENT,
    EXAMINED,
    FIRST_UNKNOWN,
    REFUSED,
    program,
)

TABLES = {**REFUSED, **ABSENT, **EXAMINED}
ALLOW, KILL, EPERM, ENOSYS, EAFNOSUPPORT = 0x7FFF0000, 0x80000000, 0x50001, 0x50026, 0x50061
EPROTONOSUPPORT = 0x5005D
X86, ARM = 0xC000003E, 0xC00000B7


def answer(code: bytes, number: int, *arguments: int, audit: int) -> int:
    """What the kernel would do: the few steps of classic BPF that the program is made of."""
    data = struct.pack("=IIQ6Q", number, audit, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    steps = list(struct.iter_unpack("=HBBI", code))
    at = held = 0
    while True:
        kind, true, false, value = steps[at]
        at += 1
        if kind == 0x20:
            held = struct.unpack_from("=I", data, value)[0]
        elif kind == 0x06:
            return int(value)
        else:
            matched = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[kind]
            at += true if matched else false


@pytest.mark.parametrize("machine", ["X86_64", "AARCH64"])
def test_each_number_is_that_of_the_system(machine: str) -> None:
    try:
        seccomp = importlib.import_module("pyseccomp")
    except (ImportError, RuntimeError) as error:  # the second without its library
        pytest.skip(f"missing: pyseccomp with libseccomp ({error})")
    index = ("X86_64", "AARCH64").index(machine)
    wrong = {}
    for name, numbers in TABLES.items():
        found = seccomp.resolve_syscall(getattr(seccomp.Arch, machine), name)
        if found == -1:  # newer than this library
            continue
        if numbers[index] != (found if found >= 0 else None):
            wrong[name] = (numbers[index], found)
    assert wrong == {}


@pytest.mark.parametrize(
    ("machine", "audit", "index"), [("x86_64", X86, 0), ("aarch64", ARM, 1)], ids=["x86", "arm"]
)
def test_calls_are_refused_by_number(machine: str, audit: int, index: int) -> None:
    code = program(machine)
    assert code is not None
    for name, numbers in TABLES.items():
        number = numbers[index]
        if number is None or name in EXAMINED:
            continue
        said = answer(code, number, audit=audit)
        assert said == (ENOSYS if name in ABSENT else EPERM), name
    assert answer(code, (39, 172)[index], audit=audit) == ALLOW  # getpid
    assert answer(code, FIRST_UNKNOWN - 1, audit=audit) != ENOSYS
    assert answer(code, FIRST_UNKNOWN, audit=audit) == ENOSYS
    assert answer(code, 9999, audit=audit) == ENOSYS


@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("clone", (0x10000000,), EPERM),
        ("clone", (0x1200011,), ALLOW),
        ("ioctl", (0, 0x5412), EPERM),
        ("ioctl", (0, 0x541C), EPERM),
        ("ioctl", (0, 0x5413), ALLOW),
        ("ioctl", (0, 0x5423), EPERM),
        ("socket", (2, 1), ALLOW),
        ("socket", (1, 1, 0), ALLOW),
        ("socket", (10, 2, 17), ALLOW),
        ("socket", (2, 1, 132), EPROTONOSUPPORT),
        ("socket", (10, 1, 262), EPROTONOSUPPORT),
        ("socket", (16, 3), EAFNOSUPPORT),
        ("socket", (40, 1), EAFNOSUPPORT),
        ("chmod", (0, 0o4755), EPERM),
        ("chmod", (0, 0o755), ALLOW),
        ("fchmod", (3, 0o2755), EPERM),
        ("fchmodat", (3, 0, 0o6755), EPERM),
        ("open", (0, 0, 0o4755), ALLOW),
        ("open", (0, 0o101, 0o4755), EPERM),
        ("openat", (0, 0, 0o101, 0o644), ALLOW),
        ("openat", (0, 0, 0o20200002, 0o4755), EPERM),
    ],
)
def test_some_are_refused_by_what_they_ask(
    name: str, arguments: tuple[int, ...], wanted: int
) -> None:
    for index, (machine, audit) in enumerate((("x86_64", X86), ("aarch64", ARM))):
        number = TABLES[name][index]
        code = program(machine)
        assert code is not None
        if number is not None:
            assert answer(code, number, *arguments, audit=audit) == wanted


def test_programs_of_another_kind_of_processor_are_killed() -> None:
    code = program("x86_64")
    assert code is not None
    assert answer(code, 0, audit=0x40000003) == KILL
    assert answer(code, 0x40000000, audit=X86) == KILL  # x32


def test_an_unknown_machine_has_none() -> None:
    assert program("riscv64") is None
    assert (program() is None) == (platform.machine() not in ("x86_64", "aarch64", "arm64"))
