"""Runs code that nobody has read against its test: in the sandbox, or not at all.

Inside there is a Python with its standard library, no network, nothing of the host to write to, and little
time and memory. A test has passed when the program came to its end: leaving it early, in whatever way, is a
failure. Against code that means to deceive that proves nothing, as no test does.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from dataclasses import dataclass
from typing import Final

from rxstream.adapters.tools.sandbox import Limits, Sandbox
from rxstream.errors import WorldError

MAX_OUTPUT: Final = 4_000
"""Characters of what it printed that are told, the last ones."""

_MIB: Final = 1 << 20
_PRINTED: Final = _MIB // 4
_PYTHON: Final = os.path.realpath(sys.executable)
"""That of the base installation: what is in a virtual environment is not for the code."""

_PROGRAM: Final = """
import asyncio, inspect, json, sys, traceback
given = json.loads(sys.stdin.readline())
space = {"__name__": "written"}
print(given["mark"], flush=True)
try:
    exec(compile(given["code"], "<code>", "exec", dont_inherit=True), space)
    known = dict(space) if given["test"] else {}
    exec(compile(given["test"], "<test>", "exec", dont_inherit=True), space)
    for name, found in list(space.items()):
        if name.startswith("test") and inspect.isfunction(found) and known.get(name) is not found:
            result = found()
            if inspect.iscoroutine(result):
                asyncio.run(result)
except BaseException:
    traceback.print_exc(limit=-1)
    sys.exit(1)
print(given["mark"], flush=True)
"""


@dataclass(frozen=True)
class Tried:
    """Whether the test passed, None when it was not run; in one line why, and what was printed."""

    passed: bool | None
    message: str
    output: str = ""


async def tried(code: str, test: str, seconds: float) -> Tried:
    """Define what the code defines, run the test, and call its functions named `test…`.

    If the test is empty, those of the code are called.
    """
    mark = secrets.token_hex(8)
    given = json.dumps({"code": code, "test": test, "mark": mark}) + "\n"
    try:
        done = await _sandbox(seconds).run([_PYTHON, "-I", "-S", "-B", "-c", _PROGRAM], stdin=given)
    except WorldError as error:
        return Tried(None, f"it was not run: {error.message}")
    lines = done.stderr.strip().splitlines()
    before, *printed = done.stdout.split(f"{mark}\n")
    if before or not printed:  # nothing of the code has begun
        why = done.ended.ended_by or (lines or ["it said nothing"])[-1][:500]
        return Tried(None, f"it was not run, Python did not start in the sandbox: {why}")
    passed = done.exit_code == 0 and len(printed) == 2
    output = (printed[0] if passed else "".join(printed) + done.stderr)[-MAX_OUTPUT:].strip()
    if passed:
        return Tried(True, "the test passed", output)
    if done.ended.ended_by is not None:
        return Tried(False, f"it was ended for its use of {done.ended.ended_by}", output)
    if done.dropped:
        return Tried(False, f"it printed more than {_PRINTED} bytes", output)
    left = f"it left the test with status {done.exit_code}"
    return Tried(False, lines[-1][:500] if lines and done.exit_code == 1 else left, output)


def _sandbox(seconds: float) -> Sandbox:
    # what is under /usr is there anyway
    prefix = os.path.realpath(sys.base_prefix)
    limits = Limits(
        seconds=seconds,
        memory=512 * _MIB,
        processes=16,
        output=_PRINTED,
        file_size=16 * _MIB,
        scratch=32 * _MIB,
    )
    return Sandbox(readable=() if prefix.startswith("/usr") else (prefix,), limits=limits)
