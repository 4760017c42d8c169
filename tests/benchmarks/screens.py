"""A screenshot by resolution: capturing, and making a picture of it in each format, on a virtual screen.

The screen shows sixty windows of colors, so that there is something to encode. Wall time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial

from rxstream.adapters.tools import pictures
from rxstream.adapters.tools.screens import Shot, capture
from rxstream.adapters.tools.shaping import Format, Making, Resolution
from tests.adapters.tools import screening
from tests.benchmarks.harness import Row, interleave, spread

SCREENS = {"1280×720": (1280, 720), "1920×1080": (1920, 1080), "3840×2160": (3840, 2160)}
FORMATS: tuple[Format, ...] = ("png", "jpeg", "webp")
RESOLUTIONS: tuple[Resolution, ...] = ("full", "480p")
WINDOWS = 60


def timed(function: Callable[[], object]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def paint(painter: screening.Painter, width: int, height: int) -> None:
    dice = random.Random(1)
    for _ in range(WINDOWS):
        left, top = dice.randrange(width), dice.randrange(height)
        painter.paint(left, top, dice.randint(5, 400), dice.randint(5, 300), dice.getrandbits(24))


def made(shot: Shot, making: Making) -> None:
    pictures.encoded(pictures.shaped(pictures.pixels(shot.size, shot.bgrx), making), making)


def measure(short: bool = False) -> list[Row]:
    """Milliseconds for each part of a call."""
    if missing := screening.missing():
        return [Row("screenshot", "capture", None, f"not measured: {missing} is missing")]
    found: list[Row] = []
    for name, (width, height) in SCREENS.items():
        with screening.server(width, height) as display:
            painter = screening.Painter(display)
            paint(painter, width, height)
            shot: Shot = capture(1, None, display)
            taking, again = (
                partial(capture, 1, None, display),
                partial(pictures.key, shot.size, shot.bgrx, Making()),
            )
            ways: dict[str, Callable[[], float]] = {
                "capture, with connecting": partial(timed, taking),
                "know it again (all that a repeated one needs)": partial(timed, again),
            }
            for form in FORMATS:
                for resolution in RESOLUTIONS:
                    making = Making(resolution=resolution, format=form)
                    ways[f"{form}, {resolution}"] = partial(timed, partial(made, shot, making))
            samples = interleave(ways, 3 if short else 9)
            painter.close()
        for way, costs in samples.items():
            found.append(Row(f"screenshot of {name}", way, spread(costs).scaled(1e3), "ms"))
    return found
