"""Re-run: recorded inputs through the present graph, or another, and the outputs compared with the record.

The graph runs in an engine of its own, whose log holds each commit until it was compared, so the memory of a
re-run is bounded however long the record is. Sinks are left out: nothing is written to the world twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rxstream.engine import Engine
from rxstream.errors import AuthorError, LogError
from rxstream.events import EventType, StreamEvent, data_json, step_json
from rxstream.graph import BoundGraph, Graph, Node, Plan
from rxstream.log import EventLog, ExecutionRecord, Position, Reader
from rxstream.replay.comparing import Comparison
from rxstream.replay.held import HeldLog
from rxstream.replay.inputs import Decode, RecordedInput, Tape, Turns, with_inputs, without_sinks
from rxstream.replay.result import Ending, OutputDiff, Rerun
from rxstream.replay.steps import CutShort, StepFailed, UnknownStep, outputs

SHOWN: Final = 100
"""Differences of an output that are kept, unless told otherwise."""

_HIDDEN: Final = "**********"

_PAGE: Final = 1_024


@dataclass
class _Record:
    """What one pass over a record tells."""

    last: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """Elements by node, also of those that ended without any."""
    ending: Ending = field(default_factory=lambda: Ending(None))


async def rerun(
    log: EventLog,
    execution_id: str,
    graph: Graph[..., Any] | BoundGraph,
    params: Mapping[str, Any] | None = None,
    *,
    inputs: Collection[str] = (),
    live: bool = False,
    speed: float | None = None,
    decode: Mapping[str, Decode] | None = None,
    most: int = SHOWN,
) -> Rerun:
    """Feed what an execution recorded to a graph, and compare what it publishes with what was published.

    Sources of the graph whose node ids were published in the record give the recorded elements, which are
    plain data (`decode` makes of them, by node id, what the graph expects). `inputs` names more nodes to be
    replaced, for instance a model's answers, which then are not asked for again. A source that was not
    recorded is an error, unless it may run for real (`live`). Parameters are those of the record unless
    `params` or a bound graph give others. `speed` is that of `replay`; without it nothing is waited for.
    At most `most` differences of an output are kept.

    Raises `AuthorError` (`not_recorded`), `InvalidParameters`, `UnknownExecution`, `LogError`.
    """
    record = await log.record(execution_id)
    plan = _bound(graph, record, params).build()
    sinks = tuple(node.id for node in plan.nodes if node.kind == "sink")
    if not plan.outputs:
        raise AuthorError(f"graph {plan.name!r} publishes nothing, so there is nothing to compare")
    found = await _survey(log, execution_id)
    plan, tape, running = _prepared(
        without_sinks(plan), log, record, found, set(inputs), live, speed, decode or {}
    )
    pairs = _pairs(plan, found, tape)
    comparisons = {
        name: _Output(log, execution_id, node, found, most) for name, (node, _) in pairs.items()
    }
    by_node = {
        b'"%b"' % now.encode(): comparisons[name]
        for name, (_, now) in pairs.items()
        if now is not None
    }
    ended = await _run(_Prepared(plan), by_node)
    for comparison in comparisons.values():
        await comparison.got(None)
    return Rerun(
        execution_id,
        plan.name,
        {name: tape.counts.get(name, 0) for name in tape.turns.names},
        running,
        sinks,
        {name: output.diff(name) for name, output in comparisons.items()},
        found.ending,
        ended,
    )


def _bound(
    graph: Graph[..., Any] | BoundGraph, record: ExecutionRecord, params: Mapping[str, Any] | None
) -> BoundGraph:
    if isinstance(graph, BoundGraph):
        return graph if not params else graph.graph.bind(**{**graph.params, **params})
    known = graph.parameters.get("properties", {})
    # what was hidden in the record cannot be given again
    recorded = {k: v for k, v in record.params.items() if k in known and v != _HIDDEN}
    return graph.bind(**{**recorded, **(params or {})})


async def _survey(log: EventLog, execution_id: str) -> _Record:
    head = await log.head(execution_id)
    reader = Reader(log, execution_id, Position(0, None))
    found = _Record(head.last)
    after = 0
    while after < head.last:
        for event in await reader.next(limit=_PAGE):
            if event.sequence is None:
                raise LogError(
                    f"the first events of {execution_id} are not in the log any more, so it cannot be "
                    "run again from them",
                    code="log_pruned",
                )
            after = event.sequence
            if after <= head.last:
                _note(found, event)
    return found


def _note(found: _Record, event: StreamEvent) -> None:
    if event.terminal:
        found.ending = Ending(str(event.event_type), event.data.get("error"))
    elif event.event_type == EventType.STEP_OUTPUT:
        step = step_json(event)[1:-1].decode()
        found.counts[step] = found.counts.get(step, 0) + 1
    elif event.event_type == EventType.STEP_COMPLETE and event.data["count"] == 0:
        found.counts.setdefault(step_json(event)[1:-1].decode(), 0)


def _prepared(
    plan: Plan,
    log: EventLog,
    record: ExecutionRecord,
    found: _Record,
    chosen: set[str],
    live: bool,
    speed: float | None,
    decode: Mapping[str, Decode],
) -> tuple[Plan, Tape, tuple[str, ...]]:
    """The plan with its recorded inputs, what they share, and the sources that run for real."""
    for name in sorted(chosen):
        if name not in plan.by_id:
            known = ", ".join(node.id for node in plan.nodes)
            raise AuthorError(f"{name!r} is no node of graph {plan.name!r}: its nodes are {known}")
        if name not in found.counts:
            raise _not_recorded(plan, [plan.by_id[name]], record, found)
    sources = {node.id for node in plan.nodes if node.kind == "source"}
    wanted = chosen | (sources & found.counts.keys())
    tape = Tape(
        log,
        record.execution_id,
        found.last,
        record.started_at or record.created_at,
        speed,
        Turns(sorted(wanted)),
    )
    made = with_inputs(plan, {name: RecordedInput(tape, name, decode.get(name)) for name in wanted})
    # what only a replaced node reads is gone, so its sources are not needed
    tape.turns = Turns([node.id for node in made.nodes if node.id in wanted])
    real = [node for node in made.nodes if node.kind == "source" and node.id not in wanted]
    if real and not live:
        raise _not_recorded(made, real, record, found)
    return made, tape, tuple(node.id for node in real)


def _not_recorded(
    plan: Plan, nodes: Sequence[Node], record: ExecutionRecord, found: _Record
) -> AuthorError:
    listed = ", ".join(f"{node.id!r} ({node.operator} at {node.where})" for node in nodes)
    name = nodes[0].id
    nearest = next((node.id for node in _after(plan, name) if node.id in found.counts), None)
    instead = (
        f"feed {nearest!r} instead, which was published (--input or inputs=), " if nearest else ""
    )
    return AuthorError(
        f"execution {record.execution_id} holds no elements of {listed}: publish what is to be fed again "
        f'(return {{"{name}": …}}) and record anew, {instead}or let sources run for real (--live or live=)',
        code="not_recorded",
        node=name,
        where=nodes[0].where,
    )


def _after(plan: Plan, name: str) -> list[Node]:
    """The nodes that a node reaches, in the order of the plan."""
    reached = {name}
    found = []
    for node in plan.nodes:
        if not reached.isdisjoint(node.inputs):
            reached.add(node.id)
            found.append(node)
    return found


def _pairs(plan: Plan, found: _Record, tape: Tape) -> dict[str, tuple[str, str | None]]:
    """By output: its node in the record and now (None: it is not published any more)."""
    fed = set(tape.turns.names)
    now = {name: node for name, node in plan.outputs.items() if node not in fed}
    sources = {node.id for node in plan.nodes if node.kind == "source"}
    before = [name for name, count in found.counts.items() if name not in fed | sources and count]
    pairs: dict[str, tuple[str, str | None]] = {
        name: (node, node) for name, node in now.items() if node in found.counts
    }
    lost = [node for node in before if node not in now.values()]
    new = {name: node for name, node in now.items() if name not in pairs}
    if len(lost) == len(new) == 1:  # an unnamed output is called after its operator, which changes
        name, node = next(iter(new.items()))
        return {**pairs, name: (lost[0], node)}
    pairs |= {name: (node, node) for name, node in new.items()}
    # a name may now belong to another node
    return pairs | {f"{node}*" if node in pairs else node: (node, None) for node in lost}


class _Output:
    """One output: what comes now, against what the log holds of it."""

    def __init__(
        self, log: EventLog, execution_id: str, node: str, found: _Record, most: int
    ) -> None:
        self.node = node
        whole = found.ending.event_type == EventType.PIPELINE_COMPLETE
        self._comparison = Comparison(most=most, cut_short=not whole)
        self._pages = outputs(log, execution_id, node, until=found.last)
        self._page: list[StreamEvent] = []

    async def got(self, json: bytes | None) -> None:
        """The next element of now; None for the end, which reads the rest of the record."""
        comparison = self._comparison
        comparison.got(json)
        while True:
            while comparison.wants_expected:
                comparison.expect(await self._recorded())
            comparison.settle()
            if json is not None or not comparison.wants_expected:
                return

    async def _recorded(self) -> bytes | None:
        if not self._page:
            try:
                self._page = (await anext(self._pages))[::-1]
            except (StopAsyncIteration, CutShort, StepFailed, UnknownStep):
                return None
        return data_json(self._page.pop())

    def diff(self, name: str) -> OutputDiff:
        """What was found."""
        c = self._comparison
        return OutputDiff(
            name, self.node, c.same, c.changed, c.missing, c.added, c.beyond, tuple(c.differences)
        )


class _Prepared(BoundGraph):
    """A graph whose plan is made already."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(Graph(_nothing, plan.name), {})
        self._plan = plan

    def build(self) -> Plan:
        return self._plan


def _nothing() -> None: ...


async def _run(bound: BoundGraph, outputs_by_node: Mapping[bytes, _Output]) -> Ending:
    held = HeldLog()

    async def compare() -> Ending:
        try:
            while True:
                for event in await held.next():
                    if event.event_type == EventType.STEP_OUTPUT:
                        output = outputs_by_node.get(step_json(event))
                        if output is not None:
                            await output.got(data_json(event))
                    elif event.terminal:
                        return Ending(str(event.event_type), event.data.get("error"))
        finally:
            held.let_go(LogError("the comparison ended", code="log_closed"))

    async with Engine(held) as engine:
        comparing = asyncio.create_task(compare(), name="rxstream comparison")
        try:
            await engine.start(bound)
            return await comparing
        finally:
            comparing.cancel()
            await asyncio.wait([comparing])
