"""Marble diagrams in and out: a string becomes a stream, and a stream a string, on the loop's clock.

The syntax is reactivex's (`reactivex.from_marbles`):

    -       a tick passes
    a  10   an element; numbers become int or float; a run of several characters is one element and takes as
            many ticks as it has characters
    |  #    the end, an error; each takes a tick
    (a,b)   elements, or an end, of one tick
    space   nothing: it aligns diagrams

It differs in two points, because otherwise not every recording could be written down:

* a group takes one tick, in reactivex as many as it has characters;
* a group without a comma has an element a character, `(ab)` is `(a,b)`, in reactivex it is the one element
  `ab`; `(ab,)` is that here.

Exact in virtual time (`rxstream.testing.run`), approximate in real time.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar, Final, Literal

from reactivex import Observable

from rxstream.source import Source, SourcePort
from rxstream.stream import Stream, make_source

Kind = Literal["next", "error", "completed"]
Value = str | int | float

_TOKEN: Final = re.compile(r"\((?P<group>[^()]*)\)|(?P<tick>-)|(?P<mark>[#|])|(?P<run>[^-,()#|]+)")
_PLAIN: Final = re.compile(r"[^-,()#|\s]+\Z")
_ALMOST: Final = 1e-6
"""What of a tick is put down to floating point."""


@dataclass(frozen=True)
class Marble:
    """What happened at a tick: an element, the error, or the end."""

    tick: int
    kind: Kind
    value: Any = None


@dataclass(frozen=True)
class Recorded:
    """What happened, at exactly how many seconds after the recording began."""

    at: float
    kind: Kind
    value: Any = None


class Recording(str):
    """A marble diagram, with what it was drawn from in `events`."""

    events: tuple[Recorded, ...]

    @property
    def values(self) -> list[Any]:
        """The elements."""
        return [event.value for event in self.events if event.kind == "next"]

    @property
    def error(self) -> BaseException | None:
        """What it failed with, if it did."""
        last = self.events[-1] if self.events else None
        return last.value if last is not None and last.kind == "error" else None


def source(
    diagram: str,
    *,
    values: Mapping[Any, Any] | None = None,
    error: Exception | None = None,
    tick: float = 0.1,
) -> Stream[Any]:
    """What a diagram says, a character every `tick` seconds from when the stream is started.

        >>> from rxstream import operators as ops
        >>> from rxstream.testing import marbles, run
        >>> keys = marbles.source("-a--b-cd---|", values={"cd": "both"})
        >>> run(marbles.record(keys.pipe(ops.delay(0.2)), values={"cd": "both"}))
        '---a--b-cd---|'

    `values` says what elements stand for; without it they are themselves. `#` raises `error`, by default
    `Exception("error")`. Without an end mark it never ends. It is pulled: what nobody has room for comes
    late and is not lost. Raises ValueError for a diagram that cannot be read.
    """
    return make_source(Marbles(diagram, values=values, error=error, tick=tick))


async def record(
    stream: Observable[Any],
    *,
    ticks: int | None = None,
    values: Mapping[Any, Any] | None = None,
    tick: float = 0.1,
) -> Recording:
    """Draw a stream until it ends, or for the first `ticks` ticks.

        >>> from rxstream import operators as ops
        >>> from rxstream.testing import marbles, run
        >>> typed = marbles.source("-a-b---c-|")
        >>> run(marbles.record(typed.pipe(ops.debounce(0.3))))
        '------b--(c|)'
        >>> run(marbles.record(typed, ticks=5))
        '-a-b-'

    What happens within a tick is drawn at its beginning; `.events` of the result has the exact times and the
    elements. An element is drawn as the key it has in `values`, else as itself; one that would not be read
    back as what it is (a tuple, -1, "a-b") needs a key, else ValueError.
    """
    clock = asyncio.get_running_loop().time
    begun = clock()
    until = None if ticks is None else begun + (ticks - 0.5) * tick
    events: list[Recorded] = []
    try:
        async with asyncio.timeout_at(until):
            try:
                async for item in Stream.of(stream):
                    events.append(Recorded(clock() - begun, "next", item))
                events.append(Recorded(clock() - begun, "completed"))
            except Exception as failure:
                events.append(Recorded(clock() - begun, "error", failure))
    except TimeoutError:
        pass  # as many ticks as were asked for have passed: an error of the stream was caught above
    marbles = [Marble(math.floor(e.at / tick + _ALMOST), e.kind, e.value) for e in events]
    recording = Recording(draw(marbles, ticks=ticks, values=values))
    recording.events = tuple(events)
    return recording


class Marbles(Source[Any]):
    """The source a diagram describes; see `source`."""

    name: ClassVar[str] = "marbles"

    def __init__(
        self,
        diagram: str,
        *,
        values: Mapping[Any, Any] | None = None,
        error: Exception | None = None,
        tick: float = 0.1,
    ) -> None:
        self._diagram = diagram
        self._marbles = parse(diagram, values=values, error=error)
        self._tick = tick
        self.endless = not self._marbles or self._marbles[-1].kind == "next"

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"diagram": self._diagram, "tick": self._tick}

    async def open(self, port: SourcePort) -> AsyncIterator[Sequence[Any]]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for tick, together in groupby(self._marbles, lambda marble: marble.tick):
            await asyncio.sleep(max(0.0, begun + tick * self._tick - loop.time()))
            marbles = list(together)
            last = marbles[-1]
            if items := [marble.value for marble in marbles if marble.kind == "next"]:
                yield items
            if last.kind == "error":
                raise last.value
            if last.kind == "completed":
                return
        await loop.create_future()


def parse(
    diagram: str, *, values: Mapping[Any, Any] | None = None, error: Exception | None = None
) -> list[Marble]:
    """What a diagram says. Raises ValueError."""
    found: list[Marble] = []
    tick = at = 0
    text = "".join(diagram.split())

    def put(element: str) -> None:
        if found and found[-1].kind != "next":
            raise ValueError(f"the diagram {diagram!r} goes on after its end with {element!r}")
        if element == "|":
            found.append(Marble(tick, "completed"))
        elif element == "#":
            found.append(Marble(tick, "error", error or Exception("error")))
        else:
            found.append(Marble(tick, "next", _value(element, values or {})))

    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"the diagram {diagram!r} cannot be read from {text[at:]!r} on")
        at = token.end()
        group, run = token["group"], token["run"] or token["mark"]
        if group is not None:
            for element in filter(None, group.split(",") if "," in group else group):
                put(element)
        elif run:
            put(run)
        tick += len(run) if run else 1
    return found


def draw(
    marbles: Sequence[Marble],
    *,
    ticks: int | None = None,
    values: Mapping[Any, Any] | None = None,
) -> str:
    """The diagram that `parse` reads as these marbles, at least `ticks` ticks long if it has no end."""
    groups = [(tick, list(group)) for tick, group in groupby(marbles, lambda m: m.tick)]
    texts: list[str] = []
    room: float = math.inf if ticks is None or not groups else max(1, ticks - groups[-1][0])
    for index in range(len(groups) - 1, -1, -1):
        text = _together([_label(marble, values or {}) for marble in groups[index][1]], room)
        texts.append(text)
        if index:
            # a run that touches the next one would be read as one with it
            room = groups[index][0] - groups[index - 1][0] - (text[0] not in "(|#")
    diagram, at = "", 0
    for (tick, _), text in zip(groups, reversed(texts), strict=True):
        diagram += "-" * (tick - at) + text
        at = tick + (1 if text.startswith("(") else len(text))
    ended = bool(marbles) and marbles[-1].kind != "next"
    return diagram if ticks is None or ended else diagram + "-" * (ticks - at)


def _together(labels: Sequence[str], room: float) -> str:
    if len(labels) == 1 and len(labels[0]) <= room:
        return labels[0]
    if all(len(label) == 1 for label in labels):
        return f"({''.join(labels)})"
    return f"({','.join(labels)}{',' if len(labels) == 1 else ''})"


def _value(element: str, values: Mapping[Any, Any]) -> Any:
    number = _number(element)
    return values[element] if element in values else values.get(number, number)


def _number(element: str) -> Value:
    for kind in (int, float):
        try:
            return kind(element)
        except ValueError:
            continue
    return element


def _label(marble: Marble, values: Mapping[Any, Any]) -> str:
    if marble.kind != "next":
        return "|" if marble.kind == "completed" else "#"
    value = marble.value
    for key, named in values.items():
        if type(named) is type(value) and named == value:
            return str(key)
    text = str(value)
    if _PLAIN.match(text):
        read = _value(text, values)
        if type(read) is type(value) and read == value:
            return text
    raise ValueError(
        f"{value!r} cannot be drawn as itself: give it a key, values={{'x': {value!r}}}"
    )
