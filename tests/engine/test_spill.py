"""What does not fit in memory waits in a file: nothing is lost, nobody is held back, nothing is left."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import Observable
from reactivex.disposable import Disposable

import rxstream as rxs
from rxstream import operators as ops
from rxstream.engine import spill
from rxstream.engine.spill import BLOCK, SpillQueue
from rxstream.errors import BufferOverflow, GraphError, WorldError
from rxstream.operators.spilling import spill as spilled
from rxstream.source import Emitter, Port, PushSource
from rxstream.statecodec import NotStorable
from rxstream.testing import assert_released, virtual_time

MIB = 2**20


def filled(count: int, *, memory: int = 2, max_bytes: int = MIB) -> SpillQueue:
    queue = SpillQueue(memory, max_bytes)
    queue.extend(range(count))
    return queue


def open_files() -> set[str]:
    """Temporary files that this process has open."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue  # the one that lists them
    return {name for name in found if name.startswith(f"{tempfile.gettempdir()}/")}


@pytest.fixture(autouse=True)
def opened() -> Iterator[Callable[[], set[str]]]:
    """What a test has opened; it must be closed when the test ends, or soon after by a thread."""
    before = open_files()

    def since() -> set[str]:
        return open_files() - before

    yield since
    deadline = time.monotonic() + 30
    while since() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not since()


class TestQueue:
    def test_elements_come_back_in_order_through_the_file(
        self, opened: Callable[[], set[str]]
    ) -> None:
        queue = filled(50_000)
        assert len(queue) == 50_000
        assert opened()
        assert queue.take(10) == list(range(10))
        assert [queue.popleft() for _ in range(300)] == list(range(10, 310))
        assert queue.take(100_000) == list(range(310, 50_000))
        assert (len(queue), queue.bytes) == (0, 0)
        queue.clear()

    def test_little_never_becomes_a_file(self, opened: Callable[[], set[str]]) -> None:
        queue = filled(1_000)
        assert queue.take(1_000) == list(range(1_000))
        assert not opened()

    def test_types_come_back(self) -> None:
        items = [(1, "a"), {2.5}, b"\x00", Decimal("1.50"), None, {"k": (None,)}]
        queue = SpillQueue(1, MIB)
        queue.extend(items)
        taken = queue.take(9)
        assert [(type(item), item) for item in taken] == [(type(item), item) for item in items]

    def test_an_element_larger_than_a_block_comes_back(self) -> None:
        items = ["a", "b" * 3 * BLOCK, "c", "d" * BLOCK, "e" * 5 * BLOCK]
        queue = SpillQueue(1, MIB)
        queue.extend(items)
        assert queue.take(2) == items[:2]
        assert queue.take(9) == items[2:]
        queue.clear()

    def test_the_file_is_a_ring_of_its_limit(self) -> None:
        limit = 3 * BLOCK + 17
        queue = SpillQueue(1, limit)
        sent = seen = 0
        for _ in range(60):
            while queue.bytes < limit - 64:
                queue.append(sent)
                sent += 1
            for item in queue.take(3_000):
                assert item == seen
                seen += 1
        assert sent * 8 > 4 * limit
        assert queue._file is not None
        assert os.fstat(queue._file.fileno()).st_size <= limit
        queue.clear()

    def test_more_than_its_limit_is_an_error_and_what_waits_stays(self) -> None:
        queue = SpillQueue(1, 100)
        with pytest.raises(BufferOverflow, match=r"limit of 100: give spill\(max_bytes"):
            queue.extend(range(1_000))
        kept = len(queue)
        assert 5 < kept < 50
        assert queue.take(1_000) == list(range(kept))

    def test_what_would_not_come_back_is_refused_by_its_type_at_once(self) -> None:
        with pytest.raises(NotStorable, match="object"):
            SpillQueue(100, MIB).append(object())

    def test_what_would_not_come_back_is_refused_when_it_would_be_spilled(self) -> None:
        queue = SpillQueue(2, MIB)
        queue.extend([1, object()])
        with pytest.raises(NotStorable, match="object"):
            queue.append(object())
        assert len(queue) == 2

    def test_it_may_be_filled_again_after_it_was_cleared(self) -> None:
        queue = filled(50_000)
        queue.take(100)
        queue.clear()
        assert len(queue) == 0
        with pytest.raises(IndexError):
            queue.popleft()
        queue.extend("abcdef")
        assert queue.take(9) == list("abcdef")

    def test_a_large_file_is_given_back_by_a_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spill, "_QUICK_CLOSE", BLOCK)
        filled(50_000).clear()

    def test_a_folder_that_cannot_be_written_is_the_worlds_fault(self, tmp_path: Path) -> None:
        queue = SpillQueue(1, MIB, str(tmp_path / "missing"))
        with pytest.raises(WorldError, match="missing") as caught:
            queue.extend(range(50_000))
        assert caught.value.code == "spill_failed"
        kept = len(queue)
        assert queue.take(100_000) == list(range(kept))

    def test_a_file_that_was_cut_is_the_worlds_fault(self) -> None:
        queue = filled(50_000)
        assert queue._file is not None
        queue._file.truncate(10)
        with pytest.raises(WorldError, match="shorter than it was"):
            queue.take(50_000)
        queue.clear()

    def test_a_file_that_cannot_be_read_is_the_worlds_fault(self) -> None:
        queue = filled(50_000)
        assert queue._file is not None
        queue._file.close()
        queue._file = open(os.devnull, "wb", buffering=0)  # noqa: SIM115  # closed by `clear`
        with pytest.raises(WorldError, match="cannot be read"):
            queue.take(50_000)
        queue.clear()

    @settings(max_examples=50, deadline=None)
    @given(
        st.integers(1, 5),
        st.lists(st.one_of(st.integers(1, 20), st.lists(st.text(max_size=9), max_size=30))),
    )
    def test_it_is_a_queue(self, memory: int, steps: list[int | list[str]]) -> None:
        queue, plain = SpillQueue(memory, MIB), list[str]()
        for step in steps:
            if isinstance(step, int):
                assert queue.take(step) == plain[:step]
                del plain[:step]
            else:
                queue.extend(step)
                plain += step
            assert len(queue) == len(plain)
        queue.clear()


def test_a_full_disk_is_the_worlds_fault_and_what_was_taken_in_goes_on() -> None:
    """A limit on the size of files stands for a disk that is full: both are refused writes."""
    script = """
import resource, signal
import rxstream as rxs
from rxstream.operators.spilling import spill
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
late = rxs.range(100_000).pipe(spill(memory=10))
seen = []
rxs.concat(rxs.range(100_000).ignore_elements(), late).subscribe(seen.append, print)
shared = rxs.range(100_000)
seen.clear()
rxs.concat(shared.ignore_elements(), shared.pipe(spill(memory=10))).subscribe(seen.append, print)
assert seen == list(range(len(seen))) and 10_000 < len(seen) < 100_000, len(seen)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert os.strerror(errno.EFBIG) in done.stdout
    assert "cannot be spilled to" in done.stdout


def test_the_file_is_gone_when_the_process_is_killed(tmp_path: Path) -> None:
    script = f"""
import sys, time
from rxstream.engine.spill import SpillQueue
queue = SpillQueue(1, 10_000_000, {str(tmp_path)!r})
queue.extend(range(100_000))
print(queue._file is not None, flush=True)
time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout as out:
        assert out.readline() == "True\n"
        child.send_signal(signal.SIGKILL)
    child.wait()
    assert list(tmp_path.iterdir()) == []


async def one_second(item: Any) -> Any:
    await asyncio.sleep(1)
    return item


async def listed(stream: rxs.Stream[Any]) -> list[Any]:
    return [item async for item in stream]


async def heard(stream: rxs.Stream[Any]) -> tuple[list[Any], Exception | None]:
    """The elements, and the error after them."""
    seen: list[Any] = []
    try:
        async for item in stream:
            seen.append(item)
    except Exception as error:
        return seen, error
    return seen, None


class TestPolicy:
    @virtual_time
    async def test_a_branch_that_spills_never_holds_its_sister_back(self) -> None:
        async with assert_released():
            numbers = rxs.range(500)
            slow = numbers.pipe(spilled(memory=4), ops.map_async(one_second))
            quick = numbers.map(lambda n: (n, asyncio.get_running_loop().time()))
            found = await listed(rxs.merge(slow=slow, quick=quick))
        times = [item["value"][1] for item in found if item["source"] == "quick"]
        assert len(times) == 500
        assert times[-1] - times[0] < 3
        assert [item["value"] for item in found if item["source"] == "slow"] == list(range(500))

    @virtual_time
    async def test_a_branch_may_be_read_late(self) -> None:
        async with assert_released():
            numbers = rxs.range(30_000)
            found = await listed(rxs.concat(numbers, numbers.pipe(spilled(memory=4))))
        assert found == [*range(30_000), *range(30_000)]

    def test_a_branch_may_be_read_late_behind_operators_and_in_a_graph(self) -> None:
        @rxs.graph
        def doubled() -> rxs.Stream[Any]:
            numbers = rxs.range(5_000)
            late = numbers.pipe(spilled(memory=4)).map(lambda n: -n)
            return rxs.concat(numbers, late).to_list()

        assert asyncio.run(doubled.run()) == [*range(5_000), *(-n for n in range(5_000))]

    @virtual_time
    async def test_reconvergent_branches_do_not_stall(self) -> None:
        numbers = rxs.range(3_000)
        rare = numbers.filter(lambda n: n % 100 == 0)
        found = await listed(rxs.zip(numbers.pipe(spilled(memory=4)), rare))
        assert found == [(n, n * 100) for n in range(30)]

    @virtual_time
    async def test_leaving_early_lets_go_of_the_file(self) -> None:
        async with assert_released():
            stream = rxs.range(50_000).pipe(spilled(memory=4), ops.map_async(one_second))
            assert await listed(stream.take(3)) == [0, 1, 2]

    @virtual_time
    async def test_an_error_of_the_source_comes_after_what_waits(self) -> None:
        def broken() -> Iterator[int]:
            yield from range(100)
            raise OSError("unplugged")

        stream = rxs.source(broken).pipe(spilled(memory=4), ops.map_async(one_second))
        seen, error = await heard(stream)
        assert seen == list(range(100))
        assert str(error) == "unplugged"

    @virtual_time
    async def test_passing_its_limit_fails_the_node_after_what_waits(self) -> None:
        stream = rxs.range(5_000).pipe(spilled(1_000, 4), ops.map_async(one_second)).named("slow")
        seen, error = await heard(stream)
        assert seen == list(range(len(seen)))
        assert len(seen) > 50
        assert isinstance(error, BufferOverflow)
        assert "limit of 1000" in error.message
        assert error.node == "slow"

    @virtual_time
    async def test_what_cannot_be_stored_fails_the_node_by_name(self) -> None:
        with pytest.raises(NotStorable, match="Buffer would not come back") as caught:
            await listed(rxs.of(rxs.operator.Buffer()).pipe(spilled(), ops.map_async(one_second)))
        assert caught.value.node == "map_async_1"

    async def test_how_much_waits_in_the_file_can_be_seen(self) -> None:
        gate = asyncio.Event()

        async def gated(item: Any) -> Any:
            await gate.wait()
            return item

        @rxs.graph
        def waiting() -> Any:
            return rxs.range(5_000).pipe(spilled(memory=4), ops.map_async(gated))

        async with rxs.Engine() as engine:
            execution = await engine.start(waiting)
            while (edge := execution.statistics().edges[0]).elements < 5_000:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.01)
            assert (edge.policy, edge.capacity, edge.depth) == ("spill", 4, 4_999)
            assert edge.spilled_bytes > 5_000
            gate.set()
            assert await execution.result() == 4_999

    def test_numbers_below_one_are_refused(self) -> None:
        with pytest.raises(GraphError, match="max_bytes"):
            spilled(0)
        with pytest.raises(GraphError, match="memory"):
            spilled(memory=0)


class Burst(PushSource[Any]):
    """Pushes from a thread of its own, as fast as it can, whatever waits."""

    policy = "fail"
    capacity = 16

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.refused = False

    def connect(self, emitter: Emitter[Any], port: Port) -> Callable[[], None]:
        def push() -> None:
            self.refused = not all([emitter.next(item) for item in self.items])
            emitter.complete()

        thread = threading.Thread(target=push)
        thread.start()
        return thread.join


class TestPushSource:
    async def test_a_burst_from_a_thread_is_kept(self) -> None:
        burst = Burst(list(range(20_000)))
        async with assert_released():
            found = await listed(rxs.source(burst).pipe(spilled(memory=4)).map(lambda n: n))
        assert found == burst.items
        assert not burst.refused

    async def test_what_cannot_be_stored_fails_the_source(self) -> None:
        burst = Burst([object(), 2, 3])
        with pytest.raises(NotStorable, match="object"):
            await listed(rxs.source(burst).pipe(spilled(memory=1)))
        assert burst.refused

    async def test_a_foreign_observable_that_emits_at_one_blow_is_kept(self) -> None:
        def subscribe(observer: Any, scheduler: Any = None) -> Disposable:
            for number in range(70_000):  # more than a source's own buffer holds
                observer.on_next(number)
            observer.on_completed()
            return Disposable()

        found = await listed(rxs.source(Observable(subscribe)).pipe(spilled(memory=4)))
        assert len(found) == 70_000
