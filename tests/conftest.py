"""What holds for every test: nothing is skipped in silence, nothing is left behind, nothing hangs.

A test may be skipped only because a real part is absent on this machine, and says so:
`pytest.skip("missing: chromium")`. Such reasons are listed at the end of the run; any other reason fails it.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import suppress
from multiprocessing import resource_tracker

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.shapes import checked

# no test asserts how long something takes, and each run looks at the same examples
settings.register_profile(
    "patient",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],  # so it is where others use the processor too
)
settings.load_profile("patient")

MISSING = "missing:"
GRACE = 30.0
"""Seconds in which what a test started may still be ending."""
LONG = 1800
"""Seconds given to one slow test or benchmark that does not say its own."""
SLACK = 60.0
"""Seconds by which the end of a run that hangs may be late."""


# --- nothing is skipped in silence -----------------------------------------------------------


class Skips:
    """Counts why tests were skipped, and fails the run for a reason that is not a missing part."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.note(report)

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        self.reasons[text.removeprefix("Skipped: ")] += 1

    @property
    def unexcused(self) -> list[str]:
        return [reason for reason in self.reasons if not reason.startswith(MISSING)]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unexcused and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.reasons:
            return
        terminalreporter.section("skipped")
        for reason, count in sorted(self.reasons.items()):
            excuse = "" if reason.startswith(MISSING) else f" (fails the run: not {MISSING!r})"
            terminalreporter.line(f"{reason}: {count} not run{excuse}")


# --- nothing is left behind ------------------------------------------------------------------


def processes() -> set[psutil.Process]:
    """Children, without the tracker that multiprocessing keeps for the life of the process."""
    tracker = resource_tracker._resource_tracker._pid  # type: ignore[attr-defined]  # not in its stub
    found = set()
    for child in children():
        if child != tracker:
            with suppress(psutil.NoSuchProcess):
                found.add(psutil.Process(child))
    return found


def children() -> list[int]:
    """Their ids. psutil would look at every process of the system, twice for each of thousands of tests."""
    try:
        tasks = [f"/proc/self/task/{task}/children" for task in os.listdir("/proc/self/task")]
        return [int(child) for task in tasks for child in _text(task).split()]
    except OSError:  # not this kernel, or a thread has just ended
        return [child.pid for child in psutil.Process().children()]


def _text(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Threads and child processes that a test and its own fixtures start end with it."""
    before = threads() | processes()
    yield
    deadline = time.monotonic() + GRACE
    while (left := (threads() | processes()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)  # what was told to end may need a moment
    assert not left, f"left running: {sorted(map(repr, left))}"


@pytest.fixture(autouse=True)
def log_records_stay(nothing_left: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command called in this process says nothing of where its log records go: other tests look at them."""
    monkeypatch.setattr("rxstream.adapters.cli.logs.configure", lambda *given, **named: None)


@pytest.fixture(autouse=True)
def events_have_their_shape(log_records_stay: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test records in this process is as the event reference says."""
    monkeypatch.setattr("rxstream.engine.recorder.draft", checked)


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Tasks on the test's loop end with it; the loop would cancel them without a word."""
    yield
    if left := {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}:
        _, left = await asyncio.wait(left, timeout=GRACE)
    assert not left, f"tasks left running: {sorted(map(repr, left))}"


# --- nothing hangs ---------------------------------------------------------------------------


def seconds(item: pytest.Item) -> float:
    """How long a test may take before pytest-timeout ends it."""
    marker = item.get_closest_marker("timeout")
    if marker is None:
        return float(item.config.getini("timeout"))
    return float(marker.args[0] if marker.args else marker.kwargs["timeout"])


class LastResort:
    """Ends the whole run when a test outlives its timeout.

    pytest-timeout raises in the main thread, where an event loop's callback or a C call may swallow it.
    """

    def __init__(self, config: pytest.Config) -> None:
        capture = config.pluginmanager.getplugin("capturemanager")
        assert capture is not None
        with capture.global_and_fixture_disabled():
            self.stderr = os.dup(2)  # the real one, for the stacks
        self.end = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        end = time.monotonic() + 2 * seconds(item) + 30
        if not end <= self.end <= end + SLACK:  # a thread for each of thousands of tests costs time
            self.end = end + SLACK
            rest = self.end - time.monotonic()
            faulthandler.dump_traceback_later(rest, exit=True, file=self.stderr)
        try:
            return (yield)
        finally:
            if nextitem is None:  # nothing runs here any more, whoever runs elsewhere
                faulthandler.cancel_dump_traceback_later()
                self.end = 0.0

    def pytest_unconfigure(self) -> None:
        os.close(self.stderr)


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell's background: what is started there ignores Ctrl-C, and tests send it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(Skips())
    if not config.option.usepdb:
        config.pluginmanager.register(LastResort(config))


def pytest_collection_finish() -> None:
    keep_what_is_there()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        if nextitem is not None and nextitem.path.parent != item.path.parent:
            keep_what_is_there()


def keep_what_is_there() -> None:
    """It stays to the end: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        long = item.get_closest_marker("slow") or item.get_closest_marker("benchmark")
        if long and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONG))
        if isinstance(item, pytest.Function) and item.get_closest_marker("asyncio"):
            # first of the test's own fixtures, so that it looks after the others have cleaned up
            item.fixturenames.insert(item.fixturenames.index("nothing_left") + 1, "no_task_left")
