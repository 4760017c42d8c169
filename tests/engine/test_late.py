"""Lines of sources that emit by themselves: little is made for them, and nothing is lost."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
import reactivex
from reactivex import abc
from reactivex import operators as rx
from reactivex.subject import BehaviorSubject, Subject

import rxstream as rxs
from rxstream import operators as ops
from rxstream.engine import explore
from rxstream.errors import AuthorError, BufferOverflow
from rxstream.testing import virtual_time
from tests.engine.parts import logged, turns_until


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The source of each graph that is wired meanwhile."""
    seen: list[str] = []
    launch: Any = explore.launch  # type: ignore[attr-defined]  # what it uses, not what it exports

    def counted(plan: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(plan.nodes[0].operator)
        return launch(plan, *args, **kwargs)

    monkeypatch.setattr(explore, "launch", counted)
    return seen


def hear(stream: rxs.Stream[Any]) -> tuple[list[Any], abc.DisposableBase]:
    seen: list[Any] = []
    return seen, stream.subscribe(seen.append, seen.append, lambda: seen.append("end"))


def doubled(source: Any) -> rxs.Stream[Any]:
    stream: rxs.Stream[Any] = rxs.source(source).pipe(ops.map(lambda n: n * 2))
    return stream


class TestAnAsynchronousSource:
    @virtual_time
    async def test_is_begun_in_the_next_turn(self, wired: list[str]) -> None:
        seen, subscription = hear(rxs.interval(1).pipe(ops.map(str)))
        assert wired == []
        await asyncio.sleep(2.5)
        assert (seen, wired) == (["0", "1"], ["interval"])
        subscription.dispose()
        await asyncio.sleep(2)
        assert seen == ["0", "1"]

    @virtual_time
    async def test_that_is_disposed_at_once_is_never_begun(self, wired: list[str]) -> None:
        begun: list[str] = []

        async def source() -> AsyncIterator[int]:
            begun.append("begun")
            yield 1

        hear(doubled(source))[1].dispose()
        await asyncio.sleep(1)
        assert begun == wired == []

    def test_without_a_loop_says_that_it_needs_one(self) -> None:
        assert "asyncio.run" in str(hear(rxs.never())[0][0])


class TestAForeignObservable:
    def test_is_subscribed_at_once_and_never_wired(self, wired: list[str]) -> None:
        subject: Subject[int] = Subject()
        seen, subscription = hear(doubled(subject))
        assert len(subject.observers) == 1
        subject.on_next(1)
        subject.on_next(2)
        assert (seen, wired) == ([2, 4], [])
        subscription.dispose()
        assert not subject.observers

    def test_that_was_left_before_it_emitted_tells_nothing(self) -> None:
        subject: Subject[int] = Subject()
        seen, subscription = hear(doubled(subject))
        subscription.dispose()
        subject.on_next(1)
        assert not subject.observers
        assert seen == []

    @pytest.mark.parametrize("ended", ["on_completed", "on_error"])
    def test_may_end_first(self, ended: str) -> None:
        subject: Subject[int] = Subject()
        seen, _ = hear(doubled(subject))
        error = OSError("gone")
        getattr(subject, ended)(*([error] if ended == "on_error" else []))
        assert seen == (["end"] if ended == "on_completed" else [error])

    def test_may_end_after_it_emitted(self) -> None:
        subject: Subject[int] = Subject()
        seen, _ = hear(doubled(subject).named("twice"))
        subject.on_next(1)
        subject.on_error(OSError("gone"))
        assert seen[0] == 2
        assert seen[1].node == "subject_1"

    def test_an_error_says_its_node_and_its_line(self) -> None:
        subject: Subject[int] = Subject()
        inverse = rxs.source(subject).pipe(ops.map(lambda n: 1 // n)).named("inverse")
        seen, _ = hear(inverse)
        subject.on_next(0)
        assert (seen[0].node, seen[0].where) == ("inverse", inverse.where)

    @pytest.mark.parametrize("on_a_loop", [False, True])
    def test_what_it_emits_at_once_is_told_at_once(self, on_a_loop: bool) -> None:
        def first() -> list[Any]:
            return hear(doubled(BehaviorSubject(1)))[0]

        @virtual_time
        async def within_a_loop() -> list[Any]:
            return first()

        assert (within_a_loop() if on_a_loop else first()) == [2]

    def test_may_emit_and_end_at_once(self) -> None:
        assert hear(doubled(reactivex.of(1, 2)))[0] == [2, 4, "end"]
        assert hear(doubled(reactivex.empty()))[0] == ["end"]

    def test_may_refuse_to_be_subscribed(self) -> None:
        def refuse(observer: Any, scheduler: Any) -> Any:
            raise OSError("no")

        class Refusing(reactivex.Observable[int]):
            def subscribe(self, *_: Any, **__: Any) -> Any:
                raise OSError("no")

        assert str(hear(doubled(reactivex.Observable(refuse)))[0][0]) == "no"
        assert str(hear(doubled(Refusing()))[0][0]) == "no"

    def test_an_observer_that_raises_raises_to_whoever_emits(self) -> None:
        subject: Subject[int] = Subject()
        doubled(subject).subscribe(lambda n: n // 0)
        with pytest.raises(ZeroDivisionError):
            subject.on_next(1)
        assert not subject.observers

    def test_what_it_says_after_its_end_is_not_told(self) -> None:
        class Careless(reactivex.Observable[int]):
            def subscribe(self, on_next: Any = None, *ends: Any, **_: Any) -> Any:
                for tell in (ends[1], ends[1], partial(on_next, 1)):
                    tell()
                return reactivex.disposable.Disposable()

        assert hear(doubled(Careless()))[0] == ["end"]

    def test_one_that_raises_when_it_is_left_is_logged(self) -> None:
        def raises() -> None:
            raise OSError("stuck")

        never: Any = reactivex.Observable(lambda *_: reactivex.disposable.Disposable(raises))
        with logged() as entries:
            hear(doubled(never))[1].dispose()
        assert entries[0]["error"] == "OSError('stuck')"

    def test_without_a_loop_it_stays_so_within_one_that_began_later(self) -> None:
        subject: Subject[int] = Subject()
        seen, _ = hear(doubled(subject))

        @virtual_time
        async def emit() -> list[int]:
            for n in range(3):
                subject.on_next(n)
            return list(seen)

        assert emit() == [0, 2, 4]

    def test_what_it_emits_while_it_is_heard_follows(self) -> None:
        subject: Subject[int] = Subject()
        seen: list[int] = []

        def see(n: int) -> None:
            seen.append(n)
            if n < 8:
                subject.on_next(n)

        doubled(subject).subscribe(see)
        subject.on_next(1)
        assert seen == [2, 4, 8]


class TestOnALoop:
    @virtual_time
    async def test_elements_come_in_the_next_turn(self) -> None:
        subject: Subject[int] = Subject()
        seen, _ = hear(doubled(subject))
        for n in range(3):
            subject.on_next(n)
        assert seen == []
        await asyncio.sleep(0)
        assert seen == [0, 2, 4]

    @virtual_time
    async def test_leaving_before_that_turn_tells_nothing(self) -> None:
        subject: Subject[int] = Subject()
        seen, subscription = hear(doubled(subject))
        subject.on_next(1)
        subscription.dispose()
        await asyncio.sleep(1)
        assert seen == []

    @virtual_time
    async def test_it_runs_on_the_loops_clock(self) -> None:
        seen, _ = hear(doubled(reactivex.timer(5, 10).pipe(rx.take(2))))
        await asyncio.sleep(20)
        assert seen == [0, 2, "end"]

    @virtual_time
    async def test_what_it_schedules_and_cannot_do_is_its_error(self) -> None:
        def broken(observer: Any, scheduler: Any) -> Any:
            return scheduler.schedule_relative(1, lambda *_: 1 // 0)

        seen, _ = hear(doubled(reactivex.Observable(broken)))
        await asyncio.sleep(2)
        assert isinstance(seen[0], ZeroDivisionError)

    @virtual_time
    async def test_more_than_may_wait_before_its_turn_is_an_overflow(self) -> None:
        subject: Subject[int] = Subject()
        seen, _ = hear(doubled(subject))
        for n in range(70_000):
            subject.on_next(n)
        await asyncio.sleep(1)
        assert isinstance(seen[-1], BufferOverflow)
        assert seen[-1].node == "subject_1"


def in_a_thread(function: Callable[[], Any]) -> list[BaseException]:
    """Run it to its end in another thread; what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised


class TestFromAnotherThread:
    async def test_elements_come_through_the_loops_door(self) -> None:
        subject: Subject[int] = Subject()
        seen, subscription = hear(doubled(subject))
        for n in range(3):
            in_a_thread(partial(subject.on_next, n))
        assert seen == []
        await turns_until(lambda: len(seen) == 3)
        in_a_thread(subject.on_completed)
        await turns_until(lambda: len(seen) == 4)
        assert seen == [0, 2, 4, "end"]
        subscription.dispose()

    def test_without_a_loop_they_are_refused(self) -> None:
        subject: Subject[int] = Subject()
        seen, _ = hear(doubled(subject))
        assert isinstance(in_a_thread(lambda: subject.on_next(1))[0], AuthorError)
        assert seen == []

    def test_after_the_loop_nobody_listens(self) -> None:
        subject: Subject[int] = Subject()

        async def main() -> list[Any]:
            return hear(doubled(subject))[0]

        seen = asyncio.run(main())
        assert in_a_thread(lambda: subject.on_next(1)) == []
        assert seen == []
