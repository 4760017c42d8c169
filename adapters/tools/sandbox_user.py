"""Who a sandboxed command is on the host: whoever runs this, and for root a user who owns nothing.

Inside a sandbox root's commands would be root to the kernel, without its rights but with its files and with
no limit on processes. So root's commands run as a user of their own, to whom the folders they may write to
look like theirs; where the kernel or a file system cannot show them so, they stay root. It must not know what
is run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rxstream.adapters.tools import sandbox_launch

NOBODY: Final = 65533
"""Has no name, owns no file, and is within the users that containers have."""
_PLACES: Final = ("/mnt", "/media", "/srv")
_TRIED_S: Final = 10

_tried: Final[dict[str, bool]] = {}


@dataclass(frozen=True)
class Somebody:
    """A way to start a command as that user."""

    words: tuple[str, ...]
    """What is said to `sandbox_launch`."""
    sources: tuple[str, ...]
    """Where each folder is then, in the order given."""


def somebody(readable: Sequence[str], writable: Sequence[str]) -> Somebody | None:
    """How to be somebody who sees these folders; None where this is not root, or cannot be done."""
    place = next(filter(os.path.isdir, _PLACES), None)
    if os.geteuid() != 0 or not sys.executable or place is None:
        return None
    if not all(_can(place, path) for path in writable or [""]):
        return None
    folders = [*((path, False) for path in readable), *((path, True) for path in writable)]
    return Somebody(
        _words(place, folders), tuple(f"{place}/{number}" for number in range(len(folders)))
    )


def launched(words: Sequence[str]) -> tuple[str, ...]:
    """What comes before a command for `sandbox_launch` to do what the words say."""
    if not os.access(sys.executable or "", os.X_OK):
        return ()
    return (sys.executable, "-I", "-S", sandbox_launch.__file__, *words, "--")


def _words(place: str, folders: Sequence[tuple[str, bool]]) -> tuple[str, ...]:
    named = [word for path, written in folders for word in ("w" if written else "r", path)]
    return ("user", str(NOBODY), place, *named)


def _can(place: str, path: str) -> bool:
    """Whether this folder can be shown to somebody else as theirs; tried once for each file system."""
    below = path and any(mount.startswith(path + "/") for mount in _mounts())
    key = path if below or not path else str(os.stat(path).st_dev)
    if key not in _tried:
        _tried[key] = _try(_words(place, [(path, True)] if path else []))
    return _tried[key]


def _mounts() -> list[str]:
    with open("/proc/self/mounts") as mounts:
        return [line.split(" ")[1] for line in mounts]


def _try(words: Sequence[str]) -> bool:
    true = shutil.which("true")
    if true is None:
        return False
    try:
        tried = subprocess.run(
            [*launched(words), true],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_TRIED_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0
