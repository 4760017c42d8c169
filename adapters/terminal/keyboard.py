"""Lines a person types at the terminal behind stdin, while an event loop runs.

A line is read when it is there, by the loop and not by a thread, so nothing is left waiting when the question
has gone. Must not know what is asked.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import Final

_LINE_BYTES: Final = 64 * 1024


class Keyboard:
    """The terminal behind stdin."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()

    async def line(self) -> str:
        """The next line that is typed from now on, without its end. Raises `EOFError`."""
        loop = asyncio.get_running_loop()
        typed = bytearray()
        read: asyncio.Future[None] = loop.create_future()

        def take() -> None:
            try:
                part = os.read(self._descriptor, _LINE_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # the terminal is gone
                part = b""
            typed.extend(part)
            if not read.done() and (not part or b"\n" in part or len(typed) > _LINE_BYTES):
                read.set_result(None)

        self._forget()
        print("> ", end="", file=sys.stderr, flush=True)
        loop.add_reader(self._descriptor, take)
        try:
            await read
        finally:
            loop.remove_reader(self._descriptor)
        if not typed:
            raise EOFError
        return typed.partition(b"\n")[0].decode(errors="replace").rstrip("\r")

    def _forget(self) -> None:
        """Drop what was typed before."""
        import termios

        with suppress(termios.error):
            termios.tcflush(self._descriptor, termios.TCIFLUSH)


def at_a_terminal() -> bool:
    """Whether a person can be asked: a terminal is there, and ours to read."""
    try:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        descriptor = sys.stdin.fileno()
    except (AttributeError, ValueError, OSError):
        return False  # closed
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()  # else a shell runs it in the background
    except OSError:
        return True  # a terminal nobody's jobs are controlled by
