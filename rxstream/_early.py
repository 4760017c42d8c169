"""Ctrl-C while the command `rxstream` still imports what it needs ends it, without a word.

Imported before anything else, because importing is what takes that time. Does nothing in any other program:
there Ctrl-C is that program's business. `adapters.cli` takes the signals over when it begins.
"""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Final

STATUS: Final = 130
"""What a shell calls a command that Ctrl-C has ended."""


def _is_the_command() -> bool:
    """Whether this process is `rxstream`, or `python -m rxstream`, whose name is still `-m`."""
    begun = sys.argv[0] if getattr(sys, "argv", None) else ""
    if begun == "-m":
        return sys.orig_argv[len(sys.orig_argv) - len(sys.argv)] == "rxstream"
    return os.path.basename(begun).removesuffix(".exe") == "rxstream"


def _end(signum: int, frame: FrameType | None) -> None:
    os._exit(STATUS)


if _is_the_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, _end)
