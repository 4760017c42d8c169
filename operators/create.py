"""Functions that make a stream of nothing but their arguments; `rxstream.of`, `rxstream.timer` and so on.

All are sources: opened once in each execution, pulled only while there is room, timed by the loop's clock.
Each says whether it goes on after a crash: "Resumed" by what, exactly once. What runs on a scheduler of the
caller's does not, nor does what pushes.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

import reactivex
from reactivex import Observable, abc
from reactivex.scheduler import ImmediateScheduler
from reactivex.typing import AbsoluteOrRelativeTime, AnyFuture, RelativeTime

from rxstream.indexed import Repeated, Sequenced
from rxstream.operator import OperatorSpec
from rxstream.operators._created import Again, Awaited, Never, Once, Timed, Timer
from rxstream.operators._nested import Nested, Using, elements
from rxstream.operators._spec import said, sourcing
from rxstream.operators._types import A, S
from rxstream.stream import Stream

__all__ = [
    "cold",
    "create",
    "defer",
    "empty",
    "from_",
    "from_callable",
    "from_callback",
    "from_future",
    "from_iterable",
    "from_list",
    "from_marbles",
    "generate",
    "generate_with_relative_time",
    "hot",
    "interval",
    "just",
    "never",
    "of",
    "range",
    "repeat_value",
    "return_value",
    "start",
    "start_async",
    "throw",
    "timer",
    "to_async",
    "using",
]


def _foreign(name: str, scheduler: abc.SchedulerBase, *args: Any, **kwargs: Any) -> Stream[Any]:
    """A source on a scheduler the caller chose: reactivex's, which pushes."""
    observable = getattr(reactivex, name)(*args, **kwargs, scheduler=scheduler)
    return sourcing(name, observable, scheduler=scheduler, **kwargs)


def _resumed(name: str, origin: Any, /, **arguments: Any) -> Stream[Any]:
    """A source that goes on from the index of an element, or from its own offset."""
    return Stream(
        OperatorSpec(
            name,
            "source",
            make=lambda: origin,
            arguments=said(arguments),
            told=True,
            resumable=True,
        )
    )


def of(*args: A) -> Stream[A]:
    """The arguments, in order. Resumed by index.

    of(1, 2, 3)   123|
    """
    return _resumed("of", Sequenced(args), args=list(args))


def just(value: A, scheduler: abc.SchedulerBase | None = None) -> Stream[A]:
    """One value; the same as `return_value`."""
    return return_value(value, scheduler)


def return_value(value: A, scheduler: abc.SchedulerBase | None = None) -> Stream[A]:
    """One value. Resumed by index.

    return_value(1)   1|
    """
    if scheduler is not None:
        return _foreign("return_value", scheduler, value)
    return _resumed("return_value", Sequenced((value,)), value=value)


def repeat_value(value: A, repeat_count: int | None = None) -> Stream[A]:
    """One value again and again, `repeat_count` times or (None, -1) without an end. Resumed by count.

    repeat_value(1, 3)   111|
    """
    count = None if repeat_count is None or repeat_count == -1 else repeat_count
    origin = Again(value, count)
    return _resumed("repeat_value", origin, value=value, repeat_count=repeat_count)


def from_iterable(iterable: Iterable[A], scheduler: abc.SchedulerBase | None = None) -> Stream[A]:
    """The elements of an iterable, pulled on the event loop.

        from_iterable([1, 2, 3])   123|

    An iterator, unlike a list, serves one execution only. A sequence is resumed by index, which needs it to
    hold the same when the graph is built again; any other iterable is not, unless it is given as
    `rxstream.source(iterable, repeatable=True)`.
    """
    if scheduler is not None:
        return _foreign("from_iterable", scheduler, iterable)
    if isinstance(iterable, Sequence):
        return _resumed("from_iterable", Sequenced(iterable), iterable=iterable)
    return sourcing("from_iterable", iterable, iterable=iterable)


def from_(iterable: Iterable[A], scheduler: abc.SchedulerBase | None = None) -> Stream[A]:
    """The same as `from_iterable`."""
    return from_iterable(iterable, scheduler)


def from_list(iterable: Iterable[A], scheduler: abc.SchedulerBase | None = None) -> Stream[A]:
    """The same as `from_iterable`."""
    return from_iterable(iterable, scheduler)


def range(
    start: int,
    stop: int | None = None,
    step: int | None = None,
    scheduler: abc.SchedulerBase | None = None,
) -> Stream[int]:
    """Integers, as Python's range gives them. Resumed by index.

    range(1, 4)   123|
    """
    if scheduler is not None:
        return _foreign("range", scheduler, start, stop, step)
    if stop is None and step is None:
        numbers = builtins.range(start)
    else:
        numbers = builtins.range(start, _ENDLESS if stop is None else stop, step or 1)
    return _resumed("range", Sequenced(numbers), start=start, stop=stop, step=step)


_ENDLESS = 1 << 62


def empty(scheduler: abc.SchedulerBase | None = None) -> Stream[Any]:
    """Nothing, and the end. Resumed.

    empty()   |
    """
    return _resumed("empty", Sequenced(()))


def never() -> Stream[Any]:
    """Nothing, and no end. Resumed.

    never()   -----
    """
    return _resumed("never", Never())


def throw(exception: str | Exception, scheduler: abc.SchedulerBase | None = None) -> Stream[Any]:
    """Nothing, and an error. Resumed.

    throw("no")   X
    """
    error = exception if isinstance(exception, Exception) else Exception(exception)

    def fails() -> Iterator[Any]:
        yield from ()
        raise error

    return _resumed("throw", Repeated(fails), exception=repr(error))


def generate(
    initial_state: S, condition: Callable[[S], bool], iterate: Callable[[S], S]
) -> Stream[S]:
    """A state, and what a function makes of it again and again, while a condition holds.

        generate(1, x < 5, x * 2)   124|

    Resumed by count: the states that were emitted are made again and left out, so the functions must give the
    same again.
    """

    def states() -> Iterator[S]:
        state = initial_state
        while condition(state):
            yield state
            state = iterate(state)

    return _resumed(
        "generate",
        Repeated(states),
        initial_state=initial_state,
        condition=condition,
        iterate=iterate,
    )


def interval(period: RelativeTime, scheduler: abc.SchedulerBase | None = None) -> Stream[int]:
    """0, 1, 2, … once a period, the first after one.

        interval(1.0)   ----0----1----2----

    Ticks are counted, not dropped: a slow reader gets them late, and those after them later. Resumed with the
    next number after the time that was left.
    """
    if scheduler is not None:
        return _foreign("interval", scheduler, period=period)
    return _resumed("interval", Timer(period, period), period=period)


def timer(
    duetime: AbsoluteOrRelativeTime,
    period: RelativeTime | None = None,
    scheduler: abc.SchedulerBase | None = None,
) -> Stream[int]:
    """0 after a while (or at a time); with a period then 1, 2, … once a period.

        timer(1.0)        ----0|
        timer(1.0, 0.5)   ----0--1--2--

    Resumed with the next number after the time that was left, also where a time of day was given.
    """
    if scheduler is not None:
        return _foreign("timer", scheduler, duetime=duetime, period=period)
    return _resumed("timer", Timer(duetime, period), duetime=duetime, period=period)


def generate_with_relative_time(
    initial_state: S,
    condition: Callable[[S], bool],
    iterate: Callable[[S], S],
    time_mapper: Callable[[S], RelativeTime],
) -> Stream[S]:
    """As `generate`, each state after the time a function gives for it.

        generate_with_relative_time(1, x < 5, x * 2, x)   -1--2----4|

    Resumed as `generate`, after the time that was left.
    """
    return _resumed(
        "generate_with_relative_time",
        Timed(initial_state, condition, iterate, time_mapper),
        initial_state=initial_state,
        condition=condition,
        iterate=iterate,
        time_mapper=time_mapper,
    )


def from_callable(
    supplier: Callable[[], A], scheduler: abc.SchedulerBase | None = None
) -> Stream[A]:
    """What a function gives, called once in each execution, on the event loop.

        from_callable(f)   1|

    Resumed: it is called again only if what it gave was not emitted.
    """
    if scheduler is not None:
        return _foreign("from_callable", scheduler, supplier=supplier)
    return _resumed("from_callable", Once(supplier), supplier=supplier)


def start(func: Callable[[], A], scheduler: abc.SchedulerBase | None = None) -> Stream[A]:
    """What a function gives, called once in each execution.

        start(f)   1|

    In reactivex it is called at once, on another thread, and never again. With a scheduler that is done.
    Resumed as `from_callable`.
    """
    if scheduler is not None:
        return _foreign("start", scheduler, func=func)
    return _resumed("start", Once(func), func=func)


def start_async(function_async: Callable[[], AnyFuture[A]]) -> Stream[A]:
    """What a function that gives a future (or a coroutine) gives, called once in each execution.

        start_async(f)   ---1|

    Resumed: it is called again if what it gave was not emitted.
    """

    async def once() -> A:
        found: Any = function_async()
        if asyncio.iscoroutine(found):
            return cast("A", await found)
        return cast("A", await anext(elements(found)))

    return _resumed("start_async", Awaited(once), function_async=function_async)


def from_future(future: AnyFuture[A]) -> Stream[A]:
    """The result of a future, which is cancelled when nobody wants it any more.

    from_future(f)   ---1|
    """

    async def once() -> AsyncIterator[A]:
        async for item in elements(future):
            yield item

    return sourcing("from_future", once)


def to_async(
    func: Callable[..., A], scheduler: abc.SchedulerBase | None = None
) -> Callable[..., Stream[A]]:
    """A function that makes a stream of the result of a call; see `start`."""

    def call(*args: Any) -> Stream[A]:
        return start(partial(func, *args), scheduler)

    return call


def from_callback(
    func: Callable[..., Callable[..., None]], mapper: Callable[[Any], Any] | None = None
) -> Callable[..., Stream[Any]]:
    """A function that makes a stream of what a function with a callback calls back; reactivex's."""
    make = reactivex.from_callback(func, mapper)

    def call(*args: Any) -> Stream[Any]:
        return sourcing("from_callback", make(*args), func=func)

    return call


def create(subscribe: Callable[..., Any]) -> Stream[Any]:
    """What a subscribe function of an observer (and a scheduler) emits.

        create(subscribe)   --1--2--

    It pushes: what it emits at one blow must fit the buffer, or a policy such as `drop_oldest(n)` follows.
    """
    return sourcing("create", reactivex.create(subscribe), subscribe=subscribe)


def defer(
    factory: Callable[[abc.SchedulerBase], Observable[A] | AnyFuture[A]],
) -> Stream[A]:
    """The Observable that a function gives when the execution starts.

        defer(f)   --1--2--|

    The graph cannot show what it gives. The function's argument is a scheduler, as in reactivex.
    """

    def found() -> Iterator[Any]:
        yield factory(ImmediateScheduler.singleton())

    return sourcing("defer", Nested(found), factory=factory)


def using(
    resource_factory: Callable[[], abc.DisposableBase | None],
    observable_factory: Callable[[abc.DisposableBase | None], Observable[A]],
) -> Stream[A]:
    """An Observable made with a resource that is disposed at the end, however it comes.

    using(open, read)   --1--2--|
    """
    return sourcing(
        "using",
        Using(resource_factory, observable_factory),
        resource_factory=resource_factory,
        observable_factory=observable_factory,
    )


def from_marbles(
    string: str,
    timespan: RelativeTime = 0.1,
    scheduler: abc.SchedulerBase | None = None,
    lookup: Mapping[str | float, Any] | None = None,
    error: Exception | None = None,
) -> Stream[Any]:
    """What a marble diagram says, one character a timespan; reactivex's.

    from_marbles("--1--2--|")
    """
    observable = reactivex.from_marbles(string, timespan, scheduler, lookup, error)
    return sourcing("from_marbles", observable, string=string, timespan=timespan)


def cold(
    string: str,
    timespan: RelativeTime = 0.1,
    scheduler: abc.SchedulerBase | None = None,
    lookup: Mapping[str | float, Any] | None = None,
    error: Exception | None = None,
) -> Stream[Any]:
    """The same as `from_marbles`."""
    return from_marbles(string, timespan, scheduler, lookup, error)


def hot(
    string: str,
    timespan: RelativeTime = 0.1,
    duetime: AbsoluteOrRelativeTime = 0.0,
    scheduler: abc.SchedulerBase | None = None,
    lookup: Mapping[str | float, Any] | None = None,
    error: Exception | None = None,
) -> Stream[Any]:
    """What a marble diagram says, running whether somebody reads or not; reactivex's.

        hot("--1--2--|")

    It runs from when it is made, on a thread of its own unless given a scheduler.
    """
    observable = reactivex.hot(string, timespan, duetime, scheduler, lookup, error)
    return sourcing("hot", observable, string=string, timespan=timespan)
