"""Campaigns: one log each, killed again and again, then let live to the end and compared.

Where to kill next is chosen by chance from a seed, among the places that the shape was seen to pass, those
first at which fewest have died so far. Each order is written down beside the log, so that a campaign can be
tried again as it was, as far as time allows.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import Final

import orjson

from tests.torture.checker import compare, seen
from tests.torture.failpoints import POINTS
from tests.torture.life import Order, Watching
from tests.torture.nursery import Nursery, Whole
from tests.torture.shapes import SHAPES, obstacles, shape_of
from tests.torture.zygote import Ended

OUTSIDE: Final = "(outside)"
"""Stands for a kill from outside, at any time."""

ORDERS: Final = "orders"
MOST_KILLS: Final = 20
"""Of one log; then it may live to the end."""

_MOST_ROUNDS: Final = 30
"""After which failpoints at which too few die are given up."""

_SPREAD: Final = 6
"""A kill comes within this part of what a whole life passes, so that one log gets through several."""

_AT_REST: Final = ("rest.begin", "rest.frozen", "rest.done")

_AFTER_RESUMING: Final = ("resume.states", "resume.planned", "resume.half", "resume.restored")


@dataclass
class Row:
    """What became of one shape."""

    shape: str
    campaigns: int = 0
    lives: int = 0
    kills: int = 0
    events: int = 0
    seen: int = 0
    mismatches: int = 0
    seconds: float = 0.0


@dataclass
class Mismatch:
    """A campaign after which something differs, and where its log is kept."""

    shape: str
    seed: str
    folder: Path
    complaints: Sequence[str]


@dataclass
class Result:
    """What became of all of it."""

    rows: dict[str, Row] = field(default_factory=dict)
    killed: Counter[str] = field(default_factory=Counter)
    """By failpoint."""
    watched: Counter[str] = field(default_factory=Counter)
    rests: int = 0
    """Lives that were brought to rest and not killed."""
    mismatches: list[Mismatch] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    """Shapes that cannot go on after a kill, and why."""
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        """In all."""
        return sum(row.kills for row in self.rows.values())


class Torture:
    """So many kills, shared among shapes; `least` goes on until each failpoint had so many."""

    def __init__(
        self,
        nursery: Nursery,
        folder: Path,
        *,
        kills: int,
        seed: int = 0,
        shapes: Sequence[str] = (),
        sabotage: str | None = None,
        most_kills: int = MOST_KILLS,
        least: int = 0,
    ) -> None:
        self._nursery = nursery
        self._folder = folder
        self._kills = kills
        self._seed = seed
        self._sabotage = sabotage
        self._most = most_kills
        self._least = least
        self._lock = threading.Lock()
        self._whole: dict[str, Whole] = {}
        self.result = Result()
        for name in shapes or SHAPES:
            why = obstacles(shape_of(name), folder)
            if why:
                self.result.absent[name] = why[0]
            else:
                self.result.rows[name] = Row(name)

    def run(self) -> Result:
        """Kill until it is enough. Raises RuntimeError when something goes wrong without a kill."""
        begun = time.monotonic()
        names = list(self.result.rows)
        with ThreadPoolExecutor(self._nursery.width) as pool:
            whole = pool.map(self._nursery.whole, names, repeat(self._folder))
            self._whole = dict(zip(names, whole, strict=True))
            number = 0
            while self._goes_on(number):
                list(pool.map(self._campaign, names, repeat(number)))
                number += 1
        self.result.seconds = time.monotonic() - begun
        return self.result

    def _goes_on(self, rounds: int) -> bool:
        if self._sabotage is not None and self.result.mismatches:
            return False  # it was noticed
        if not rounds:
            return True  # each shape has its turn
        if self.result.kills < self._kills:
            return bool(self.result.kills) or rounds < _MOST_ROUNDS
        return rounds < _MOST_ROUNDS and any(map(self._lacking, self._whole))

    def _needed(self, name: str) -> bool:
        """Whether there are kills to come, of any kind or of one that only some shapes can have."""
        enough = self.result.kills >= self._kills and self.result.rows[name].campaigns
        return not enough or bool(self._lacking(name))

    def _lacking(self, name: str) -> list[str]:
        """Failpoints that a shape passes and at which too few have died."""
        passed = {*self._whole[name].passed, *_AFTER_RESUMING, *_AT_REST}
        return [p for p in POINTS if p in passed and self.result.killed[p] < self._least]

    # -- a life of kills -----------------------------------------------------------------------

    def _campaign(self, name: str, number: int) -> None:
        if not self._goes_on(number) or not self._needed(name):
            return
        begun = time.monotonic()
        seed = f"{self._seed}/{name}/{number}"
        chance = random.Random(seed)
        folder = self._folder / f"{name}-{number:04}"
        folder.mkdir(parents=True)
        kills, lives, complaints = 0, 0, list[str]()
        while True:
            lives += 1
            enough = kills >= self._most or lives > 3 * self._most
            order = self._order(folder, lives, name, chance, last=enough)
            with open(folder / ORDERS, "ab") as orders:
                orders.write(orjson.dumps(asdict(order)) + b"\n")
            ended = self._nursery.live(order)
            complaints += self._count(order, ended)
            kills += ended.how == "killed"
            if ended.how not in ("killed", "at rest"):
                break
        whole = self._whole[name]
        complaints += compare(folder, shape_of(name), whole.found)
        row = self.result.rows[name]
        shown = seen(folder)
        if complaints:
            mismatch = Mismatch(name, seed, folder, complaints)
        else:
            shutil.rmtree(folder)
        with self._lock:
            row.campaigns += 1
            row.lives += lives
            row.kills += kills
            row.seen += shown
            row.events += sum(len(told.lines) for told in whole.found.told.values())
            row.seconds += time.monotonic() - begun
            if complaints:
                row.mismatches += 1
                self.result.mismatches.append(mismatch)

    def _count(self, order: Order, ended: Ended) -> list[str]:
        if ended.how == "killed":
            with self._lock:
                self.result.killed[ended.failpoint or OUTSIDE] += 1
                self.result.watched[order.watched] += 1
        if ended.how == "at rest":
            with self._lock:
                self.result.rests += 1
        complaints = [f"life {order.number}: {ended.said}"] if ended.said else []
        if ended.how not in ("killed", "at rest", "done"):
            complaints.append(f"life {order.number} was {ended.how} after {ended.seconds:.1f} s")
        return complaints

    def _order(
        self, folder: Path, number: int, name: str, chance: random.Random, *, last: bool
    ) -> Order:
        watched: Watching = chance.choice(("nobody", "nobody", "file", "http"))
        order = Order(str(folder), number, name, watched=watched, sabotage=self._sabotage)
        if last:
            return order
        whole = self._whole[name]
        passed = {p: n for p, n in whole.passed.items() if p in POINTS}
        passed |= dict.fromkeys(_AT_REST, 1)
        if number > 1:
            passed |= dict.fromkeys(_AFTER_RESUMING, 1)
            passed["resume.half"] = 3
        if chance.random() < 0.15:
            return replace(order, kill_after_s=chance.uniform(0.0, whole.seconds / 3))
        soon = chance.uniform(0.0, whole.seconds / 6)
        if chance.random() < 0.05:
            return replace(order, rest_after_s=soon)
        with self._lock:
            weights = [1 / (1 + self.result.killed[point]) ** 3 for point in passed]
        point = chance.choices(list(passed), weights)[0]
        if point in _AT_REST:
            return replace(order, failpoint=point, nth=1, rest_after_s=soon)
        nth = chance.randint(1, max(1, passed[point] // _SPREAD))
        return replace(order, failpoint=point, nth=nth)


def again(nursery: Nursery, orders: Path, folder: Path) -> list[str]:
    """Carry out the orders of a campaign once more, in another folder; what differs then."""
    given = [Order(**orjson.loads(line)) for line in orders.read_bytes().splitlines()]
    name = given[0].shape
    whole = nursery.whole(name, folder)
    said = []
    for order in given:
        ended = nursery.live(replace(order, folder=str(folder)))
        said += [f"life {order.number}: {ended.said}"] if ended.said else []
        if ended.how == "done":
            break
    else:
        nursery.live(Order(str(folder), len(given) + 1, name))
    return said + compare(folder, shape_of(name), whole.found)
