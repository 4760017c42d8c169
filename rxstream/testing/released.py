"""Asserts that what ran inside has let go of everything it took.

What is there when the context is entered is not its business; what is there in addition when it is left, and
stays for `grace` seconds of real time, is said with name and place. Virtual time does not pass meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable
from contextlib import asynccontextmanager
from types import AsyncGeneratorType, CodeType, GeneratorType
from typing import Any, Final
from weakref import WeakSet

_LOOK_S: Final = 0.002
_LOOKS: Final = 5
"""At least so many, if there is any time: a busy machine may take all of it for the first one."""

_TURNS: Final = 50
"""Turns of the event loop between two looks."""


@asynccontextmanager
async def assert_released(*, grace: float = 1.0) -> AsyncIterator[None]:
    """Fail if what ran inside left a task, thread, child process, file descriptor or open generator.

        >>> import asyncio
        >>> from rxstream.testing import assert_released, run
        >>> async def leaking():
        ...     async with assert_released(grace=0):
        ...         forgotten = asyncio.create_task(asyncio.sleep(60), name="forgotten")
        >>> run(leaking())
        Traceback (most recent call last):
        ...
        AssertionError: left behind: task 'forgotten' (sleep)

    Whoever wants the engine's own to be looked at too puts it inside. Idle threads of the loop's default
    executor belong to the loop; connections that a pool keeps open count. File descriptors are seen where
    `/proc/self/fd` or `/dev/fd` is, child processes on Linux, elsewhere those of `multiprocessing`. An
    exception of the body goes on instead.
    """
    watch = _Watch()
    watch.begin()
    try:
        yield
        deadline, looks = time.monotonic() + grace, _LOOKS if grace else 0
        while (left := watch.left()) and (looks > 0 or time.monotonic() < deadline):
            looks -= 1
            time.sleep(_LOOK_S)  # noqa: ASYNC251  # threads and processes end in real time; the loop's may stand
            # a look may take long where much is alive: closing that needs many turns gets them in few looks
            for _ in range(_TURNS):
                await asyncio.sleep(0)
    finally:
        watch.end()
    # generators that nobody holds any more close when they are collected, which is soon enough
    if left and gc.collect():
        left = watch.left()
    if left:
        raise AssertionError(f"left behind: {', '.join(left)}")


class _Watch:
    """What there was before, and the asynchronous generators begun since."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks = set(asyncio.all_tasks())
        self._threads = set(threading.enumerate())
        self._children = _children()
        self._files = _files()
        self._generators: WeakSet[Generator[Any, Any, Any]] = WeakSet(_generators())
        self._begun: WeakSet[AsyncGenerator[Any, Any]] = WeakSet()
        self._hooks = sys.get_asyncgen_hooks()

    def begin(self) -> None:
        first, last = self._hooks.firstiter, self._hooks.finalizer

        def remember(generator: AsyncGenerator[Any, Any], then: _Hook | None) -> None:
            self._begun.add(generator)
            if then is not None:
                then(generator)

        # a generator that is finalized is closed by a task of the loop: it counts until that is done
        sys.set_asyncgen_hooks(lambda g: remember(g, first), lambda g: remember(g, last))

    def end(self) -> None:
        sys.set_asyncgen_hooks(*self._hooks)

    def left(self) -> list[str]:
        """What is there in addition."""
        return [
            *(_task(task) for task in asyncio.all_tasks() - self._tasks),
            *(f"thread {t.name!r}" for t in self._new_threads()),
            *(f"child process {pid} ({name})" for pid, name in self._new_children()),
            *(f"file descriptor {fd} ({what})" for fd, what in self._new_files()),
            *(_generator(g, g.ag_code) for g in self._open_async_generators()),
            *(_generator(g, g.gi_code) for g in self._open_generators()),
        ]

    def _new_threads(self) -> Iterable[threading.Thread]:
        executor = getattr(self._loop, "_default_executor", None)
        pooled: set[threading.Thread] = getattr(executor, "_threads", set())
        return [t for t in threading.enumerate() if t not in self._threads and t not in pooled]

    def _new_children(self) -> Iterable[tuple[int, str]]:
        return sorted(_children().items() - self._children.items())

    def _new_files(self) -> Iterable[tuple[int, str]]:
        return sorted(_files().items() - self._files.items())

    def _open_async_generators(self) -> list[AsyncGeneratorType[Any, Any]]:
        return [
            g for g in self._begun if isinstance(g, AsyncGeneratorType) and g.ag_frame is not None
        ]

    def _open_generators(self) -> list[GeneratorType[Any, Any, Any]]:
        return [g for g in _generators() if g not in self._generators]


_Hook = Callable[[AsyncGenerator[Any, Any]], None]


def _task(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    name = getattr(coroutine, "__qualname__", type(coroutine).__name__)
    return f"task {task.get_name()!r} ({name})"


def _generator(generator: Any, code: CodeType) -> str:
    return f"unclosed generator {generator.__qualname__} ({code.co_filename}:{code.co_firstlineno})"


def _generators() -> list[GeneratorType[Any, Any, Any]]:
    """Generators that have been begun and neither finished nor closed."""
    return [
        found
        for found in gc.get_objects()
        if type(found) is GeneratorType
        and inspect.getgeneratorstate(found) == inspect.GEN_SUSPENDED
    ]


def _files() -> dict[int, str]:
    """Open file descriptors and what they are, as far as the system tells."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        found = {}
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            try:
                found[int(name)] = os.readlink(f"{folder}/{name}")
            except OSError as error:
                # the one that listed the folder is closed by now; where there are no links it is just open
                if _is_open(int(name)):
                    found[int(name)] = error.strerror or "open"
        return found
    return {}


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _children() -> dict[int, str]:
    """Child processes by id: those of this process on Linux, elsewhere those of `multiprocessing`."""
    found = {child.pid: child.name for child in multiprocessing.active_children() if child.pid}
    mine = str(os.getpid())
    try:
        entries = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return found
    for name in entries:
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                head, _, tail = stat.read().rpartition(")")
        except OSError:
            continue  # it has ended meanwhile
        if tail.split()[1:2] == [mine]:
            found.setdefault(int(name), head.partition("(")[2])
    return found
