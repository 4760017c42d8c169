"""Operators that call functions elsewhere than on the loop: in threads, in child processes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from reactivex import Observable

from rxstream.errors import GraphError
from rxstream.operators._processes import MapProcess, refuse_unsendable
from rxstream.operators._spec import waiting
from rxstream.operators._threads import MapThread
from rxstream.operators._types import A, B
from rxstream.stream import Stream

__all__ = ["map_process", "map_thread"]


def map_thread(
    fn: Callable[[A], B], concurrency: int = 1, ordered: bool = True
) -> Callable[[Observable[A]], Stream[B]]:
    """The result of a blocking function for each element, called in `concurrency` threads of this node.

        --1--2--3-----|
        [map_thread(f)]
        ----f1-f2-f3--|

    Results come in the elements' order; with `ordered=False` as they are done. No more are begun than can go
    on. The function sees the context variables of whoever started the graph, each call in a copy, and may
    call `rxstream.progress`. A call cannot be stopped: at the end it is waited for, within the engine's
    bound, and named if it goes on.
    """
    _positive(concurrency)
    if inspect.iscoroutinefunction(fn):
        raise GraphError(f"{fn.__name__} is a coroutine function: use map_async, which awaits it")
    return waiting(
        "map_thread",
        lambda: MapThread(fn, concurrency, ordered),
        rx=_no_twin,
        arguments={"fn": fn, "concurrency": concurrency, "ordered": ordered},
        told=True,
        resumable=True,
    )


def map_process(
    fn: Callable[[A], B], concurrency: int = 1, ordered: bool = True
) -> Callable[[Observable[A]], Stream[B]]:
    """The result of a function for each element, called in `concurrency` child processes of this node.

        --1--2--3-----|
        [map_process(f)]
        ----f1-f2-f3--|

    For what computes longer than the hundred microseconds that an element and its result travel; a child
    takes about a second to start. The function must be importable: at the top level of a module, which a
    script guards with `if __name__ == "__main__":`. It may call `rxstream.progress`; context variables do not
    go along. A child that dies is an error (WorldError) of this node whose `detail` has the element. At the
    end the children and what they have started are ended.
    """
    _positive(concurrency)
    refuse_unsendable(fn)
    return waiting(
        "map_process",
        lambda: MapProcess(fn, concurrency, ordered),
        rx=_no_twin,
        arguments={"fn": fn, "concurrency": concurrency, "ordered": ordered},
        told=True,
        resumable=True,
    )


def _positive(concurrency: int) -> None:
    if concurrency < 1:
        raise GraphError(f"concurrency must be at least 1, not {concurrency}")


def _no_twin() -> Any:
    raise GraphError(
        "threads and processes cannot be used between an operator that opens Observables and the one that "
        "flattens them: use them before or after those"
    )
