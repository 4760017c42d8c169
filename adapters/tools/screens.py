"""The pixels of a screen: which part of which monitor, and what they are.

Areas are in the pixels of the whole desktop, whose origin may lie within it, so that a monitor may begin at
negative ones. What lies beside a monitor is cut off. Must not know what is done with the pixels.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rxstream.errors import ClientError, WorldError


@dataclass(frozen=True)
class Area:
    """A rectangle, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}×{self.height} at {self.left},{self.top}"

    def within(self, other: Area) -> Area | None:
        """The part of this that is in the other; None when there is none."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right = min(self.left + self.width, other.left + other.width)
        bottom = min(self.top + self.height, other.top + other.height)
        return (
            Area(left, top, right - left, bottom - top) if right > left and bottom > top else None
        )


@dataclass(frozen=True)
class Shot:
    """What was on the screen."""

    area: Area
    monitor: int
    monitors: tuple[Area, ...]
    """The whole desktop, then each monitor."""
    size: tuple[int, int]
    """Of the picture: on some screens more pixels than the area has."""
    bgrx: bytes | bytearray
    """Blue, green, red and a byte that says nothing, row by row."""


def chosen(monitors: Sequence[Area], monitor: int, region: Area | None) -> Area:
    """What is to be captured; a region is relative to its monitor. Raises `ClientError`."""
    if not 0 <= monitor < len(monitors):
        raise ClientError(
            f"there is no monitor {monitor}: give 0 for the whole desktop"
            + (f", or 1 to {len(monitors) - 1}" if len(monitors) > 2 else " or 1")
        )
    whole = monitors[monitor]
    if region is None:
        return whole
    asked = Area(whole.left + region.left, whole.top + region.top, region.width, region.height)
    found = asked.within(whole)
    if found is None:
        raise ClientError(
            f"the region {region} is beside the monitor, which has {whole.width}×{whole.height} pixels"
        )
    return found


def capture(monitor: int, region: Area | None, display: str | None) -> Shot:
    """Take what is on the screen now. Raises `ClientError` and `WorldError`."""
    import mss
    from mss.exception import ScreenShotError

    given: dict[str, Any] = {} if display is None else {"display": display}
    try:
        with mss.MSS(**given) as screen:
            monitors = tuple(_area(each) for each in screen.monitors)
            area = chosen(monitors, monitor, region)
            shot = screen.grab(asdict(area))
            return Shot(area, monitor, monitors, (shot.width, shot.height), shot.raw)
    except (ScreenShotError, OSError) as error:
        raise WorldError(_no_screen(display, error), code="no_screen") from error


def _area(monitor: dict[str, Any]) -> Area:
    return Area(monitor["left"], monitor["top"], monitor["width"], monitor["height"])


def _no_screen(display: str | None, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200]
    if sys.platform != "linux":
        return f"cannot capture the screen: {reason}; may this program record it?"
    name = display or os.environ.get("DISPLAY")
    if not name:
        return (
            "there is no screen: DISPLAY is not set; run this in a desktop session, or under Xvfb"
        )
    hint = "is there an X server of that name?"
    if "color depth" in reason:
        hint = "start its X server with one of them, as Xvfb -screen 0 1280x720x24"
    return f"cannot capture the screen {name}: {reason}; {hint}"
