"""`Stream`: an Observable that remembers its operator and its inputs, so composing streams draws the graph.

A Stream keeps reactivex's contract towards any Rx code. Making one starts nothing. What a Stream does when
somebody subscribes is the engine's business and is put in place by it (`explorer`); which operators the
fluent methods reach is decided by `rxstream.operators`. This module knows neither.
"""

from __future__ import annotations

import inspect
import itertools
import os
import re
import sys
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar, cast

from reactivex import Observable, abc
from reactivex.internal import default_error, noop

from rxstream.errors import GraphError
from rxstream.indexed import indexed
from rxstream.operator import Operator, OperatorSpec
from rxstream.sink import Sink
from rxstream.source import PushSource, Source

if TYPE_CHECKING:
    from rxstream._fluent import Fluent
else:

    class Fluent(Generic[TypeVar("_T")]):
        """Typed in `_fluent.pyi`; its methods are put in place by `rxstream.operators`."""


T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_serial = itertools.count()


class Scope:
    """What is made while a graph's function runs; nested graphs share the lists under a longer prefix."""

    def __init__(self, prefix: str = "", outer: Scope | None = None) -> None:
        self.prefix = prefix
        self.created: list[Stream[Any]] = outer.created if outer else []
        self.prefixes: dict[str, int] = outer.prefixes if outer else {}


SCOPE: ContextVar[Scope | None] = ContextVar("rxstream_scope", default=None)


class Explorer(Protocol):
    """How a Stream runs without an engine: given by the engine when it is imported."""

    def subscribe(
        self,
        stream: Stream[Any],
        observer: abc.ObserverBase[Any],
        scheduler: abc.SchedulerBase | None,
    ) -> abc.DisposableBase: ...

    def iterate(self, stream: Stream[T]) -> AsyncIterator[T]: ...

    async def last(self, stream: Stream[T]) -> T: ...


class Stream(Fluent[T_co], Observable[T_co]):
    """An Observable with a name, an operator and inputs."""

    __iter__: ClassVar[None] = None
    """Else `list(stream)` would ask for `stream[0]`, `stream[1]` and so on for ever; `async for` reads it."""

    explorer: ClassVar[Explorer]
    namings: ClassVar[int] = 0
    """How often a stream was named: what was found out of any before may no longer hold."""

    def __init__(
        self, spec: OperatorSpec, inputs: Sequence[Stream[Any]] = (), where: str | None = None
    ) -> None:
        super().__init__()
        self.spec = spec
        self.inputs = tuple(inputs)
        self.where = where or author_line()
        self.serial = next(_serial)
        self.name: str | None = None
        self.optional = False
        """Whether it may stay unread: the other half of a `partition`, an output of a nested graph."""
        self.depth = _depth(spec, self.inputs)
        """How many levels its elements are themselves Observables."""
        self.known: Any = None
        """What the explorer found out of it, and keeps."""
        scope = SCOPE.get()
        self.prefix = scope.prefix if scope else ""
        if scope:
            scope.created.append(self)

    @staticmethod
    def of(source: Observable[T]) -> Stream[T]:
        """The Observable itself if it is a Stream, else a Stream that subscribes it."""
        return source if isinstance(source, Stream) else cast("Stream[T]", make_source(source))

    def then(self, spec: OperatorSpec) -> Stream[Any]:
        """The stream an operator makes of this one (and of the others the operator names)."""
        return Stream(spec, (self, *spec.others))

    # -- drawing -------------------------------------------------------------------------------

    def named(self, name: str) -> Stream[T_co]:
        """Give this stream its id: letters, digits, `_` and `-`, at most 64, once. Returns itself."""
        check_name(name, self.where)
        if self.name is not None:
            raise GraphError(
                f"the stream made at {self.where} is already named {self.name!r} "
                f"and cannot be {name!r} too",
                where=self.where,
            )
        self.name = name
        Stream.namings += 1
        return self

    if not TYPE_CHECKING:  # typed, exactly, in _fluent.pyi

        def pipe(self, *operators: Callable[[Any], Any]) -> Any:
            """Apply operators in turn: ours, reactivex's, or any function from Stream to Stream."""
            result: Any = self
            for operator in operators:
                streamed = isinstance(result, Stream)
                result = result._apply(operator) if streamed else operator(result)
            return result

    def _apply(self, operator: Callable[[Any], Any]) -> Any:
        if isinstance(operator, Operator):
            return operator(self)
        parts = _composed(operator)
        if parts is not None:
            return self.pipe(*parts)
        if not _is_reactivex(operator):
            result = operator(self)
            if isinstance(result, Stream) or not isinstance(result, Observable):
                return result
            # a function made of reactivex's operators: run it as one of them
        name, arguments, hidden = _label(operator)
        if hidden:
            raise GraphError(
                f"reactivex's {name} at {author_line()} hides a Stream from the graph: "
                f"use rxstream.operators.{name}, which takes the same arguments"
            )
        return self.then(
            OperatorSpec(name, "foreign", rx=lambda: operator, arguments=arguments, told=False)
        )

    def to(self, sink: Sink[Any], *, name: str | None = None) -> Stream[T_co]:
        """Write this stream to a sink as part of the graph, with backpressure. Returns itself."""
        if not isinstance(sink, Sink):
            raise GraphError(f"{type(sink).__name__} is not a Sink: see rxstream.adapters.sinks")
        if SCOPE.get() is None:
            raise GraphError(
                f"the sink {sink.name!r} at {author_line()} is outside a graph, where nothing would "
                "run it: put it into a function decorated with @rxstream.graph, or subscribe"
            )
        spec = OperatorSpec(
            sink.name, "sink", make=lambda: sink, arguments=sink.arguments, told=True
        )
        written: Stream[Any] = Stream(spec, (self,))
        if name is not None:
            written.named(name)
        return self

    # -- running without an engine -------------------------------------------------------------

    def subscribe(
        self,
        on_next: abc.ObserverBase[T_co] | abc.OnNext[T_co] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Run it for an observer or callbacks, as reactivex does; `scheduler` is the engine's."""
        if on_next is not None and hasattr(on_next, "on_next"):
            observer: Any = on_next
        else:
            called = cast("Callable[[Any], Any] | None", on_next)
            observer = _Callbacks(called or noop, on_error or default_error, on_completed or noop)
        return self.explorer.subscribe(self, observer, scheduler)

    def __await__(self) -> Generator[Any, None, T_co]:
        return self.explorer.last(self).__await__()

    def __aiter__(self) -> AsyncIterator[T_co]:
        return self.explorer.iterate(self)

    def __repr__(self) -> str:
        return f"<Stream {self.name or self.spec.name} made at {self.where}>"


class _Callbacks:
    """An observer made of functions. One terminal notification is the explorer's promise."""

    __slots__ = ("on_completed", "on_error", "on_next")

    def __init__(
        self, on_next: Callable[[Any], Any], on_error: abc.OnError, on_completed: abc.OnCompleted
    ) -> None:
        self.on_next = on_next
        self.on_error = on_error
        self.on_completed = on_completed


def check_name(name: str, where: str) -> None:
    """Raises `GraphError` for what cannot be a node's name."""
    if not _NAME.match(name):
        raise GraphError(
            f"{name[:80]!r} cannot be a node's name: use 1 to 64 letters, digits, _ or -",
            where=where,
        )


def make_source(origin: Any, *, name: str | None = None, repeatable: bool = False) -> Stream[Any]:
    """A Stream of whatever produces; see `rxstream.source`."""
    if isinstance(origin, Stream):
        return origin
    label, arguments = _source_label(origin)
    made, resumable = indexed(origin, repeatable)
    spec = OperatorSpec(
        name or label,
        "source",
        make=lambda: made,
        arguments=arguments,
        told=True,
        resumable=resumable,
    )
    return Stream(spec)


def source(origin: Any, *, name: str | None = None, repeatable: bool = False) -> Stream[Any]:
    """A Stream of an Observable, generator function, iterable, coroutine function or `Source`.

    A function is called anew for each execution; a generator *object* can be read once. Plain
    generators run on the event loop and must not block it. A foreign Observable pushes: when more
    than its buffer holds waits, the node fails, unless `drop_oldest` or another policy follows.

    After a crash a sequence goes on by index and a seekable `Source` from its offset. With `repeatable`
    the author says that an iterable or a generator function (also an asynchronous one) gives the same
    elements each time: it is run again, and what was emitted is left out. Anything else cannot be resumed.
    """
    return make_source(origin, name=name, repeatable=repeatable)


def _source_label(origin: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(origin, Source | PushSource):
        return origin.name, origin.arguments
    if isinstance(origin, Observable):
        subscribe = getattr(origin, "_subscribe", None)
        qualified = getattr(subscribe, "__qualname__", "")
        return qualified.split(".")[0].strip("_") or type(origin).__name__.lower(), {}
    if inspect.isgenerator(origin) or inspect.isasyncgen(origin):
        return origin.__name__, {}
    if isinstance(origin, str | bytes | bytearray):
        raise GraphError(
            f"a {type(origin).__name__} is not a source: rxstream.of(value) emits it, "
            "rxstream.adapters.sources.lines(path) reads the file of that name"
        )
    if isinstance(origin, AsyncIterable | Iterable):
        return "from_iterable", {"iterable": origin}
    if inspect.iscoroutine(origin):
        origin.close()
        raise GraphError("a coroutine can be awaited once: give the coroutine function instead")
    if callable(origin):
        return getattr(origin, "__name__", type(origin).__name__).strip("<>"), {}
    raise GraphError(
        f"{type(origin).__name__} is not a source: give an Observable, a generator function, "
        "an iterable, a coroutine function or a rxstream Source"
    )


def _depth(spec: OperatorSpec, inputs: tuple[Stream[Any], ...]) -> int:
    before = max((stream.depth for stream in inputs), default=0)
    return max(0, before + spec.opens - spec.flattens)


# -- where the author wrote it -----------------------------------------------------------------

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_INTERNAL: Final = tuple(
    {
        f"{place}{os.sep}"
        for name in ("", "operators", "adapters")
        for place in (os.path.join(_PACKAGE, name), os.path.realpath(os.path.join(_PACKAGE, name)))
    }
    | {os.path.dirname(os.path.abspath(inspect.getfile(Observable))).removesuffix("observable")}
)
_EXAMPLES: Final = f"{os.sep}rxstream{os.sep}examples{os.sep}"


def author_line() -> str:
    """`file:line` of the innermost frame that is neither ours nor reactivex's."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_INTERNAL) or _EXAMPLES in name:
            break
        frame = frame.f_back
    return f"{_short(frame.f_code.co_filename)}:{frame.f_lineno}"


@lru_cache(maxsize=1_024)
def _short(filename: str) -> str:
    path = Path(filename)
    return "/".join(path.parts[-2:]) if path.is_absolute() else filename


# -- reactivex's operators ---------------------------------------------------------------------


def _is_reactivex(operator: Callable[..., Any]) -> bool:
    return getattr(operator, "__module__", "").split(".")[0] == "reactivex"


def _cells(operator: Callable[..., Any]) -> dict[str, Any]:
    code = getattr(operator, "__code__", None)
    cells = getattr(operator, "__closure__", None)
    if code is None or not cells:
        return {}
    found = {}
    for name, cell in zip(code.co_freevars, cells, strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # a cell that is not filled yet
            continue
    return found


def _composed(operator: Callable[..., Any]) -> Sequence[Callable[..., Any]] | None:
    """The parts of what `reactivex.compose` made."""
    if not _is_reactivex(operator) or "compose" not in getattr(operator, "__qualname__", ""):
        return None
    parts = _cells(operator).get("operators")
    return parts if isinstance(parts, tuple | list) else None


def _label(operator: Callable[..., Any]) -> tuple[str, dict[str, Any], bool]:
    """Name and arguments of reactivex's operator, and whether a Stream is among them."""
    cells = _cells(operator)
    function = cells.get("fun", operator)
    qualified = getattr(function, "__qualname__", type(operator).__name__)
    name = qualified.split(".")[0].strip("_<>") or "operator"
    if "fun" in cells:
        try:
            bound = inspect.signature(function).bind(
                None, *cells.get("args", ()), **cells.get("kwargs", {})
            )
            arguments = dict(list(bound.arguments.items())[1:])
        except (TypeError, ValueError):
            arguments = {}
    else:
        arguments = {
            k: v for k, v in cells.items() if not callable(v) or k in ("mapper", "predicate")
        }
    return name, arguments, _holds_stream(cells.values())


def _holds_stream(values: Iterable[Any], depth: int = 4) -> bool:
    for value in values:
        if isinstance(value, Stream):
            return True
        if depth and isinstance(value, tuple | list | set):
            if _holds_stream(value, depth - 1):
                return True
        elif depth and isinstance(value, dict):
            if _holds_stream(value.values(), depth - 1):
                return True
        elif depth and _is_reactivex(value) and _holds_stream(_cells(value).values(), depth - 1):
            return True
    return False
