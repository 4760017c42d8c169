"""The second wall, Landlock: what it closes when the first has an opening, and what it leaves open."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from rxstream.adapters.tools import Sandbox, sandbox_wall
from rxstream.adapters.tools.sandbox_user import launched
from tests.adapters.tools.boxing import PYTHON, python

pytestmark = pytest.mark.usefixtures("boundary")

CONNECT = "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0' + NAME)\nprint('reached')"
OWN_SERVER = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    with socket.create_connection(server.getsockname()) as asking:
        server.accept()[0].send(b"mine")
        print(asking.recv(4).decode())
"""


@pytest.fixture
def wall() -> tuple[str, ...]:
    """What puts it up here."""
    words = sandbox_wall.wall("/bin/sh")
    if not words:
        pytest.skip("missing: Landlock with scopes (Linux 6.12), so no second wall was tried")
    return words


@pytest.mark.parametrize("there", [True, False], ids=["wall", "none"])
async def test_the_host_s_network_does_not_bring_its_nameless_services(
    wall: tuple[str, ...], there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not there:
        monkeypatch.setattr(sandbox_wall, "version", lambda: 0)
    name = f"rxstream-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("\0" + name)
        listening.listen()
        code = CONNECT.replace("NAME", repr(name))
        box = Sandbox(readable=[sys.base_prefix], network=True)
        done = await box.run([PYTHON, "-I", "-c", code])
    assert done.stdout == ("" if there else "reached\n")
    assert ("Operation not permitted" in done.stderr) is there


@pytest.mark.parametrize(
    "code",
    ["kill -0 $1", "ls /proc/$1/cwd/", "readlink /proc/$1/fd/0"],
    ids=["signal", "folder", "file"],
)
def test_it_keeps_others_apart_without_the_first(wall: tuple[str, ...], code: str) -> None:
    argv = ["/bin/sh", "-c", code, "sh", str(os.getpid())]
    assert subprocess.run(argv, capture_output=True).returncode == 0
    assert subprocess.run([*launched(wall), *argv], capture_output=True).returncode != 0


async def test_a_command_may_talk_to_a_server_of_its_own(tmp_path: Path) -> None:
    done = await python(tmp_path, OWN_SERVER)
    assert done.stdout == "mine\n"


def test_it_says_whether_it_stands(wall: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(Sandbox().describe()["second_wall"]).startswith("Landlock ")
    monkeypatch.setattr(sandbox_wall, "version", lambda: 5)
    assert str(Sandbox().describe()["second_wall"]).startswith("none ")
    assert sandbox_wall.wall("/bin/sh") == ()
