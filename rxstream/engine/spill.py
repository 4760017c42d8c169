"""A queue that never refuses: what does not fit in memory waits in a temporary file, in order.

Elements go out in the order they came in, equal and of the same types (`statecodec`). Memory holds at most
`memory` elements, a block not written yet and a block read back; the file is a ring of at most `max_bytes`,
without a name where the system allows, so that it is gone however the process ends. It is read and written
in the caller's thread, a block of 64 KiB at a time: a disk that cannot keep up holds the caller back, because
anything else would hold elements without a bound. It must not know who fills or empties it.
"""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from collections.abc import Iterable
from struct import Struct
from typing import IO, Any, Final

from rxstream import statecodec
from rxstream.errors import BufferOverflow, WorldError

BLOCK: Final = 65_536
"""Bytes written at once, and read at once."""

_QUICK_CLOSE: Final = 16 * 2**20
"""Bytes of a file that is closed at once; of a larger one the system is slow to take back the space."""

_DECODED: Final = 256
"""Elements decoded at once, which takes well under a millisecond for small ones."""

_LENGTH: Final = Struct(">I")


class SpillQueue:
    """First in, first out; not safe to use from two threads at the same time."""

    def __init__(self, memory: int, max_bytes: int, folder: str | None = None) -> None:
        self._memory = memory
        self._max_bytes = max_bytes
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._head: deque[Any] = deque()
        """The oldest elements."""
        self._raw = b""
        """Frames that were read and are not decoded, from `_at` on."""
        self._at = 0
        self._read = 0
        """Bytes read from the file since it was opened, and written to it."""
        self._written = 0
        self._size = 0
        """Bytes the file has had."""
        self._tail = bytearray()
        """The newest frames, not written yet."""
        self._spilled = 0
        """Elements that are frames somewhere."""
        self._known = False
        self.bytes = 0
        """Bytes of all those frames."""

    def __len__(self) -> int:
        return len(self._head) + self._spilled

    def append(self, item: Any) -> None:
        """Put one element at the end. Raises as `extend` does."""
        self.extend((item,))

    def extend(self, items: Iterable[Any]) -> None:
        """Put elements at the end.

        Raises `NotStorable` for an element that would not come back as it was (the first is looked at even
        when it need not go to the file), `BufferOverflow` when `max_bytes` would be passed, `WorldError` when
        the file cannot be written. What came before that element stays.
        """
        head, memory = self._head, self._memory
        for item in items:
            if not self._known:
                statecodec.encode(item)
                self._known = True
            if self._spilled or len(head) >= memory:
                self._spill(item)
            else:
                head.append(item)

    def popleft(self) -> Any:
        """The oldest element. Raises IndexError when there is none."""
        if not self._head and self._spilled:
            self._refill()
        return self._head.popleft()

    def take(self, count: int) -> list[Any]:
        """The oldest `count` elements, or all there are. Raises `WorldError` when the file cannot be read."""
        taken: list[Any] = []
        while len(taken) < count and self:
            if not self._head:
                self._refill()
            some = min(count - len(taken), len(self._head))
            taken += [self._head.popleft() for _ in range(some)]
        return taken

    def clear(self) -> None:
        """Forget everything and give the file back. It may be filled again."""
        self._head.clear()
        self._tail.clear()
        self._raw = b""
        self._spilled = self.bytes = self._at = self._read = self._written = 0
        size, self._size = self._size, 0
        file, self._file = self._file, None
        if file is None:
            return
        if size <= _QUICK_CLOSE:
            file.close()
        else:
            threading.Thread(target=file.close, name="rxstream spill", daemon=True).start()

    # -- to the file ---------------------------------------------------------------------------

    def _spill(self, item: Any) -> None:
        data = statecodec.encode(item)
        size = _LENGTH.size + len(data)
        if self.bytes + size > self._max_bytes:
            raise BufferOverflow(
                f"{len(self)} elements wait, {self.bytes} bytes of them spilled, and {size} more would be "
                f"over the limit of {self._max_bytes}: give spill(max_bytes=…) more, or use a lossy policy"
            )
        self._tail += _LENGTH.pack(len(data))
        self._tail += data
        self._spilled += 1
        self.bytes += size
        if len(self._tail) >= BLOCK:
            self._write()

    def _write(self) -> None:
        """Move the tail into the ring, where there is room for all that waits."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(  # noqa: SIM115  # closed by `clear`
                    dir=self._folder, prefix="rxstream-", buffering=0
                )
            view = memoryview(bytes(self._tail))
            done = 0
            while done < len(view):
                start = (self._written + done) % self._max_bytes
                self._file.seek(start)
                done += self._file.write(view[done : done + self._max_bytes - start])
        except OSError as error:
            # the tail stays, so nothing that was taken in is lost
            raise WorldError(
                f"what does not fit in memory cannot be spilled to {self._place()}: {error}",
                code="spill_failed",
            ) from error
        self._written += len(view)
        self._size = max(self._size, min(self._written, self._max_bytes))
        self._tail.clear()

    def _place(self) -> str:
        return self._folder or tempfile.gettempdir()

    # -- and back ------------------------------------------------------------------------------

    def _refill(self) -> None:
        """Put the oldest frames into the empty head."""
        for _ in range(min(self._memory, self._spilled, _DECODED)):
            size = self._next_size()
            if len(self._raw) - self._at < size:
                if self._head:
                    return  # one block at a time
                self._fetch(_LENGTH.size)
                self._fetch(size := self._next_size())
            end = self._at + size
            item = statecodec.decode(self._raw[self._at + _LENGTH.size : end])
            self._at = end
            self._spilled -= 1
            self.bytes -= size
            self._head.append(item)

    def _next_size(self) -> int:
        """Bytes of the oldest frame, or of its length if that is all that is missing."""
        if len(self._raw) - self._at < _LENGTH.size:
            return _LENGTH.size
        (size,) = _LENGTH.unpack_from(self._raw, self._at)
        return _LENGTH.size + int(size)

    def _fetch(self, least: int) -> None:
        """Read on, until so many bytes are at hand."""
        left = self._raw[self._at :]
        if len(left) >= least:
            return
        parts = [left]
        wanted = max(BLOCK, least) - len(left)
        while wanted > 0 and self._read < self._written:
            part = self._pread(min(wanted, self._written - self._read))
            self._read += len(part)
            wanted -= len(part)
            parts.append(part)
        if wanted > 0:
            parts.append(bytes(self._tail))
            self._tail.clear()
        if self._read == self._written:
            self._read = self._written = 0  # the beginning of the file again
        self._raw = b"".join(parts)
        self._at = 0

    def _pread(self, size: int) -> bytes:
        assert self._file is not None
        start = self._read % self._max_bytes
        try:
            self._file.seek(start)
            part = self._file.read(min(size, self._max_bytes - start))
        except OSError as error:
            raise WorldError(
                f"what was spilled to {self._place()} cannot be read: {error}", code="spill_failed"
            ) from error
        if not part:
            raise WorldError(
                f"what was spilled to {self._place()} is gone: the file is shorter than it was",
                code="spill_failed",
            )
        return part
