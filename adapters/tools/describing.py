"""What is said of a file that is no text: its type and size, an image's dimensions, an archive's members.

Nothing is unpacked or decoded beyond that, and what is read for it has a limit of bytes and of time, so that
a file made to be expensive is not. Must not know text.
"""

from __future__ import annotations

import io
import mimetypes
import tarfile
import time
import warnings
import zipfile
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO, Final, cast

from rxstream.adapters.tools.confined import Confined, shown
from rxstream.adapters.tools.recognising import Bytes
from rxstream.adapters.tools.working import Limits, Page, Watch, Work, counted, sized
from rxstream.errors import ExecutionCancelled
from rxstream.tools import ToolResult

MEMBERS: Final = 100
"""Members of an archive that are named."""
_READ_BYTES: Final = 8 * 1024 * 1024
_SECONDS: Final = 2.0
_PREVIEW: Final = 64

_PACKED: Final = {
    "application/gzip",
    "application/x-bzip2",
    "application/x-xz",
    "application/x-tar",
}


def describe(file: Confined, kind: Bytes, head: bytes, limits: Limits, watch: Watch) -> Work:
    """Facts, as lines and as data."""
    media_type = kind.media_type
    if "/" not in media_type:
        by_name = mimetypes.guess_type(file.path)[0]
        if media_type == "binary data" and by_name and not by_name.startswith("text/"):
            media_type = by_name
    facts: dict[str, Any] = {
        "path": shown(file.path),
        "type": "binary",
        "media_type": media_type,
        "size": file.size,
    }
    # closing it leaves ours open
    reading = cast(BinaryIO, io.BufferedReader(_Bounded(file, watch)))
    page = Page(limits.output)
    page.add(f"{facts['path']}: {media_type}, {sized(file.size)}")
    watch.tell(0, file.size or None, f"looking into {facts['path']}")
    if media_type.startswith("image/"):
        facts |= _image(reading)
        if "width" in facts:
            page.add(f"{facts['width']}×{facts['height']} pixels, {facts['mode']}")
    elif media_type == "application/zip" or media_type in _PACKED:
        members, more = _members(reading, media_type)
        if members:
            facts |= {"members": members, "more_members": more}
            for member in members:
                if not page.add(f"{member['size']:>12,}  {member['name']}"):
                    break
            page.add("… and more" if more else counted(len(members), "member"))
    else:
        facts["begins"] = head[:_PREVIEW].hex(" ")
        page.add(f"begins with {facts['begins']}")
    yield from page.output()
    watch.tell(1, 1)
    yield ToolResult(facts, page.text("not text, so it is described and not shown"))


class _Bounded(io.RawIOBase):
    """A file for libraries that read as they like: raises OSError when they have read enough."""

    def __init__(self, file: Confined, watch: Watch) -> None:
        self._file = file
        self._watch = watch
        self._at = 0
        self._left = _READ_BYTES
        self._until = time.monotonic() + min(_SECONDS, watch.left)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._watch.look()
        if self._left <= 0 or time.monotonic() > self._until:
            raise OSError("read enough of it")
        data = self._file.read(self._at, min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._at += len(data)
        self._left -= len(data)
        return len(data)


def _image(reading: BinaryIO) -> dict[str, Any]:
    """Its dimensions, where they can be read from its header."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # so many pixels that to decode them would be dangerous: nobody does
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(reading) as image:
                width, height = image.size
                return {"width": width, "height": height, "mode": image.mode}
    except ExecutionCancelled:
        raise
    except Exception:  # whatever a broken file makes of a decoder
        return {}


def _members(reading: BinaryIO, media_type: str) -> tuple[list[dict[str, Any]], bool]:
    """The first members, and whether there are more; none where they cannot be read."""
    found: list[dict[str, Any]] = []
    source = _in_zip(reading) if media_type == "application/zip" else _in_tar(reading)
    try:
        found.extend(islice(source, MEMBERS))
        return found, next(source, None) is not None
    except ExecutionCancelled:
        raise
    except Exception:  # broken, encrypted, no archive below the compression, or too much to read
        return found, bool(found)


def _in_zip(reading: BinaryIO) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(reading) as archive:
        for member in archive.infolist():
            yield {"name": shown(member.filename), "size": member.file_size}


def _in_tar(reading: BinaryIO) -> Iterator[dict[str, Any]]:
    with tarfile.open(fileobj=reading, mode="r:*") as archive:
        for member in archive:
            yield {"name": shown(member.name), "size": member.size}
