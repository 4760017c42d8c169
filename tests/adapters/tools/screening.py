"""A real X server of its own, and something known on its screen."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WIDTH, HEIGHT = 1280, 720


def missing() -> str | None:
    """What is missing to have a screen."""
    if shutil.which("Xvfb") is None:
        return "Xvfb"
    return None if ctypes.util.find_library("X11") else "libX11"


@contextmanager
def server(width: int = WIDTH, height: int = HEIGHT, depth: int = 24) -> Iterator[str]:
    """The display's name. It takes a number that is free by itself."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-nolisten", "tcp", "-noreset"]
    command += ["-screen", "0", f"{width}x{height}x{depth}"]
    process = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        number = b""
        while not number.endswith(b"\n"):
            assert select.select([reading], [], [], 30)[0], "Xvfb does not say its display"
            more = os.read(reading, 16)
            assert more, "Xvfb ended"
            number += more
        yield f":{int(number)}"
    finally:
        os.close(reading)
        process.kill()
        process.wait()


class _Monitor(ctypes.Structure):
    """`XRRMonitorInfo`."""

    _fields_ = (
        ("name", ctypes.c_ulong),
        *((each, ctypes.c_int) for each in ("primary", "automatic", "outputs")),
        *((each, ctypes.c_int) for each in ("left", "top", "width", "height")),
        *((each, ctypes.c_int) for each in ("wide", "high")),
        ("of", ctypes.c_void_p),
    )


class Painter:
    """Colors parts of a screen, as a program with windows does."""

    def __init__(self, display: str) -> None:
        self._x = ctypes.CDLL(ctypes.util.find_library("X11"))
        for name in ("XOpenDisplay", "XDefaultRootWindow", "XCreateSimpleWindow"):
            getattr(self._x, name).restype = ctypes.c_void_p
        self._display = ctypes.c_void_p(self._x.XOpenDisplay(display.encode()))
        assert self._display.value, f"cannot open {display}"
        self._root = ctypes.c_void_p(self._x.XDefaultRootWindow(self._display))
        self._windows: list[Any] = []

    def paint(self, left: int, top: int, width: int, height: int, color: int) -> None:
        """A window without a frame; there is nobody who would add one."""
        made = self._x.XCreateSimpleWindow(
            self._display, self._root, left, top, width, height, 0, 0, ctypes.c_ulong(color)
        )
        window = ctypes.c_void_p(made)
        self._windows.append(window)
        self._x.XMapWindow(self._display, window)
        self._x.XSync(self._display, 0)

    def divide(self, *parts: tuple[int, int, int, int]) -> bool:
        """Say that parts of the screen are monitors, as somebody with two of them does; no if nobody can."""
        library = ctypes.util.find_library("Xrandr")
        if library is None:
            return False
        self._x.XInternAtom.restype = ctypes.c_ulong
        for number, (left, top, width, height) in enumerate(parts):
            name = self._x.XInternAtom(self._display, b"PART-%d" % number, 0)
            part = _Monitor(name, 0, 0, 0, left, top, width, height, 10, 10, None)
            ctypes.CDLL(library).XRRSetMonitor(self._display, self._root, ctypes.byref(part))
        self._x.XSync(self._display, 0)
        return True

    def clear(self) -> None:
        for window in self._windows:
            self._x.XDestroyWindow(self._display, window)
        self._windows.clear()
        self._x.XSync(self._display, 0)

    def close(self) -> None:
        self._x.XCloseDisplay(self._display)
