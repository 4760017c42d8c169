"""How a command ends: one line for a person and a status for a program.

Statuses: 1 the execution or the world failed, 2 wrong usage (what was typed, or the graph it names, cannot
be run as it is), 130 interrupted, 143 terminated before the work was done, 141 nobody reads the output any
more: the last three as a shell counts them, 128 and the signal's number.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
BROKEN_PIPE: Final = 141


class Failure(Exception):
    """What, where, what to do: `message` is the whole line after the program's name."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class ReaderGone(Exception):
    """Whoever read stdout has left, so there is nobody to work for."""


def say(message: str) -> None:
    """Tell a person one line on stderr, after the program's name."""
    from rxstream.adapters.terminal.text import one_line

    tell(f"rxstream: {one_line(message, 2_000)}")


def tell(line: str) -> None:
    """Print a line for a person; nobody listening is no error."""
    # when stderr is closed there is no other place to say it
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def explain(error: Exception) -> Failure:
    """The line and the status for any error a command can meet."""
    from rxstream import errors

    if isinstance(error, Failure):
        return error
    if isinstance(error, errors.RxStreamError):
        mistaken = isinstance(error, errors.ClientError | errors.AuthorError)
        lacking = isinstance(error, errors.MissingExtra)
        return Failure(error.message, USAGE if mistaken and not lacking else FAILED)
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return Failure(f"{named}{error.strerror or error}", FAILED)
    return Failure(f"internal error: {located(error)} (add -v to see more)", FAILED)


@contextmanager
def building(graph: str) -> Generator[None]:
    """Around the call of a graph's function: what it raises becomes a line that says where."""
    from rxstream.errors import RxStreamError

    try:
        yield
    except (Failure, RxStreamError, OSError):
        raise
    except Exception as error:
        raise Failure(f"graph {graph!r} cannot be built: {located(error)}", USAGE) from error


def located(error: BaseException) -> str:
    """An exception on one line, with the `file:line` of the user's code if it came from there."""
    if isinstance(error, SystemExit):
        said = f"exits with {error.code!r}"
    elif isinstance(error, SyntaxError):
        said = f"{type(error).__name__}: {error.msg}"
    else:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    where = place(error)
    return f"{where}: {said}" if where is not None else said


def place(error: BaseException) -> str | None:
    """The `file:line` of the user's code an exception came from, if it came from there."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown(error.filename)}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if frame.lineno is not None and not _foreign(frame.filename):
            return f"{shown(frame.filename)}:{frame.lineno}"
    return None


def shown(path: str) -> str:
    """A path as short as it can be said from the working folder."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return path if relative.startswith("..") else relative


def _foreign(filename: str) -> bool:
    """Whether a file belongs to Python, to an installed package, or to rxstream itself."""
    if filename.startswith("<"):
        return True
    path = Path(filename).resolve()
    return any(path.is_relative_to(folder) for folder in _FOREIGN_FOLDERS)


_PACKAGE: Final = Path(__file__).resolve().parents[2]
_FOREIGN_FOLDERS: Final = [
    *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")),
    # in a source tree rxstream/, operators/ and adapters/ lie beside what else the folder holds
    *(
        (_PACKAGE / folder).resolve()
        for folder in ("rxstream", "operators", "adapters")
        if (_PACKAGE / folder).is_dir()
    ),
]
