"""Run as a program: what a process does to itself before it becomes the one that makes the sandbox.

`python sandbox_launch.py [user USER PLACE] [r FOLDER | w FOLDER] … [wall SCOPES] -- COMMAND …`

By root, with `user`: become a user who owns nothing, to whom some folders look like their own. In mounts of
its own, each folder is put into the place under its number. In one that is written to (`w`), files of the
folder's owner appear to be the user's, and what the user makes is the owner's: `mount_setattr(2)`. Then it is
that user, without any right of root.

By anybody, with `wall`: give up for good, with all that will be started, the ways to others that the mask
names: `landlock(7)`. Always: when something of it crashes, nobody hears of it, `core(5)`. It must not import
what takes long: it runs before every command.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys

_OPEN_TREE, _MOVE_MOUNT, _OPENAT2, _MOUNT_SETATTR = 428, 429, 437, 442  # the same on every machine
_NO_LINKS = 4
_CLONE, _RECURSIVE, _EMPTY_PATH, _MOVE_EMPTY = 1, 0x8000, 0x1000, 4
_HERE = -100
_MAPPED = 0x00100000
_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
_PRIVATE = 0x40000 | 0x4000
_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # as above
_NO_NEW_PRIVILEGES = 38
_CORE = 4

_libc = ctypes.CDLL(None, use_errno=True)


def main(words: list[str]) -> None:
    """Never returns. Raises `OSError` where the kernel or a file system cannot."""
    user, place, scopes = 0, "", 0
    folders: list[tuple[str, bool]] = []
    while (kind := words.pop(0)) != "--":
        if kind == "user":
            user, place = int(words.pop(0)), words.pop(0)
        elif kind == "wall":
            scopes = int(words.pop(0))
        else:
            folders.append((words.pop(0), kind == "w"))
    if user:
        become(user, place, folders)
    if scopes:
        restrict(scopes)
    # a limit of 0 keeps the kernel from writing a file, but not from starting the host's program for crashes
    _libc.setrlimit(_CORE, struct.pack("=QQ", 1, 1))
    # Python ignores these, and a command that inherits that does not end as others do
    for each in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(each, signal.SIG_DFL)
    os.execv(words[0], words)


def become(user: int, place: str, folders: list[tuple[str, bool]]) -> None:
    """That user, who finds the folders in the place."""
    _checked(_libc.unshare(_NEW_MOUNTS))
    _checked(_libc.mount(None, b"/", None, ctypes.c_ulong(_PRIVATE), None))
    trees = [(_tree(path, user if written else None), path) for path, written in folders]
    _checked(_libc.mount(b"none", place.encode(), b"tmpfs", ctypes.c_ulong(0), b"mode=755"))
    for number, (tree, path) in enumerate(trees):
        target = os.path.join(place, str(number))
        if os.path.isdir(path):
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT))
        _checked(_libc.syscall(_MOVE_MOUNT, tree, b"", _HERE, target.encode(), _MOVE_EMPTY))
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def restrict(scopes: int) -> None:
    """A Landlock domain that says nothing of files: inside one that does, no mount can be made."""
    wishes = ctypes.create_string_buffer(struct.pack("=QQQ", 0, 0, scopes), 24)
    rules = _checked(_libc.syscall(_CREATE_RULESET, wishes, 24, 0))
    _checked(_libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _checked(_libc.syscall(_RESTRICT_SELF, rules, 0))
    os.close(rules)


def _tree(path: str, user: int | None) -> int:
    """A folder with what is mounted below it, as a mount that is nowhere yet."""
    # the path was looked at before, and somebody may have put a link on it since
    wishes = ctypes.create_string_buffer(struct.pack("=QQQ", os.O_PATH, 0, _NO_LINKS), 24)
    folder = _checked(_libc.syscall(_OPENAT2, _HERE, os.fsencode(path), wishes, 24))
    flags = _CLONE | os.O_CLOEXEC | _RECURSIVE | _EMPTY_PATH
    tree = _checked(_libc.syscall(_OPEN_TREE, folder, b"", flags))
    found = os.stat(folder)
    os.close(folder)
    if user is not None:
        users = _users(found.st_uid, found.st_gid, user)
        attributes = ctypes.create_string_buffer(struct.pack("=QQQQ", _MAPPED, 0, 0, users), 32)
        flags = _EMPTY_PATH | _RECURSIVE
        _checked(_libc.syscall(_MOUNT_SETATTR, tree, b"", flags, attributes, 32))
        os.close(users)
    return tree


def _users(owner: int, group: int, user: int) -> int:
    """A namespace of users in which the owner stands for the user: made by a child, which lends its own."""
    ready, made = os.pipe()
    told, done = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(made, b"x" if _libc.unshare(_NEW_USERS) == 0 else b"-")
        os.read(told, 1)
        os._exit(0)
    try:
        if os.read(ready, 1) != b"x":
            raise OSError("no namespace of users can be made")
        for kind, number in (("uid", owner), ("gid", group)):
            with open(f"/proc/{child}/{kind}_map", "w") as table:
                table.write(f"{number} {user} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    finally:
        os.write(done, b"x")
        os.waitpid(child, 0)
        for each in (ready, made, told, done):
            os.close(each)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"bwrap: cannot set the command apart: {error}")
