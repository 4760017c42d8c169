"""What is tortured: graphs of many shapes whose results can be foretold, whatever happens on the way.

A shape makes its graphs anew in each process. Each output is compared element by element unless the shape
says what of it is left open: an order, or where a time decided to cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import rxstream as rxs
from rxstream import operators as ops
from rxstream.adapters import sinks, sources
from tests.torture.chance import random_shape
from tests.torture.parts import Output, Shape, alone, bag, digests, flat, slowly, ticks

# -- the graphs --------------------------------------------------------------------------------


def linear() -> Output:
    """State of every kind in one island; what it holds are tuples."""
    numbers = ticks(900).named("numbers")
    mixed = numbers.scan(lambda a, b: (a * 3 + b) % 1_009, 0).map(lambda n: (n, (n, str(n))))
    pairs = mixed.pairwise().map(repr).named("pairs")
    threes = numbers.buffer_with_count(7).map(repr).named("sevens")
    return {"pairs": pairs, "sevens": threes, "some": numbers.filter(lambda n: n % 5 == 0)}


def fan_out() -> Output:
    """Sisters of very different speed, and their mother."""
    numbers = ticks(600).named("numbers")
    return {
        "mother": numbers,
        "text": numbers.map(str),
        "ordered": numbers.map_async(slowly, concurrency=3),
        "slow": numbers.block(5).map_async(slowly, concurrency=1).scan(lambda a, b: a + b, 0),
        "pairs": numbers.filter(lambda n: n % 3 == 0).pairwise(),
        "late": numbers.delay(0.01),
        "few": numbers.take(100),
    }


def twice_over() -> Output:
    """Sisters with daughters of their own, which meet again."""
    numbers = ticks(500, batch=5).named("numbers")
    left = numbers.map_async(slowly, concurrency=2).named("left")
    right = numbers.map(lambda n: n * 10).block(16).map_async(slowly, concurrency=3).named("right")
    both = rxs.zip(left, right).map(repr).named("both")
    again = rxs.zip(left.map(lambda n: -n), both.pairwise().start_with(None)).map(repr)
    return {"left": left, "right": right, "both": both, "again": again.named("again")}


def diamond() -> Output:
    """Halves that meet in pairs."""
    numbers = ticks(700).named("numbers")
    even, odd = numbers.partition(lambda n: n % 2 == 0)
    met = rxs.zip(even, odd.map_async(slowly, concurrency=2)).named("met")
    return {"met": met, "sums": met.map(sum).scan(lambda a, b: a + b, 0)}


def merge_zip() -> Output:
    """Two sources of different speed: in any order, in pairs, one after the other."""
    fast, slow = ticks(500).named("fast"), ticks(300, batch=2, apart=0.003).named("slow")
    return {
        "merged": rxs.merge(fast, slow.map(lambda n: -n)),
        "pairs": rxs.zip(fast, slow),
        "both": rxs.concat(ticks(80).named("first"), rxs.range(300)).map_async(slowly),
    }


def timers() -> Output:
    """What is left of times goes on."""
    numbers = ticks(700).named("numbers")
    return {
        "spans": numbers.buffer_with_time(0.02),
        "either": numbers.buffer_with_time_or_count(0.015, 10),
        "late": numbers.delay(0.02),
    }


def asynchronous() -> Output:
    """Work under way and results that wait for their turn."""
    numbers = ticks(1_000, batch=8).named("numbers")
    return {
        "ordered": numbers.map_async(slowly, concurrency=6).map(lambda n: (n, n)).pairwise(),
        "unordered": numbers.map_async(slowly, concurrency=6, ordered=False),
    }


def waiting() -> Output:
    """A long queue before a slow reader."""
    queued = rxs.range(2_500).map(lambda n: (n, "x" * 40)).block(1_000)
    return {"slow": queued.map_async(slowly, concurrency=4).map(lambda pair: pair[0])}


def keyed() -> Output:
    """Thousands of keys, and states that are folded."""
    numbers = ticks(16_000, batch=64, apart=0.003).named("numbers")

    def key(n: int) -> int:
        return n * 7_919 % 3_001

    def add(total: tuple[int, str], n: int) -> tuple[int, str]:
        return total[0] + n, f"{n}".rjust(60)

    totals = numbers.pipe(ops.scan_by(key, add, (0, ""))).named("by_key")
    return {"totals": totals.filter(lambda pair: pair[0] % 3 == 0).map(repr)}


def large() -> Output:
    """Events of several rows, pictures beside them, and a write-ahead log that is folded into its file."""
    numbers = ticks(160, batch=1, apart=0.004).named("numbers")
    return {
        "text": numbers.map(lambda n: f"{n}," * 10_000),
        "pictures": numbers.map(lambda n: rxs.Binary(b"%d;" % n * 4_000, "image/x")),
    }


def failing() -> Output:
    """An end with an error, which is told once."""

    def picky(n: int) -> int:
        if n == 500:
            raise ValueError("five hundred")
        return n

    return {"picky": ticks(900).named("numbers").map(picky).map_async(slowly, concurrency=2)}


def retrying() -> Output:
    """Three attempts, each of which fails at the same place."""

    def picky(n: int) -> int:
        if n == 150:
            raise ValueError("one hundred and fifty")
        return n

    return {"tried": ticks(200).map(picky).retry(3).named("tried")}


def _files(folder: Path) -> Mapping[str, Callable[[], Output]]:
    lines = folder / "lines.txt"
    if not lines.exists():
        made = folder / "lines.part"
        made.write_text("".join(f"line {n} {'.' * (n % 90)}\n" for n in range(5_000)))
        made.rename(lines)

    def files() -> Output:
        """A file read by place and files written by place, each line once."""
        read = sources.lines(lines).named("read")
        slow = read.block(64).map_async(slowly, concurrency=5).named("slow")
        slow.to(sinks.jsonl(folder / "slow.jsonl"))
        read.map(len).pairwise().to(sinks.jsonl(folder / "lengths.jsonl"))
        return {"text": slow.filter(lambda line: len(line) > 80)}

    return {"files": files}


def _written(folder: Path) -> Mapping[str, Callable[[], Output]]:
    def written() -> Output:
        """Sisters that are written to files, at their own speed, and one that is shown."""
        numbers = ticks(600).named("numbers")
        numbers.to(sinks.jsonl(folder / "numbers.jsonl"))
        numbers.map_async(slowly, concurrency=2).to(sinks.jsonl(folder / "slow.jsonl"))
        return {"pairs": numbers.pairwise()}

    return {"written": written}


def _many(folder: Path) -> Mapping[str, Callable[[], Output]]:
    return {
        "many_linear": linear,
        "many_fan_out": fan_out,
        "many_diamond": diamond,
        "many_failing": failing,
    }


def _queued(folder: Path) -> Mapping[str, Callable[[], Output]]:
    def short() -> Output:
        return {"numbers": ticks(150).named("ticks").pairwise()}

    return {f"queued_{number}": short for number in range(6)}


SHAPES: Final[Mapping[str, Shape]] = {
    "linear": alone(linear),
    "fan_out": alone(fan_out),
    "twice_over": alone(twice_over),
    "diamond": alone(diamond),
    "merge_zip": alone(merge_zip, merged=bag),
    "timers": alone(timers, spans=flat, either=flat),
    "asynchronous": alone(asynchronous, unordered=bag),
    "waiting": alone(waiting),
    "keyed": alone(keyed),
    "large": alone(large, pictures=digests),
    "failing": alone(failing),
    "retrying": alone(retrying),
    "files": Shape(_files, files=("slow.jsonl", "lengths.jsonl")),
    "written": Shape(_written, files=("slow.jsonl", "numbers.jsonl")),
    "many": Shape(_many),
    "queued": Shape(_queued, at_once=2),
}


def shape_of(name: str) -> Shape:
    """A shape by its name, or the graph that chance makes of `random_N`."""
    return random_shape(name) if name.startswith("random_") else SHAPES[name]


def graphs(shape: Shape, folder: Path) -> list[rxs.Graph[..., Any]]:
    """The graphs of a shape, to be served by an engine."""
    return [rxs.Graph(function, name) for name, function in shape.graphs(folder).items()]


def obstacles(shape: Shape, folder: Path) -> list[str]:
    """Why graphs of it could not go on after a kill."""
    return [said for graph in graphs(shape, folder) for said in graph.build().obstacles]
