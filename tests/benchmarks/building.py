"""Composing and subscribing a chain of ten; building, describing and drawing a graph of 500 nodes.

The rival for the chain is reactivex. For the graph nothing does the same; a tenth of its nodes shows how the
time grows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import reactivex
from reactivex import operators as rx
from reactivex.internal import noop
from reactivex.internal.basic import identity as same
from reactivex.subject import Subject

import rxstream as rxs
from rxstream import operators as ops
from rxstream.graph.draw import svg
from rxstream.graph.mermaid import mermaid
from tests.benchmarks.harness import Row, cpu, interleave, rows, spread

WIDTH = 10
"""Branches of the graph, each a chain with a merge of the neighbour's every tenth node."""


def composed(module: Any, source: Any) -> Any:
    return source.pipe(*(module.map(abs) for _ in range(10)))


def composing(module: Any, never: Callable[[], Any], times: int) -> float:
    return cpu(lambda: [composed(module, never()) for _ in range(times)]) / times


def subscribing(module: Any, never: Callable[[], Any], times: int) -> float:
    chain = composed(module, never())

    async def run() -> float:
        begun = time.process_time()
        for _ in range(times):
            chain.subscribe(print).dispose()
        return time.process_time() - begun

    return asyncio.run(run()) / times


def subscribing_a_subject(module: Any, streamed: Callable[[Any], Any], times: int) -> float:
    subject: Subject[int] = Subject()
    chain = composed(module, streamed(subject))

    def once() -> None:
        subscription = chain.subscribe(noop)
        subject.on_next(1)
        subscription.dispose()

    def repeatedly() -> None:
        for _ in range(times):
            once()

    return cpu(repeatedly) / times


def subscribing_one_element(module: Any, of: Callable[[int], Any], times: int) -> float:
    chain = composed(module, of(1))
    return cpu(lambda: [chain.subscribe(noop) for _ in range(times)]) / times


def graph_of(nodes: int) -> rxs.Graph[..., Any]:
    """About so many nodes; exactly, for multiples of 50."""

    @rxs.graph
    def large() -> dict[str, rxs.Stream[int]]:
        branches: list[rxs.Stream[int]] = [rxs.source(range(9)) for _ in range(WIDTH)]
        made = WIDTH
        while made < nodes:
            if made // WIDTH % 10 == 9:
                pairs = zip(branches, [*branches[1:], branches[0]], strict=True)
                branches = [rxs.merge(one, other) for one, other in pairs]
            else:
                branches = [branch.pipe(ops.map(abs)) for branch in branches]
            made += WIDTH
        return {f"out_{number}": branch for number, branch in enumerate(branches)}

    return large


def measure(short: bool = False) -> list[Row]:
    """CPU of each."""
    lines: list[Row] = []
    times, rounds = (50, 3) if short else (300, 9)
    chains: tuple[tuple[str, Callable[..., float], Callable[..., Any], Callable[..., Any]], ...] = (
        ("composing ten operators", composing, reactivex.never, rxs.never),
        ("subscribing and disposing ten operators", subscribing, reactivex.never, rxs.never),
        ("subscribing ten to one element", subscribing_one_element, reactivex.of, rxs.of),
        ("subscribing ten to a Subject, one element", subscribing_a_subject, same, rxs.source),
    )
    for name, way, theirs, ours in chains:
        samples = interleave(
            {
                "reactivex (base)": partial(way, rx, theirs, times),
                "rxstream": partial(way, ops, ours, times),
            },
            rounds,
        )
        lines += rows(name, samples, "reactivex (base)", "µs", 1e6)
    for nodes in (50, 500):
        graph = graph_of(nodes)
        plan = graph.build()
        assert len(plan.nodes) == nodes, len(plan.nodes)
        drawings: dict[str, Callable[[], float]] = {
            "build and validate": partial(cpu, graph.build),
            "describe": partial(cpu, plan.describe),
            "draw as Mermaid": partial(cpu, partial(mermaid, plan)),
            "draw as SVG": partial(cpu, partial(svg, plan)),
        }
        samples = interleave(drawings, 2 if short else 5)
        lines += [
            Row(f"graph of {nodes} nodes", way, spread(costs).scaled(1e3), "ms")
            for way, costs in samples.items()
        ]
    return lines
