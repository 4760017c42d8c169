"""A source that breaks off where the test says, and can be gone on with from there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar, Final, Literal

from rxstream.errors import WorldError
from rxstream.source import Source, SourcePort


class Mark(Enum):
    """What is not an element in a `TestingSource`."""

    ABORT = "ABORT"


ABORT: Final[Literal[Mark.ABORT]] = Mark.ABORT
"""Here the source raises `Aborted`, once."""


class Aborted(WorldError):
    """A `TestingSource` has reached its `ABORT`."""

    code = "aborted"


class TestingSource(Source[Any]):
    """Some elements, `batch` at a time, among them places where it fails once.

        >>> import rxstream as rxs
        >>> from rxstream.testing import ABORT, Aborted, TestingSource, run
        >>> numbers = rxs.source(TestingSource([0, 1, ABORT, 2]))
        >>> async def listed():
        ...     return await numbers.to_list()
        >>> try:
        ...     run(listed())
        ... except Aborted as error:
        ...     print(error)
        aborted before element 2
        >>> run(listed())
        [0, 1, 2]

    An ABORT counts once for the source, however many executions read it. Its offset is the index in the list,
    so a resumed run begins with what had not been taken. `pulled` counts the elements that were asked for,
    over all runs, `opened` and `closed` the runs.
    """

    __test__: ClassVar[bool] = False  # not a test, whatever pytest thinks of its name
    name: ClassVar[str] = "testing"
    seekable: bool = True
    endless: bool | None = False

    def __init__(self, items: Iterable[Any], *, batch: int = 1) -> None:
        if batch < 1:
            raise ValueError(f"a batch has at least one element, not {batch}")
        self._items = list(items)
        self._batch = batch
        self._used: set[int] = set()
        self.pulled = 0
        self.opened = 0
        self.closed = 0

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"items": self._items}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        self.opened += 1
        index = 0 if port.start is None else int(port.start)
        items: list[Any] = []
        try:
            while index < len(self._items):
                item = self._items[index]
                index += 1
                if item is not ABORT:
                    items.append(item)
                elif index not in self._used:
                    if items:
                        # the offset before the mark: what follows it comes when it has been met
                        port.seek_point(index - 1)
                        self.pulled += len(items)
                        yield items
                    self._used.add(index)
                    raise Aborted(f"aborted before element {self._before(index)}")
                if len(items) == self._batch:
                    port.seek_point(index)
                    self.pulled += len(items)
                    yield items
                    items = []
            if items:
                port.seek_point(index)
                self.pulled += len(items)
                yield items
        finally:
            self.closed += 1

    def _before(self, index: int) -> int:
        return sum(item is not ABORT for item in self._items[:index])
