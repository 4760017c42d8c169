"""Opening files below one folder, and nothing else, whoever changes names meanwhile.

Every path is walked from a descriptor of the folder: by the kernel (`openat2` of Linux, beneath the folder
and without magic links) or, where that is missing, component by component, none of which may be a link when
it is opened. A symbolic link is followed while it stays below the folder; an absolute one, or one that
climbs out, is refused. Only regular files and folders are opened for reading, so neither a FIFO nor a device
can make anybody wait. A hard link is the file it is: whoever may make one below the folder decides that.
Must not know what is in the files.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import stat
import struct
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rxstream.errors import AuthorError, ClientError, RxStreamError, WorldError

MAX_PATH: Final = 4_096
"""Bytes of a path, as Linux has it."""

_OPENAT2: Final = 437
_HOW: Final = struct.Struct("=QQQ")
"""`open_how`: flags, mode, resolve (linux/openat2.h)."""
_BENEATH_NO_MAGICLINKS: Final = 0x08 | 0x02
_NO_LINKS: Final = 0x04
_HERE: Final = -100
_TRIES: Final = 32
"""A name may change between two looks at it so many times."""
_LINKS: Final = 40
"""Symbolic links in one path, as the kernel has it."""

_LOOK: Final = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Without O_NONBLOCK a FIFO would wait here for somebody to write."""

_KINDS: Final = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link",
}


class Confined:
    """One open file or folder below the root."""

    def __init__(self, path: str, fd: int, status: os.stat_result) -> None:
        self.path = path
        """Relative to the root."""
        self.fd = fd
        self.size = status.st_size
        """In bytes when it was opened; 0 for files the system makes up."""
        self.is_folder = stat.S_ISDIR(status.st_mode)

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on; none at the end."""
        try:
            return os.pread(self.fd, size, offset)
        except OSError as error:
            raise unreadable(self.path, error) from error


class Root:
    """A folder below which everything stays. Raises `AuthorError` when it is none."""

    def __init__(self, path: str | os.PathLike[str], *, kernel: bool | None = None) -> None:
        self.path = os.path.realpath(path)
        if not os.path.isdir(self.path):
            raise AuthorError(f"the root of file tools must be a folder: {self.path} is none")
        self._prefixes = {os.path.abspath(path), self.path}
        self._kernel = kernel_confines() if kernel is None else kernel

    def relative(self, path: str) -> str:
        """The path below the root. One that is absolute must begin with the root's."""
        try:
            encoded = os.fsencode(path)
        except UnicodeEncodeError:
            raise refused(path, "it is no text that could be a name") from None
        if b"\0" in encoded:
            raise refused(path, "it holds a NUL")
        if len(encoded) > MAX_PATH:
            raise refused(path, f"it is longer than {MAX_PATH} bytes")
        if os.path.isabs(path):
            within = [p for p in self._prefixes if f"{path}/".startswith(p.rstrip("/") + "/")]
            if not within:
                raise outside(path)
            path = path[len(max(within, key=len)) :].lstrip("/")
        return path or "."

    @contextmanager
    def open(self, path: str) -> Iterator[Confined]:
        """A regular file or a folder, to be read. Raises `ClientError` and `WorldError`."""
        path = self.relative(path)
        try:
            fd, status = self._open(path)
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            yield Confined(path, fd, status)
        finally:
            os.close(fd)

    def _open(self, path: str) -> tuple[int, os.stat_result]:
        try:
            root = self._itself()
        except OSError as error:
            raise WorldError(f"the root {self.path} cannot be opened: {_reason(error)}") from error
        try:
            for _ in range(_TRIES):
                # looked at first: to open a device can already do something
                look = self._beneath(root, path, _LOOK)
                try:
                    seen = os.fstat(look)
                finally:
                    os.close(look)
                _refuse_kind(path, seen)
                fd = self._beneath(root, path, _READ)
                status = os.fstat(fd)
                if (seen.st_dev, seen.st_ino) == (status.st_dev, status.st_ino):
                    return fd, status
                os.close(fd)
        finally:
            os.close(root)
        raise WorldError(f"cannot read {shown(path)}: it is replaced again and again; try later")

    def _itself(self) -> int:
        """The folder, which has no link on its way: one that is there now was put there since."""
        if self._kernel:
            return _openat2(_HERE, os.fsencode(self.path), _LOOK | os.O_DIRECTORY, _NO_LINKS)
        folder = os.open("/", _LOOK | os.O_DIRECTORY)
        for part in filter(None, self.path.split("/")):
            above = folder
            try:
                folder = os.open(part, _FOLDER, dir_fd=above)
            finally:
                os.close(above)
        return folder

    def _beneath(self, root: int, path: str, flags: int) -> int:
        if not self._kernel:
            return _walk(root, path, flags)
        for _ in range(_TRIES):
            try:
                return _openat2(root, os.fsencode(path), flags)
            except OSError as error:
                if error.errno == errno.EXDEV:
                    raise outside(path) from None
                if error.errno != errno.EAGAIN:  # something was renamed while `..` was resolved
                    raise
        return _walk(root, path, flags)


def _refuse_kind(path: str, status: os.stat_result) -> None:
    if kind := _KINDS.get(stat.S_IFMT(status.st_mode)):
        raise refused(path, f"it is {kind}, no file", code="not_a_file")


# --- by the kernel ---------------------------------------------------------------------------


def kernel_confines() -> bool:
    """Whether this system has `openat2` and lets us call it."""
    if sys.platform != "linux" or platform.machine().startswith("alpha"):
        return False
    try:
        os.close(_openat2(os.open("/", _LOOK), b".", _LOOK, closing=True))
    except OSError:
        return False
    return True


def _openat2(
    folder: int,
    path: bytes,
    flags: int,
    resolve: int = _BENEATH_NO_MAGICLINKS,
    *,
    closing: bool = False,
) -> int:
    how = _HOW.pack(flags, 0, resolve)
    try:
        while True:
            fd = int(_syscall()(_OPENAT2, folder, path, how, len(how)))
            if fd >= 0:
                return fd
            number = ctypes.get_errno()
            if number != errno.EINTR:
                raise OSError(number, os.strerror(number))
    finally:
        if closing:
            os.close(folder)


def _syscall() -> ctypes._NamedFuncPointer:
    global _SYSCALL
    if _SYSCALL is None:
        _SYSCALL = ctypes.CDLL(None, use_errno=True).syscall
        # the rest are passed as the kernel wants them: a word each
        _SYSCALL.argtypes = (
            ctypes.c_long,
            ctypes.c_long,
            ctypes.c_char_p,
            ctypes.c_char_p,
            ctypes.c_size_t,
        )
        _SYSCALL.restype = ctypes.c_long
    return _SYSCALL


_SYSCALL: ctypes._NamedFuncPointer | None = None


# --- component by component ------------------------------------------------------------------


def _walk(root: int, path: str, flags: int) -> int:
    """As the kernel does it; `..` goes back to the folder it came through, so it cannot climb out."""
    stack = [os.dup(root)]
    todo = deque(path.split("/"))
    links = races = 0
    try:
        while todo:
            part = todo.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                if len(stack) == 1:
                    raise outside(path)
                os.close(stack.pop())
                continue
            kind = os.stat(part, dir_fd=stack[-1], follow_symlinks=False).st_mode
            if stat.S_ISLNK(kind):
                target = _target(part, stack[-1])
                links += 1
                if links > _LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                if target.startswith("/"):
                    raise outside(path)
                todo.extendleft(reversed(target.split("/")))
                continue
            try:
                if not todo:
                    return os.open(part, flags | os.O_NOFOLLOW, dir_fd=stack[-1])
                stack.append(os.open(part, _FOLDER, dir_fd=stack[-1]))
            except OSError as error:
                races += 1
                if error.errno not in (errno.ELOOP, errno.ENOTDIR) or races > _TRIES:
                    raise
                if not _is_link(part, stack[-1]):
                    raise
                todo.appendleft(part)  # it has become a link since
        return os.open(".", flags, dir_fd=stack[-1])
    finally:
        for fd in stack:
            os.close(fd)


_FOLDER: Final = _LOOK | os.O_DIRECTORY | os.O_NOFOLLOW


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _target(name: str, folder: int) -> str:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.EINVAL:  # it is no link any more
            return name
        raise


# --- what is said ----------------------------------------------------------------------------


def shown(path: str | bytes) -> str:
    """A path as one line of text: what is no text, or would break the line, is escaped."""
    raw = path if isinstance(path, bytes) else path.encode("utf-8", "surrogateescape")
    text = raw.decode("utf-8", "backslashreplace")
    if not text.isprintable():
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return text if len(text) <= 300 else f"{text[:150]}…{text[-150:]}"


def refused(path: str, why: str, code: str = "bad_path") -> ClientError:
    """The path asks for what is not given."""
    try:
        name = shown(path)
    except UnicodeEncodeError:
        name = ascii(path[:500])
    return ClientError(f"cannot open {name}: {why}", code=code)


def outside(path: str) -> ClientError:
    """The path leads out of the root."""
    return refused(
        path, "it leads outside the folder these tools see; give a path below it", "outside_root"
    )


def unreadable(path: str, error: OSError) -> RxStreamError:
    """The one line that says which file and why."""
    return WorldError(f"cannot read {shown(path)}: {_reason(error)}", code="unreadable_file")


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
