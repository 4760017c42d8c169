"""What a picture is made into: cropped, scaled, drawn on, in which file format. Pure.

Shares and pixels are told apart: a crop is in shares of what was captured, so that nobody has to know how
large a screen is, and what is drawn is in pixels of the picture that comes out. Must not know how it is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from rxstream.errors import ClientError

Format: TypeAlias = Literal["png", "jpeg", "webp"]

Resolution: TypeAlias = Literal["full", "2160p", "1440p", "1080p", "720p", "480p", "240p"]

SIZES: Final[dict[str, tuple[int, int]]] = {
    "2160p": (3840, 2160),
    "1440p": (2560, 1440),
    "1080p": (1920, 1080),
    "720p": (1280, 720),
    "480p": (854, 480),
    "240p": (426, 240),
}
"""The picture is made to fit into so many pixels; it is never made larger."""

Share = Annotated[float, Field(ge=0, le=1)]


class Crop(BaseModel):
    """The part of a capture to keep, in shares of its width and height."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: Share = 0.0
    top: Share = 0.0
    right: Share = 1.0
    bottom: Share = 1.0


class Mark(BaseModel):
    """Something drawn: a box, where it has a width and a height, and a text; in pixels of the picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: int
    top: int
    width: Annotated[int, Field(ge=0)] = 0
    height: Annotated[int, Field(ge=0)] = 0
    text: Annotated[str, Field(max_length=200)] = ""
    color: Annotated[str, Field(max_length=40)] = "red"


@dataclass(frozen=True)
class Making:
    """What is made of pixels."""

    crop: Crop | None = None
    resolution: Resolution = "full"
    scale: float = 1.0
    marks: tuple[Mark, ...] = ()
    format: Format = "png"
    quality: int = 85

    def check(self) -> None:
        """Raise `ClientError` for what could not be made, before anything is captured."""
        crop = self.crop
        if crop and not (crop.left < crop.right and crop.top < crop.bottom):
            raise ClientError(f"the crop {crop} leaves nothing: left < right and top < bottom")
        if self.scale != 1.0 and self.resolution != "full":
            raise ClientError("give either a resolution or a scale, not both")


def box(crop: Crop, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is kept, in pixels; never nothing."""
    width, height = size
    left, top = min(int(crop.left * width), width - 1), min(int(crop.top * height), height - 1)
    right = max(left + 1, round(crop.right * width))
    return left, top, right, max(top + 1, round(crop.bottom * height))


def target(size: tuple[int, int], making: Making) -> tuple[int, int]:
    """How large a picture of that size is made."""
    width, height = size
    factor = making.scale
    if making.resolution != "full":
        most_width, most_height = SIZES[making.resolution]
        if height > width:  # a screen that stands upright
            most_width, most_height = most_height, most_width
        factor = min(1.0, most_width / width, most_height / height)
    return max(1, round(width * factor)), max(1, round(height * factor))
