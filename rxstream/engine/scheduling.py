"""Who may run next: a scheduler without a clock, a loop or any I/O.

It holds requests that wait and says which may go. The rules, in the order they are looked at:

- A request waits for the executions it names; then it stands in its user's line. The line is in the order of
  arrival, where a priority is a head start of `ageing_s` a step, so what waits long enough is passed no more.
- Users take turns, in proportion to their weights (start-time fair queuing). Each place in a line has a turn,
  a number that is given once; the smallest is next. Whoever comes new gets one no smaller than the time of
  all, which moves with every request that goes: so newcomers cannot hold anybody back for ever.
- Named resources are taken all at once or not at all. What an earlier request waits for is kept for it: a
  later one may pass only with what is left beyond that. Places to run in are not kept, so that a line for one
  resource does not hold up those that need none.

After each call nobody waits who could go. It must not know what runs.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from rxstream.errors import Overloaded

AGEING_S: Final = 30.0
"""How long before others a step of priority lets a request seem to have come, in seconds."""

MOST_STEPS: Final = 1_000
"""Steps of priority that count, up and down: without a bound a priority could mean "never"."""

MOST_CALLS: Final = 10_000
"""Calls that may wait for resources at one time."""

RETRY_LEAST_S: Final = 1.0
RETRY_MOST_S: Final = 60.0


@dataclass(frozen=True)
class Request:
    """What wants to go. Executions need a place to run in; a call inside one that runs does not."""

    id: str
    user: str = ""
    priority: int = 0
    resources: Mapping[str, int] = field(default_factory=dict)
    after_success: frozenset[str] = frozenset()
    after_end: frozenset[str] = frozenset()
    place: bool = True


class WaitsFor(NamedTuple):
    """One thing a request waits for: `name` is an execution's id, a resource, or empty."""

    kind: Literal["execution", "resource", "place", "turn"]
    name: str = ""


class Waiting(NamedTuple):
    """Where a request stands: `position` counts from 1; None while it waits for executions."""

    position: int | None
    waits_for: tuple[WaitsFor, ...]


class Moves(NamedTuple):
    """What a call has changed: ids that go now, and ids that never can, each with what failed it."""

    admitted: list[str]
    doomed: list[tuple[str, str]]


@dataclass
class _Line:
    """The requests of one user that could go, in order, and their turns, ascending."""

    weight: float
    requests: list[tuple[float, int, Request]] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)
    next_turn: float = 0.0

    def add(self, entry: tuple[float, int, Request], time: float) -> None:
        bisect.insort(self.requests, entry, key=lambda known: known[:2])
        turn = max(self.next_turn, time)
        self.turns.append(turn)
        self.next_turn = turn + 1 / self.weight

    def give_back(self, index: int) -> None:
        """One leaves without going: those behind move up, and its turn was never used."""
        del self.requests[index]
        self.next_turn = self.turns.pop()


class Scheduler:
    """Requests that wait, and what those that go hold until their end."""

    def __init__(
        self,
        *,
        places: int,
        resources: Mapping[str, int] | None = None,
        max_waiting: int = 1_000,
        max_waiting_per_user: int | None = None,
        weights: Mapping[str, float] | None = None,
        ageing_s: float = AGEING_S,
    ) -> None:
        self.places = places
        self.resources: Mapping[str, int] = dict(resources or {})
        self.paused = False
        """No execution goes any more; what waits stays. Calls of those that run do go."""
        self._max_waiting = max_waiting
        self._max_waiting_per_user = max_waiting_per_user
        self._weights = dict(weights or {})
        self._ageing_s = ageing_s
        self._free_places = places
        self._free = dict(self.resources)
        self._held: dict[str, Request] = {}
        self._lines: dict[str, _Line] = {}
        self._blocked: dict[str, tuple[float, int, Request, dict[str, bool]]] = {}
        """Those that wait for executions: which, and whether they have to succeed."""
        self._dependants: dict[str, set[str]] = {}
        self._in_line: dict[str, Request] = {}
        self._calls = 0
        self._waiting_of: Counter[str] = Counter()
        self._order = itertools.count()
        self._time = 0.0
        self._went_at: float | None = None
        self._gap_s: float | None = None

    # -- what can be seen ----------------------------------------------------------------------

    @property
    def running(self) -> int:
        """Places taken."""
        return self.places - self._free_places

    @property
    def waiting(self) -> int:
        """Executions that wait, whatever for."""
        return self._waiting_of.total()

    def free(self, resource: str) -> int:
        """How much of a resource nobody holds; below 0 when it was made smaller under a restored one."""
        return self._free[resource]

    def holds(self, request_id: str) -> Mapping[str, int]:
        """The resources of one that goes."""
        held = self._held.get(request_id)
        return {} if held is None else held.resources

    def line(self) -> dict[str, Waiting]:
        """Everyone who waits, in the order in which they would go."""
        shown: dict[str, Waiting] = {}
        kept: dict[str, int] = {}
        places = 0
        for request in self._ranked():
            waits = self._lacks(request, kept)
            _keep(kept, request)
            if request.place:
                places += 1
                shown[request.id] = Waiting(places, tuple(waits) or (WaitsFor("turn"),))
        for request_id, (_, _, _, blockers) in self._blocked.items():
            waits = [WaitsFor("execution", name) for name in blockers]
            shown[request_id] = Waiting(None, tuple(waits))
        return shown

    # -- coming and going ----------------------------------------------------------------------

    def offer(self, request: Request, now: float, since: float | None = None) -> bool:
        """Take a request in; whether it goes at once. `since` is when it came, if not now.

        `resources` must be no more than there are in all, `after_…` must name executions that have not
        ended. Raises `Overloaded`.
        """
        at = now if since is None else since
        steps = max(-MOST_STEPS, min(MOST_STEPS, request.priority))
        key, order = at - steps * self._ageing_s, next(self._order)
        blockers = {
            name: name in request.after_success
            for name in sorted(request.after_success | request.after_end)
        }
        if since is None:
            self._refuse_too_many(request, now, bool(blockers))
        if request.place:
            self._waiting_of[request.user] += 1
        if blockers:
            self._blocked[request.id] = key, order, request, blockers
            for name in blockers:
                self._dependants.setdefault(name, set()).add(request.id)
            return False
        self._join(key, order, request)
        return request.id in self._admit(now)

    def hold(self, request: Request) -> None:
        """Let a request go now whatever there is: it held all this before the process was started again."""
        self._take(request)

    def release(self, request_id: str, now: float) -> Moves:
        """Take back what a call held."""
        self._give_back(request_id)
        return Moves(self._admit(now), [])

    def withdraw(self, request_id: str, now: float) -> Moves:
        """One that waits does so no more."""
        blocked = self._blocked.get(request_id)
        if blocked is not None:
            self._unblock(request_id)
            self._left(blocked[2])
            return Moves([], [])
        request = self._in_line.pop(request_id, None)
        if request is None:
            return Moves([], [])
        line = self._lines[self._line_of(request)]
        line.give_back(next(i for i, entry in enumerate(line.requests) if entry[2] is request))
        self._left(request)
        self._sweep()
        return Moves(self._admit(now), [])

    def ended(self, execution_id: str, succeeded: bool, now: float) -> Moves:
        """An execution has ended: what it held is free, who waits for it stands in line or never can go."""
        self._give_back(execution_id)
        doomed = []
        for request_id in sorted(self._dependants.pop(execution_id, ())):
            key, order, request, blockers = self._blocked[request_id]
            if blockers.pop(execution_id) and not succeeded:
                self._unblock(request_id)
                self._left(request)
                doomed.append((request_id, execution_id))
            elif not blockers:
                del self._blocked[request_id]
                self._join(key, order, request)
        return Moves(self._admit(now), doomed)

    def resume(self, now: float) -> Moves:
        """Let requests go again after `paused`."""
        self.paused = False
        return Moves(self._admit(now), [])

    # -- who is next ---------------------------------------------------------------------------

    def _admit(self, now: float) -> list[str]:
        admitted: list[str] = []
        while (found := self._next()) is not None:
            self._go(found, now)
            admitted.append(found.id)
        return admitted

    def _next(self) -> Request | None:
        if (self._free_places <= 0 or self.paused) and not self._calls:
            return None
        kept: dict[str, int] = {}
        for request in self._ranked():
            if self.paused and request.place:
                continue
            if not self._lacks(request, kept):
                return request
            _keep(kept, request)
        return None

    def _lacks(self, request: Request, kept: Mapping[str, int]) -> list[WaitsFor]:
        lacking = [
            WaitsFor("resource", name)
            for name, amount in request.resources.items()
            if amount + kept.get(name, 0) > self._free.get(name, 0)
        ]
        if request.place and self._free_places <= 0:
            lacking.append(WaitsFor("place"))
        return lacking

    def _ranked(self) -> Iterator[Request]:
        """Everyone who could go, by turn; of equal turns who came first. Nothing may change meanwhile."""
        heads = [
            (line.turns[0], line.requests[0][1], 0, line)
            for line in self._lines.values()
            if line.requests
        ]
        heapq.heapify(heads)
        while heads:
            _, _, index, line = heads[0]
            yield line.requests[index][2]
            index += 1
            if index < len(line.turns):
                following = line.turns[index], line.requests[index][1], index, line
                heapq.heapreplace(heads, following)
            else:
                heapq.heappop(heads)

    def _go(self, request: Request, now: float) -> None:
        name = self._line_of(request)
        line = self._lines[name]
        backlog = sum(known.weight for known in self._lines.values() if known.requests)
        index = next(i for i, entry in enumerate(line.requests) if entry[2] is request)
        del line.requests[index]
        self._time = max(self._time + 1 / backlog, line.turns.pop(index))
        del self._in_line[request.id]
        self._left(request)
        self._take(request)
        if request.place:
            self._measure(now)
        self._sweep()

    def _sweep(self) -> None:
        """Forget empty lines that would be made again with the same turn."""
        for name, line in list(self._lines.items()):
            if not line.requests and line.next_turn <= self._time:
                del self._lines[name]

    def _take(self, request: Request) -> None:
        self._held[request.id] = request
        self._free_places -= request.place
        for name, amount in request.resources.items():
            self._free[name] = self._free.get(name, 0) - amount

    def _give_back(self, request_id: str) -> None:
        held = self._held.pop(request_id, None)
        if held is None:  # it was ended while it waited
            return
        self._free_places += held.place
        for name, amount in held.resources.items():
            self._free[name] += amount

    def _join(self, key: float, order: int, request: Request) -> None:
        name = self._line_of(request)
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = _Line(self._weights.get(request.user, 1.0))
        line.add((key, order, request), self._time)
        self._in_line[request.id] = request
        self._calls += not request.place

    @staticmethod
    def _line_of(request: Request) -> str:
        """Calls have lines of their own: they must not use up their user's turns to run."""
        return f"{'execution' if request.place else 'call'} {request.user}"

    def _left(self, request: Request) -> None:
        if not request.place:
            self._calls -= 1
            return
        self._waiting_of[request.user] -= 1
        if not self._waiting_of[request.user]:
            del self._waiting_of[request.user]

    def _unblock(self, request_id: str) -> None:
        for name in self._blocked.pop(request_id)[3]:
            self._dependants[name].discard(request_id)
            if not self._dependants[name]:
                del self._dependants[name]

    # -- refusing ------------------------------------------------------------------------------

    def _refuse_too_many(self, request: Request, now: float, blocked: bool) -> None:
        if not request.place:
            if self._calls >= MOST_CALLS:
                raise self._refusal(f"{self._calls} calls wait for resources, the limit", now)
            return
        if not blocked and not self.paused and self._could_go(request):
            return
        mine, limit = self._waiting_of[request.user], self._max_waiting_per_user
        if limit is not None and mine >= limit:
            raise self._refusal(
                f"{mine} executions of the user {request.user[:80]!r} wait, which is the limit of a user",
                now,
            )
        if self.waiting >= self._max_waiting:
            raise self._refusal(
                f"{self.running} executions run and {self.waiting} wait, which is the limit", now
            )

    def _could_go(self, request: Request) -> bool:
        if self._free_places <= 0:
            return False
        # as if it stood last, which it need not: with a full queue that much care is right
        kept: dict[str, int] = {}
        for known in self._in_line.values():
            _keep(kept, known)
        return not self._lacks(request, kept)

    def _refusal(self, message: str, now: float) -> Overloaded:
        seconds = self.retry_after_s(now)
        error = Overloaded(f"{message}: try again later, in about {seconds:.0f} s")
        error.retry_after = seconds
        return error

    def _measure(self, now: float) -> None:
        if self._went_at is not None:
            gap = now - self._went_at
            self._gap_s = gap if self._gap_s is None else 0.8 * self._gap_s + 0.2 * gap
        self._went_at = now

    def retry_after_s(self, now: float) -> float:
        """How long until one more can be taken, in seconds, by how often one went lately."""
        since = 0.0 if self._went_at is None else now - self._went_at
        return min(RETRY_MOST_S, max(RETRY_LEAST_S, self._gap_s or 0.0, since))


def _keep(kept: dict[str, int], request: Request) -> None:
    # a Counter's update is slower, and this is done for everyone who is passed
    for name, amount in request.resources.items():
        kept[name] = kept.get(name, 0) + amount
