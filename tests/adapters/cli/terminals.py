"""A real pseudo-terminal for the command: what was written to it is kept, and somebody may type."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from typing import Any

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """The two ends of a pseudo-terminal of 100 by 30; what was written to it is kept."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.raw = b""

    def read(self) -> None:
        if select.select([self.master], [], [], 0.05)[0]:
            self.raw += os.read(self.master, 65_536)

    def until(self, text: str) -> None:
        deadline = time.monotonic() + 40
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} was not shown: {self.text[-2000:]}"
            self.read()

    def until_last(self, text: str) -> None:
        """Wait until nothing follows a text."""
        deadline = time.monotonic() + 40
        while not self.text.endswith(text):
            assert time.monotonic() < deadline, f"{text!r} was not last: {self.text[-2000:]}"
            self.read()

    def until_ended(self, running: Any) -> int:
        deadline = time.monotonic() + 40
        while running.process.poll() is None:
            assert time.monotonic() < deadline, self.text[-2000:]
            self.read()
        while select.select([self.master], [], [], 0)[0]:
            self.raw += os.read(self.master, 65_536)
        return int(running.process.returncode)

    def type(self, text: str) -> None:
        """What a person types, the end of the line included."""
        os.write(self.master, text.encode())

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)

    @property
    def text(self) -> str:
        return ESCAPE.sub("", self.raw.decode(errors="replace"))


def start(rxstream: Any, terminal: Terminal, *arguments: str, **options: Any) -> Any:
    """Start the command with the terminal in place of its stdin and stderr, and as the one that rules it."""
    given = {
        "stdin": terminal.slave,
        "stderr": terminal.slave,
        "env": {"TERM": "xterm-256color"},
        "controlling": True,
    }
    return rxstream.start(*arguments, **given | options)
