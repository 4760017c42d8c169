"""From pixels to a picture in a file format: crop, scale, draw, encode; once for the same pixels.

Whoever looks at a screen again and again mostly sees the same, and encoding is what takes the time, so
what was made of which pixels is kept, up to a number of bytes. Must not know where pixels come from.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageColor, ImageDraw, ImageFont

from rxstream.adapters.tools.shaping import Making, Mark, box, target
from rxstream.errors import ClientError


@dataclass(frozen=True)
class Picture:
    """A picture in a file format."""

    data: bytes
    media_type: str
    width: int
    height: int


def check(making: Making) -> None:
    """Raise `ClientError` for what could not be made, before anything is captured."""
    making.check()
    for mark in making.marks:
        try:
            ImageColor.getrgb(mark.color)
        except ValueError:
            raise ClientError(
                f"{mark.color!r} is no color: give a name such as red, or #rrggbb"
            ) from None


def pixels(size: tuple[int, int], bgrx: bytes | bytearray) -> Image.Image:
    """The picture of a capture."""
    return Image.frombytes("RGB", size, bgrx, "raw", "BGRX")


def shaped(image: Image.Image, making: Making) -> Image.Image:
    """Cropped, scaled and drawn on."""
    if making.crop is not None:
        image = image.crop(box(making.crop, image.size))
    size = target(image.size, making)
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    if making.marks:
        image = image.copy()
        draw = ImageDraw.Draw(image)
        for mark in making.marks:
            _draw(draw, mark, image.size)
    return image


def _draw(draw: ImageDraw.ImageDraw, mark: Mark, size: tuple[int, int]) -> None:
    line = max(2, min(size) // 300)
    if mark.width and mark.height:
        right, bottom = mark.left + mark.width - 1, mark.top + mark.height - 1
        draw.rectangle((mark.left, mark.top, right, bottom), outline=mark.color, width=line)
    if mark.text:
        font = ImageFont.load_default(max(12, min(size) // 40))
        place = (mark.left + 2 * line, mark.top + 2 * line)
        # on a ground of its own, so that it can be read on anything
        draw.rectangle(draw.textbbox(place, mark.text, font=font), fill="white")
        draw.text(place, mark.text, fill=mark.color, font=font)


def encoded(image: Image.Image, making: Making) -> Picture:
    """In its file format. Raises `ClientError` where that cannot hold it."""
    options: dict[str, Any] = {} if making.format == "png" else {"quality": making.quality}
    written = io.BytesIO()
    try:
        image.save(written, making.format, **options)
    except (OSError, ValueError) as error:
        raise ClientError(
            f"a picture of {image.width}×{image.height} pixels cannot be made {making.format}: {error}; "
            "give a lower resolution"
        ) from error
    return Picture(written.getvalue(), f"image/{making.format}", image.width, image.height)


class Kept:
    """Pictures made before, the ones used least lately forgotten; any thread may ask."""

    def __init__(self, most: int) -> None:
        self._most = most
        """In bytes."""
        self._lock = threading.Lock()
        self._pictures: OrderedDict[bytes, Picture] = OrderedDict()
        self.size = 0
        """Bytes that are held."""

    def get(self, key: bytes) -> Picture | None:
        """What was made of the same pixels in the same way."""
        with self._lock:
            found = self._pictures.get(key)
            if found is not None:
                self._pictures.move_to_end(key)
            return found

    def put(self, key: bytes, picture: Picture) -> None:
        """Keep it; one larger than all that may be held is not."""
        with self._lock:
            if len(picture.data) > self._most or key in self._pictures:
                return
            self._pictures[key] = picture
            self.size += len(picture.data)
            while self.size > self._most:
                _, forgotten = self._pictures.popitem(last=False)
                self.size -= len(forgotten.data)


def key(size: tuple[int, int], bgrx: bytes | bytearray, making: Making) -> bytes:
    """Names pixels and what is made of them."""
    digest = hashlib.sha256(
        repr((size, making)).encode()
    )  # the quickest there is: processors know it
    digest.update(bgrx)
    return digest.digest()
