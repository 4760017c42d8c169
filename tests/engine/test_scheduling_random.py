"""The scheduler against a simple one that recomputes everything, over random histories; and its promises."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rxstream.engine.scheduling import Request, Scheduler

PLACES = 2
TOTALS = {"gpu": 2, "cpu": 3}
WEIGHTS = {"anna": 2.0}
AGEING = 10.0


@dataclass
class Reference:
    """The same rules, as plainly as they can be said: no counters, no lines, no short cuts."""

    ready: list[tuple[float, int, Request]] = field(default_factory=list)
    blocked: dict[str, tuple[float, int, Request, dict[str, bool]]] = field(default_factory=dict)
    turns: dict[tuple[bool, str], list[float]] = field(default_factory=dict)
    next_turn: dict[tuple[bool, str], float] = field(default_factory=dict)
    held: list[Request] = field(default_factory=list)
    time: float = 0.0
    count: int = 0

    def offer(self, request: Request, now: float) -> list[str]:
        self.count += 1
        key = now - AGEING * request.priority
        needed = {**dict.fromkeys(request.after_end, False)}
        needed.update(dict.fromkeys(request.after_success, True))
        if needed:
            self.blocked[request.id] = key, self.count, request, needed
            return []
        self.stand(key, request, self.count)
        return self.admit()

    def stand(self, key: float, request: Request, count: int) -> None:
        line = (request.place, request.user)
        turn = max(self.next_turn.get(line, 0.0), self.time)
        self.next_turn[line] = turn + 1 / WEIGHTS.get(request.user, 1.0)
        self.turns.setdefault(line, []).append(turn)
        self.ready.append((key, count, request))

    def ranked(self) -> list[tuple[float, Request]]:
        found = []
        for line, turns in self.turns.items():
            mine = sorted(e for e in self.ready if (e[2].place, e[2].user) == line)
            found += [(turn, e[1], e[2]) for turn, e in zip(turns, mine, strict=True)]
        return [(turn, request) for turn, _, request in sorted(found, key=lambda f: f[:2])]

    def admit(self) -> list[str]:
        admitted = []
        going = True
        while going:
            going = False
            used = Counter[str]()
            for request in self.held:
                used.update(request.resources)
            for turn, request in self.ranked():
                fits = all(used[n] + a <= TOTALS[n] for n, a in request.resources.items())
                room = not request.place or sum(r.place for r in self.held) < PLACES
                if fits and room:
                    self.go(turn, request)
                    admitted.append(request.id)
                    going = True
                    break
                used.update(request.resources)
        return admitted

    def go(self, turn: float, request: Request) -> None:
        lines = {(r.place, r.user) for _, _, r in self.ready}
        backlog = sum(WEIGHTS.get(user, 1.0) for _, user in lines)
        self.time = max(self.time + 1 / backlog, turn)
        self.turns[request.place, request.user].remove(turn)
        self.ready = [entry for entry in self.ready if entry[2] is not request]
        self.held.append(request)

    def ended(self, name: str, succeeded: bool) -> tuple[list[str], list[tuple[str, str]]]:
        self.held = [request for request in self.held if request.id != name]
        doomed = []
        for waiting, (key, count, request, needed) in sorted(self.blocked.items()):
            if name not in needed:
                continue
            if needed.pop(name) and not succeeded:
                del self.blocked[waiting]
                doomed.append((waiting, name))
            elif not needed:
                del self.blocked[waiting]
                self.stand(key, request, count)
        return self.admit(), doomed

    def withdraw(self, name: str) -> list[str]:
        self.blocked.pop(name, None)
        for entry in self.ready:
            if entry[2].id == name:
                self.ready.remove(entry)
                line = (entry[2].place, entry[2].user)
                self.next_turn[line] = self.turns[line].pop()
                break
        return self.admit()


amounts = st.fixed_dictionaries(
    {}, optional={name: st.integers(1, total) for name, total in TOTALS.items()}
)
offers = st.fixed_dictionaries(
    {
        "user": st.sampled_from(["anna", "bert", "carl"]),
        "priority": st.integers(-2, 2),
        "resources": amounts,
        "place": st.booleans(),
        "needs": st.sets(st.integers(0, 5), max_size=2),
        "success": st.booleans(),
    }
)
steps = st.lists(
    st.one_of(
        offers,
        st.tuples(st.just("ends"), st.integers(0, 9), st.booleans()),
        st.tuples(st.just("leaves"), st.integers(0, 9), st.just(False)),
    ),
    min_size=10,
    max_size=60,
)


def request_of(number: int, made: dict[str, Any], alive: list[str]) -> Request:
    needs = frozenset(alive[n] for n in made["needs"] if n < len(alive)) if made["place"] else None
    after = {"after_success" if made["success"] else "after_end": needs or frozenset()}
    return Request(
        f"r{number}",
        made["user"],
        made["priority"],
        made["resources"],
        place=made["place"],
        **after,
    )


@settings(max_examples=60)
@given(steps)
def test_it_does_what_a_scheduler_does_that_recomputes_everything(history: list[Any]) -> None:
    scheduler = Scheduler(places=PLACES, resources=TOTALS, weights=WEIGHTS, ageing_s=AGEING)
    reference = Reference()
    for now, step in enumerate(history):
        waiting = list(scheduler.line())
        running = [request.id for request in reference.held]
        if isinstance(step, dict):
            request = request_of(
                now, step, [n for n in running + waiting if not _call(reference, n)]
            )
            went = reference.offer(request, now)
            assert scheduler.offer(request, now) == (request.id in went)
            assert set(went) <= {request.id}, "somebody else waited who could have gone"
        elif step[0] == "ends" and running:
            name = running[step[1] % len(running)]
            if _call(reference, name):
                assert scheduler.release(name, now) == reference.ended(name, True)
            else:
                assert scheduler.ended(name, step[2], now) == reference.ended(name, step[2])
        elif step[0] == "leaves" and waiting:
            name = waiting[step[1] % len(waiting)]
            assert scheduler.withdraw(name, now).admitted == reference.withdraw(name)
        shown = [name for name, its in scheduler.line().items() if its.position is not None]
        assert shown == [request.id for _, request in reference.ranked() if request.place]
        used = Counter[str]()
        for held in reference.held:
            used.update(held.resources)
        for name, total in TOTALS.items():
            assert scheduler.free(name) == total - used[name] >= 0
        assert 0 <= scheduler.running == sum(r.place for r in reference.held) <= PLACES


def _call(reference: Reference, name: str) -> bool:
    return any(request.id == name and not request.place for request in reference.held)


@settings(max_examples=20)
@given(st.lists(offers, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_everyone_gets_a_turn_under_a_flood_of_ever_new_users(
    wanted: list[dict[str, Any]], chance: Any
) -> None:
    """Newcomers fill the queue whenever it has room, as a bounded queue lets them."""
    scheduler = Scheduler(places=PLACES, resources=TOTALS, weights=WEIGHTS, ageing_s=AGEING)
    running: list[str] = []
    waiting: set[str] = set()
    for number, made in enumerate(wanted):
        request = request_of(number, {**made, "needs": ()}, [])
        (running.append if scheduler.offer(request, 0) else waiting.add)(request.id)
    for now in range(1, 4_000):
        if not waiting:
            return
        for n in range(len(wanted) + 4 - scheduler.waiting):
            name = f"flood {now} {n}"
            resources = {chance.choice(["gpu", "cpu"]): 1}
            if scheduler.offer(Request(name, name, 2, resources), now):
                running.append(name)
        for _ in range(PLACES):
            if running:
                admitted = scheduler.ended(
                    running.pop(chance.randrange(len(running))), True, now
                ).admitted
                running += admitted
                waiting -= set(admitted)
    raise AssertionError(f"still waiting: {waiting}")


@given(st.integers(1, 4), st.integers(1, 4), st.integers(10, 60))
def test_two_users_who_always_wait_share_as_their_weights_say(a: int, b: int, turns: int) -> None:
    scheduler = Scheduler(places=1, weights={"anna": a, "bert": b})
    scheduler.offer(Request("runs"), 0)
    for n in range(turns):
        scheduler.offer(Request(f"anna {n}", "anna"), 0)
        scheduler.offer(Request(f"bert {n}", "bert"), 0)
    shares, running = Counter[str](), "runs"
    for _ in range(turns):
        [running] = scheduler.ended(running, True, 0).admitted
        shares[running.split()[0]] += 1
    assert abs(shares["anna"] / a - shares["bert"] / b) <= 1 / a + 1 / b
