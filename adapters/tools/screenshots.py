"""`screenshot()`: a tool that shows a model, or whoever watches, what is on the screen.

The picture is a `Binary`: recorded beside the event, fetched at its address, and never text in a prompt; the
model is told a sentence about it. Must not know who asks.
"""

from __future__ import annotations

import importlib.util
import time
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from rxstream.adapters.tools.screens import Area, Shot, capture
from rxstream.adapters.tools.shaping import Crop, Format, Making, Mark, Resolution
from rxstream.adapters.tools.working import Work, counted, sized
from rxstream.codec import MAX_BINARY_BYTES, Binary
from rxstream.errors import ClientError, MissingExtra
from rxstream.tools import Output, Tool, ToolContext, ToolResult

CACHE_BYTES: Final = 64 * 1024 * 1024
"""Pictures that are kept, in bytes."""


class Region(BaseModel):
    """A part of a monitor, in its pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: int
    top: int
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]


def screenshot(
    display: str | None = None, *, cache: int = CACHE_BYTES, approval: bool = False
) -> Tool:
    """A tool that captures the screen; on Linux an X11 `display`, else the one of the environment.

    It keeps up to `cache` bytes of pictures, so that the same pixels are encoded once. A screen may show what
    is nobody else's business: with `approval` a person is asked first. Raises `MissingExtra`.
    """
    for name in ("mss", "PIL"):
        if importlib.util.find_spec(name) is None:
            raise MissingExtra("screenshots need an extra: pip install 'rxstream[screenshot]'")
    # what needs the extra is imported only now
    from rxstream.adapters.tools import pictures

    kept = pictures.Kept(cache)

    def screenshot(
        context: ToolContext,
        monitor: Annotated[
            int, Field(ge=0, description="1 is the first monitor, 0 all of them")
        ] = 1,
        region: Annotated[
            Region | None, Field(description="a part of the monitor, in its pixels")
        ] = None,
        crop: Annotated[
            Crop | None, Field(description="the part to keep, in shares from 0 to 1")
        ] = None,
        resolution: Annotated[
            Resolution, Field(description="make it fit into that many lines")
        ] = "full",
        scale: Annotated[float, Field(ge=0.01, le=1)] = 1.0,
        marks: Annotated[
            list[Mark] | None,
            Field(max_length=50, description="boxes and texts to draw, in pixels of the picture"),
        ] = None,
        format: Format = "png",
        quality: Annotated[int, Field(ge=1, le=100, description="of jpeg and webp")] = 85,
    ) -> Work:
        """Take a picture of the screen."""
        lossy = quality if format != "png" else 0  # png has none, and is the same at any
        making = Making(crop, resolution, scale, tuple(marks or ()), format, lossy)
        pictures.check(making)
        begun = time.perf_counter()

        def step(percentage: float, message: str) -> None:
            context.progress(percentage, message)
            context.token.check()

        step(0, "capturing")
        area = None if region is None else Area(**region.model_dump())
        shot = capture(monitor, area, display)
        taken_at = datetime.now(UTC)
        yield Output(f"captured {shot.area} of {_called(shot)}\n")
        step(30, "captured; looking for the same picture")
        key = pictures.key(shot.size, shot.bgrx, making)
        picture = kept.get(key)
        cached = picture is not None
        if picture is None:
            step(45, "cropping, scaling and drawing")
            image = pictures.shaped(pictures.pixels(shot.size, shot.bgrx), making)
            step(65, f"encoding {image.width}×{image.height} pixels as {format}")
            picture = pictures.encoded(image, making)
            kept.put(key, picture)
        if len(picture.data) > MAX_BINARY_BYTES:
            raise ClientError(
                f"the picture has {sized(len(picture.data))}, over the limit of "
                f"{sized(MAX_BINARY_BYTES)}: use jpeg, a lower resolution or a region"
            )
        step(100, "done")
        size = sized(len(picture.data))
        yield Output(f"{'the same as before' if cached else 'encoded'}: {format}, {size}\n")
        facts: dict[str, Any] = {
            "image": Binary(picture.data, picture.media_type),
            "width": picture.width,
            "height": picture.height,
            "captured": _plain(shot.area),
            "monitor": monitor,
            "monitors": [_plain(each) for each in shot.monitors[1:]],
            "taken_at": taken_at,
            "cached": cached,
            "milliseconds": round(1000 * (time.perf_counter() - begun), 1),
        }
        brief = (
            f"A screenshot of {_called(shot)} ({shot.area}) as {picture.width}×{picture.height} "
            f"{picture.media_type}, {size}; there {_are(len(shot.monitors) - 1)}."
        )
        yield ToolResult(facts, brief)

    return Tool(screenshot, parallel=True, idempotent=True, approval=approval, tags=("screen",))


def _called(shot: Shot) -> str:
    return f"monitor {shot.monitor}" if shot.monitor else "the whole desktop"


def _are(monitors: int) -> str:
    return f"{'is' if monitors == 1 else 'are'} {counted(monitors, 'monitor')}"


def _plain(area: Area) -> dict[str, int]:
    return {"left": area.left, "top": area.top, "width": area.width, "height": area.height}
