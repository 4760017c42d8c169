"""What is compared: a log after many lives with one of a single life, and with all that clients have seen.

Everything is read from the file, by nobody who took part. A complaint is a sentence; none is the only good
answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw
import orjson

from rxstream.adapters.logs import reading, schema
from rxstream.adapters.logs.verifying import verify
from rxstream.events import TERMINAL
from rxstream.log import ExecutionRecord
from tests.torture.life import LOG, noted
from tests.torture.parts import Shape

_SHOWN: Final = 300
_MENTION: Final = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_PAGE: Final = 10_000

Event = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """All of one execution, as it is in the log."""

    record: ExecutionRecord
    lines: Sequence[bytes]
    """The bytes of each event, from the first on."""
    events: Sequence[Event]

    def of_type(self, event_type: str) -> list[Event]:
        """Its events of that type, in order."""
        return [event for event in self.events if event["event_type"] == event_type]

    def outputs(self, node: str) -> list[Any]:
        """What a node published."""
        found = self.of_type("step_output")
        return [event["data"] for event in found if event["step_id"] == node]


@dataclass(frozen=True)
class Found:
    """What is in the folder of a workload: executions by graph, what is damaged, files by name."""

    told: dict[str, Told]
    complaints: list[str]
    files: dict[str, bytes]


def find(folder: Path, shape: Shape) -> Found:
    """Read all of it. Raises nothing that a damaged log can cause: that is a complaint."""
    told: dict[str, Told] = {}
    complaints: list[str] = []
    connection = schema.connect(str(folder / LOG))
    try:
        complaints += [str(damage) for damage in verify(connection).damage]
        for record in reading.records(connection, (), None, _PAGE, None):
            if record.graph in told:
                complaints.append(f"two executions of {record.graph}")
            lines = list(_lines(connection, record.execution_id))
            told[record.graph] = Told(record, lines, [orjson.loads(line) for line in lines])
            for sha256 in sorted(set(_MENTION.findall(b"\n".join(lines)))):
                if reading.blob(connection, record.execution_id, sha256.decode()) is None:
                    complaints.append(f"{record.graph}: the bytes of {sha256.decode()} are missing")
        left = connection.execute("SELECT count(*) FROM states").get
        if left:
            complaints.append(f"{left} rows of states are left after the end")
    except Exception as error:
        complaints.append(f"the log cannot be read: {type(error).__name__} {error}")
    finally:
        connection.close()
    written = {name: folder / name for name in shape.files}
    files = {name: path.read_bytes() for name, path in written.items() if path.exists()}
    return Found(told, complaints, files)


def _lines(connection: apsw.Connection, execution_id: str) -> Iterator[bytes]:
    rows = connection.execute(
        """SELECT payload FROM events WHERE execution =
           (SELECT id FROM executions WHERE execution_id = ?) ORDER BY id""",
        (execution_id,),
    )
    for (payload,) in rows:
        yield from payload.split(b"\n")


def compare(folder: Path, shape: Shape, whole: Found) -> list[str]:
    """Everything that differs from the run that nobody interrupted, and from what clients saw."""
    found = find(folder, shape)
    complaints = list(found.complaints)
    if set(found.told) != set(whole.told):
        complaints.append(f"executions of {sorted(found.told)}, expected {sorted(whole.told)}")
    for graph, expected in whole.told.items():
        got = found.told.get(graph)
        if got is not None:
            complaints += [f"{graph}: {said}" for said in in_itself(got)]
            complaints += [f"{graph}: {said}" for said in _differences(got, expected, shape)]
    complaints += _unseen(folder, found)
    for name, data in whole.files.items():
        if found.files.get(name) != data:
            had = found.files.get(name, b"").splitlines()
            complaints.append(_difference(name, had, data.splitlines()))
    return complaints


def in_itself(told: Told) -> Iterator[str]:
    """What must hold of every log."""
    if not told.events:
        yield "it has no events"
        return
    numbers = [event["sequence"] for event in told.events]
    if numbers != list(range(1, len(numbers) + 1)):
        wrong = next(i for i, number in enumerate(numbers, 1) if number != i)
        yield f"number {wrong} is {numbers[wrong - 1]}"
    ends = [event["event_type"] for event in told.events if event["event_type"] in TERMINAL]
    if len(ends) != 1 or told.events[-1]["event_type"] not in TERMINAL:
        yield f"it has the ends {ends}, and its last event is {told.events[-1]['event_type']}"
    starts = told.of_type("pipeline_start")
    if len(starts) != 1 or next(e for e in told.events if not _waits_in_line(e)) != starts[0]:
        yield "it does not begin with its start, or has more than one"
    if told.record.ended_at is None:
        yield f"it has ended and its record says {told.record.status}"
    if any(event["execution_id"] != told.record.execution_id for event in told.events):
        yield "it has events of another execution"


def _waits_in_line(event: Event) -> bool:
    """Whether it tells of a place in the queue, as whoever waits for a while is told."""
    return bool(event["event_type"] == "step_progress" and event["data"]["status"] == "queued")


def _differences(got: Told, expected: Told, shape: Shape) -> Iterator[str]:
    nodes = {event["step_id"] for told in (got, expected) for event in told.of_type("step_output")}
    for node in sorted(nodes):
        comparable = shape.open.get(node, _as_it_is)
        had, wanted = comparable(got.outputs(node)), comparable(expected.outputs(node))
        if had != wanted:
            yield _difference(node, had, wanted)
    for kind in ("step_start", "step_error", "step_complete"):
        had, wanted = (
            Counter(
                repr(_said(event, shape))
                for event in told.of_type(kind)
                if not shape.loose or event["step_id"] in nodes
            )
            for told in (got, expected)
        )
        if had != wanted:
            yield f"{kind}: {dict(had - wanted)} too often, {dict(wanted - had)} missing"
    if shape.loose:
        twice = Counter(event["step_id"] for event in got.of_type("step_complete"))
        if twice and max(twice.values()) > 1:
            yield f"step_complete: {twice.most_common(1)} in all"
    if got.record.status != expected.record.status:
        yield f"it is {got.record.status}, expected {expected.record.status}: {got.record.error}"
    ends = [_end(told, shape) for told in (got, expected)]
    if ends[0] != ends[1]:
        yield _difference("the end", [ends[0]], [ends[1]])


def _as_it_is(items: Sequence[Any]) -> Any:
    return items


def _said(event: Event, shape: Shape) -> Any:
    """What is told of a node; of an output that time has cut the number of parts is open."""
    if event["event_type"] == "step_complete":
        return event["step_id"], None if event["step_id"] in shape.open else event["data"]["count"]
    return event["step_id"], event["data"], event["metadata"]


def _end(told: Told, shape: Shape) -> Any:
    """The last event, without what is open."""
    ends = [event for event in told.events if event["event_type"] in TERMINAL]
    if not ends:
        return None
    data = dict(ends[-1]["data"])
    data.pop("duration_ms", None)
    if isinstance(data.get("result"), dict):
        data["result"] = {k: v for k, v in data["result"].items() if k not in shape.open}
    return ends[-1]["event_type"], data


def _unseen(folder: Path, found: Found) -> Iterator[str]:
    """What a client saw and is not there any more, or not as it was."""
    by_id = {told.record.execution_id: told.lines for told in found.told.values()}
    for path in sorted(folder.glob("seen-*")):
        last: dict[str, int] = {}
        for line in noted(path):
            event = orjson.loads(line)
            execution_id, number = event["execution_id"], event["sequence"]
            lines = by_id.get(execution_id, ())
            if number is None or event["event_type"] == "gap":
                yield f"{path.name} was told of a gap: {line!r}"
            elif not 1 <= number <= len(lines) or lines[number - 1] != line:
                there = lines[number - 1] if 1 <= number <= len(lines) else b"nothing"
                yield f"{path.name} saw {line[:_SHOWN]!r} and there is {there[:_SHOWN]!r}"
                break
            elif last.get(execution_id, number - 1) != number - 1:
                yield f"{path.name} saw {number} after {last[execution_id]}"
            last[execution_id] = number or 0


def seen(folder: Path) -> int:
    """How many events clients were shown in all."""
    return sum(len(noted(path)) for path in folder.glob("seen-*"))


def _difference(name: str, got: Sequence[Any], expected: Sequence[Any]) -> str:
    at = next(
        (i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b),
        min(len(got), len(expected)),
    )
    had, wanted = list(got[at : at + 5]), list(expected[at : at + 5])
    return (
        f"{name}: {len(got)} instead of {len(expected)}, from {at} on {had!r}"[:_SHOWN]
        + f" instead of {wanted!r}"[:_SHOWN]
    )
