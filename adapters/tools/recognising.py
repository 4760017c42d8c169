"""What a file is, by its first bytes: text in some encoding, or something that is described, not shown.

A byte order mark says the encoding; else text without NULs that is UTF-8 is UTF-8; else a detector guesses.
What has NULs is binary, unless every other byte is one. Must not know what is done with it.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

from rxstream.errors import ClientError

HEAD_BYTES: Final = 16 * 1024
"""So much of a file's beginning is looked at."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_MAGIC: Final = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (257, b"ustar", "application/x-tar"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x7fELF", "an ELF program or library"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"PAR1", "an Apache Parquet table"),
    (0, b"\0asm", "application/wasm"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (8, b"WAVE", "audio/wav"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
)
"""Offset, bytes, name. Sources: the formats' specifications,."""

_CONTROL: Final = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})
"""What text does not hold; bell, backspace, tab, line and form feeds and escape sequences it may."""


_LIKELY: Final = [
    *("cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
]
"""What a detector may guess; given a free hand it takes a short text in Latin-1 for Johab. Of two guesses
as good as each other the first of these is the likelier."""


@dataclass(frozen=True)
class Text:
    """Text in this encoding, which begins after so many bytes of mark."""

    encoding: str
    mark: int = 0

    @property
    def plain(self) -> bool:
        """Whether a line ends with the byte 10, and nothing else has that byte."""
        return self.encoding in ("utf-8", "ascii", "iso8859-1", "cp1252")

    @property
    def unit(self) -> int:
        """Bytes that are never split."""
        return {"utf-16": 2, "utf-32": 4}.get(self.encoding[:6], 1)


@dataclass(frozen=True)
class Bytes:
    """No text; a media type, or a name for it."""

    media_type: str = "binary data"


def recognise(head: bytes, whole: bool) -> Text | Bytes:
    """What a file with this beginning is; `whole` when nothing follows."""
    if text := marked(head):
        return text
    for offset, magic, name in _MAGIC:
        if head.startswith(magic, offset) and (len(magic) > 3 or _odd(head)):
            return Bytes(name)
    if b"\0" in head:
        return _wide(head) or Bytes()
    if _utf8(head, whole):
        return Text("utf-8") if not _controls(head) else Bytes()
    return _guessed(head)


def marked(head: bytes) -> Text | None:
    """What a byte order mark says."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return Text(encoding, len(mark))
    return None


def named(encoding: str, head: bytes) -> Text:
    """The text in an encoding somebody named. Raises `ClientError`."""
    try:
        info = codecs.lookup(encoding)
        codecs.getincrementaldecoder(info.name)().decode(b"")
        # some are for names of hosts, and know no way around what they cannot decode
        codecs.getincrementaldecoder(info.name)("replace").decode(b"\xff\xfe\0\0\xff", True)
        "".encode(info.name)
    except (LookupError, ValueError, TypeError, AssertionError):  # unknown, or no text encoding
        raise ClientError(
            f"there is no text encoding {encoding[:40]!r}: leave it out, or name one such as utf-8, "
            "latin-1, utf-16, cp1252, shift_jis"
        ) from None
    found = marked(head)
    name = info.name.removesuffix("-sig")
    if found and found.encoding.startswith(name):
        return found
    return Text({"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(name, name))


def _odd(head: bytes) -> bool:
    """Whether what follows a short magic is binary, so that text which begins with it stays text."""
    return b"\0" in head or not _utf8(head, False)


def _utf8(head: bytes, whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, whole)
    except UnicodeDecodeError:
        return False
    return True


def _controls(head: bytes) -> bool:
    """Whether more than one byte in a hundred is a control character."""
    return len(head.translate(None, _CONTROL)) < 0.99 * len(head)


def _wide(head: bytes) -> Text | None:
    """UTF-16 without a mark: mostly characters whose other byte is 0."""
    even, odd = head[0::2], head[1::2]
    for encoding, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if len(head) >= 8 and zeros.count(0) > 0.9 * len(zeros) and others.count(0) == 0:
            return Text(encoding) if not _controls(others) else None
    return None


def _guessed(head: bytes) -> Text | Bytes:
    if _controls(head):
        return Bytes()
    # imported where it is needed: it takes longer than reading a file
    from charset_normalizer import from_bytes

    found = from_bytes(head, cp_isolation=_LIKELY)
    best = found.best()
    if best is None:
        return Bytes()
    names = {best.encoding, *best.could_be_from_charset}
    names |= {m.encoding for m in found if m.chaos <= best.chaos and m.coherence >= best.coherence}
    return Text("cp1252" if "cp1252" in names else codecs.lookup(best.encoding).name)
