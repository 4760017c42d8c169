"""The boundedness linter: what can grow without a limit, or wait for ever, is said before anything runs.

Each rule is a small function in the table `RULES`. A finding names the node, its line, why, and what to write
instead. An error refuses the graph, because it will certainly come to that; a warning is kept with the plan
(`Plan.findings`) and told at the start. Every finding has an answer in the code: a bound, another operator,
or `.unbounded("why")` directly before or after the node. Cycles need no rule of their own, because a stream's
inputs exist before it does; only one closed by way of a Subject can be drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from reactivex import Observable
from reactivex.subject import ReplaySubject

from rxstream.errors import GraphError
from rxstream.graph.endless import FOLDS, Endless, endless
from rxstream.graph.reconvergence import Reconvergence, reconvergence
from rxstream.graph.resumability import lacks, resumes, stateful
from rxstream.source import PushSource

if TYPE_CHECKING:
    from rxstream.graph.plan import Node, Plan

Level = Literal["error", "warning"]

MARKER: Final = "unbounded"
"""The operator that answers the findings of its neighbours."""


@dataclass(frozen=True)
class Finding:
    """What one rule says of one node; `message` is one line with the node, its line, why and the fix."""

    rule: str
    level: Level
    node: str
    where: str
    message: str

    def describe(self) -> dict[str, Any]:
        """The finding as plain data."""
        return asdict(self)


class Look:
    """A plan, and what several rules want to know of it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @cached_property
    def endless(self) -> Mapping[str, Endless]:
        """For each node whether it never ends by itself."""
        return endless(self.plan)

    def fed(self, node: Node) -> Endless:
        """Whether what the node reads never ends."""
        ends = [self.endless[source] for source in node.inputs]
        return True if True in ends else None if None in ends else False

    def answered(self, node: Node) -> bool:
        """Whether the author has said, beside the node, that it may grow."""
        beside = (*node.inputs, *self.plan.readers[node.id])
        return any(self.plan.by_id[other].operator == MARKER for other in beside)

    def finding(self, rule: str, level: Level, node: Node, why: str, fix: str) -> Finding:
        """Said in the one form all findings have."""
        message = f"{node.id!r} ({node.operator} at {node.where}) {why}: {fix}"
        return Finding(rule, level, node.id, node.where, message)


def lint(plan: Plan) -> tuple[Finding, ...]:
    """Everything the rules have to say of a plan, errors first, else in the order of the nodes."""
    look = Look(plan)
    order = {node.id: index for index, node in enumerate(plan.nodes)}
    found = [finding for rule in RULES.values() for finding in rule(look)]
    return tuple(sorted(found, key=lambda f: (f.level != "error", order[f.node])))


def refuse(plan: Plan) -> None:
    """Raise `GraphError` for the first error of a plan; its `detail` has all of them."""
    errors = [finding for finding in plan.findings if finding.level == "error"]
    if not errors:
        return
    first, *more = errors
    others = f" (and {len(more)} more: {', '.join(repr(f.node) for f in more)})" if more else ""
    raise GraphError(
        f"graph {plan.name!r}: {first.message}{others}",
        node=first.node,
        where=first.where,
        detail=[finding.describe() for finding in errors],
    )


# -- what an operator holds --------------------------------------------------------------------


@dataclass(frozen=True)
class _Growth:
    """What an operator holds, what is said when its input is endless and when that is unknown, the cure."""

    holds: str
    endless: Level
    unknown: Level | None
    fix: str


def _growths(
    endless: Level, unknown: Level | None, fix: str, **holding: str
) -> Iterator[tuple[str, _Growth]]:
    for name, holds in holding.items():
        yield name, _Growth(holds, endless, unknown, fix)


_INNER = "Observables under way"
_TURN = "Observables that wait for their turn"
_GROWTH: Final[Mapping[str, _Growth]] = dict(
    [
        *_growths(
            "error",
            None,
            "take so many (take, take_with_time, take_until) or cut it into lists (buffer_with_count)",
            to_list="every element",
            to_iterable="every element",
            to_marbles="the diagram",
        ),
        *_growths(
            "error",
            "warning",
            "give it a buffer_size",
            replay="every element",
            multicast="every element",
        ),
        *_growths(
            "error",
            "warning",
            "use rxstream.operators.zip, which holds the faster stream back",
            zip="what the faster stream is ahead",
        ),
        *_growths(
            "error",
            "warning",
            "use group_by_until, which lets go of a group",
            group_by="one group for each key",
        ),
        *_growths(
            "error",
            "warning",
            "use merge_map(fn, max_concurrent=n), or flat_map_latest, or take so many",
            concat_all=_TURN,
            concat_map=_TURN,
            expand=_INNER,
            flat_map=_INNER,
            flat_map_indexed=_INNER,
            merge=_TURN,
            merge_all=_INNER,
        ),
        *_growths(
            "error",
            "warning",
            "use buffer_with_time_or_count or buffer_with_count",
            buffer="elements until the next boundary",
            buffer_toggle="elements until each list closes",
            buffer_when="elements until the list closes",
        ),
        *_growths(
            "warning",
            None,
            "use buffer_with_time_or_count",
            buffer_with_time="the elements of one span of time",
        ),
        *_growths(
            "warning",
            None,
            "use distinct_recent(n) or distinct_until_changed",
            distinct="one key for each distinct element",
        ),
    ]
)
"""The operators that need words of their own; also reactivex's own by these names."""

_HOLDS_ALL: Final = frozenset({"group_join", "join", "merge"})
"""Those that hold elements of every input."""

_OTHER_GROWTH: Final = _Growth("", "warning", None, "take so many, or cut it into parts")


def _growth(node: Node) -> _Growth | None:
    known = _GROWTH.get(node.operator, _OTHER_GROWTH)
    if node.spec.grows is not None:
        return _Growth(node.spec.grows, known.endless, known.unknown, known.fix)
    if node.spec.kind != "foreign" or known is _OTHER_GROWTH:
        return None
    arguments = node.spec.arguments
    if node.operator == "merge" and arguments.get("max_concurrent") is None:
        return None
    if node.operator == "multicast":
        replayed = isinstance(arguments.get("subject"), ReplaySubject)
        return known if replayed else None
    # ours says so itself; with a buffer_size it has nothing to say
    return None if node.operator == "replay" else known


def grows(look: Look) -> Iterator[Finding]:
    """An operator that holds more and more of what never ends."""
    for node in look.plan.nodes:
        growth = _growth(node) if node.inputs else None
        if growth is None or look.answered(node) or _opened_before(look, node):
            continue
        # the others of most operators only say when to let go
        fed = look.fed(node) if node.operator in _HOLDS_ALL else look.endless[node.inputs[0]]
        level = growth.endless if fed else growth.unknown if fed is None else None
        if level is not None:
            never = "never ends" if fed else "may never end"
            why = f"holds {growth.holds} without a limit, and what it reads {never}"
            yield look.finding("grows", level, node, why, _or_marker(growth.fix))


def _opened_before(look: Look, node: Node) -> bool:
    """Whether what a flattening node has under way is decided by the operator that opened it."""
    return bool(node.spec.flattens and look.plan.by_id[node.inputs[0]].depth)


def _or_marker(fix: str) -> str:
    return f'{fix}; or, where it does no harm, say why with .unbounded("…") directly after it'


# -- what waits --------------------------------------------------------------------------------

_RECONVERGING: Final = (
    "give {full!r} a lossy policy (.latest(), .drop_oldest(n)){or_bound}, or read what it feeds from a "
    "source of its own"
)


def reconverges(look: Look) -> Iterator[Finding]:
    """Branches of one stream meet in pairs, and one of them may have fewer elements."""
    for node in look.plan.nodes:
        if look.answered(node):
            continue
        met = reconvergence(look.plan, node, look.endless)
        if met is not None:
            yield _said_of(look, node, met)


def _said_of(look: Look, node: Node, met: Reconvergence) -> Finding:
    culprit = look.plan.by_id[met.uneven]
    does = "gives fewer elements" if met.certain else "can give more or fewer elements"
    may = "will" if met.certain else "may"
    why = (
        f"pairs {met.full!r} with {met.starving!r}, which both come from {met.fork!r}, and "
        f"{culprit.id!r} ({culprit.operator} at {culprit.where}) {does}, so it {may} wait for ever "
        "behind a full queue"
    )
    bound = "" if met.certain else " or a bound that is enough (.block(n))"
    fix = _RECONVERGING.format(full=met.full, or_bound=bound)
    return look.finding(
        "reconverges", "error" if met.certain else "warning", node, why, _or_marker(fix)
    )


def never_ends(look: Look) -> Iterator[Finding]:
    """What comes only at an end, of a stream that has none. `Execution.stop` makes one."""
    for node in look.plan.nodes:
        if not node.inputs or look.answered(node):
            continue
        if node.operator in FOLDS and look.fed(node) and _growth(node) is None:
            why = "gives nothing before its input ends, which never ends by itself"
            fix = "take so many first, or use scan, which tells how far it is"
            yield look.finding("never-ends", "warning", node, why, _or_marker(fix))
        elif node.spec.late and node.operator == "concat":
            for before, after in zip(node.inputs, node.inputs[1:], strict=False):
                if look.endless[before]:
                    why = f"reads {after!r} only when {before!r} has ended, which never ends by itself"
                    fix = f"end {before!r} (take, take_until), or use merge"
                    yield look.finding("never-ends", "warning", node, why, _or_marker(fix))
                    break


def groups(look: Look) -> Iterator[Finding]:
    """More groups than are read at a time: a group that waits for its turn loses what it is told."""
    for node in look.plan.nodes:
        limit = _read_at_a_time(node)
        opener = _grouping(look, node) if limit is not None else None
        if opener is None or look.answered(node) or look.answered(opener):
            continue
        certain = look.fed(opener)
        why = (
            f"reads {limit} of the groups of {opener.id!r} ({opener.operator} at {opener.where}) at a "
            "time, and a group ends only with the stream, so the elements of every other key are lost"
        )
        fix = "use merge_all or flat_map, or group_by_until, whose groups end"
        level: Level = "error" if certain else "warning"
        yield look.finding("groups", level, node, why, _or_marker(fix))


def _read_at_a_time(node: Node) -> int | None:
    if node.operator in ("concat_all", "concat_map"):
        return 1
    limits = node.operator in ("merge", "merge_map")
    limit = node.spec.arguments.get("max_concurrent") if limits else None
    return limit if isinstance(limit, int) else None


def _grouping(look: Look, node: Node) -> Node | None:
    """The `group_by` whose groups a node reads, through operators that work on the groups."""
    while True:
        node = look.plan.by_id[node.inputs[0]]
        if node.operator == "group_by":
            return node
        if not node.depth and node.spec.kind != "foreign":
            return None


# -- what pushes -------------------------------------------------------------------------------


def pushes(look: Look) -> Iterator[Finding]:
    """A source that cannot be held back, with no word on what to do when it is too fast."""
    for node in look.plan.nodes:
        origin = node.spec.make() if node.kind == "source" else None
        observable = isinstance(origin, Observable) and look.endless[node.id] is not False
        callback = isinstance(origin, PushSource) and origin.policy == "fail"
        if not (observable or callback) or look.answered(node) or _has_policy(look, node):
            continue
        why = "pushes and cannot be held back, and fails when more waits than its buffer holds"
        fix = "follow it with .drop_oldest(n), .latest() or another policy, .fail(n) if failing is right"
        yield look.finding("pushes", "warning", node, why, fix)


def _has_policy(look: Look, node: Node) -> bool:
    """Whether its only reader says what becomes of what is too much."""
    readers = look.plan.readers[node.id]
    return (
        len(readers) == 1
        and not node.published
        and look.plan.by_id[readers[0]].spec.buffer is not None
    )


def feeds_itself(look: Look) -> Iterator[Finding]:
    """A cycle, closed by a Subject that the graph both reads and tells."""
    for node in look.plan.nodes:
        subject = node.spec.make() if node.kind == "source" else None
        if not isinstance(subject, Observable) or _has_policy(look, node) or look.answered(node):
            continue
        for other in _behind(look.plan, node):
            if any(_tells(value, subject) for value in other.spec.arguments.values()):
                why = (
                    f"is told by {other.id!r} ({other.operator} at {other.where}) what it comes from: a "
                    "cycle, and nothing in it can be held back"
                )
                fix = "follow it with .drop_oldest(n), .latest() or another policy"
                yield look.finding("feeds-itself", "error", node, why, _or_marker(fix))
                break


def _tells(value: Any, subject: Observable[Any]) -> bool:
    return value is subject or getattr(value, "__self__", None) is subject


def _behind(plan: Plan, node: Node) -> Iterator[Node]:
    """Every node that reads it, directly or not."""
    known: set[str] = set()
    waiting = list(plan.readers[node.id])
    while waiting:
        reader = waiting.pop()
        if reader not in known:
            known.add(reader)
            yield plan.by_id[reader]
            waiting += plan.readers[reader]


def retries(look: Look) -> Iterator[Finding]:
    """A retry that never gives up."""
    for node in look.plan.nodes:
        given = [value for value in node.spec.arguments.values() if value is not None]
        if node.operator == "retry" and not given and not look.answered(node):
            why = "starts what fails again without a limit and at once"
            yield look.finding("retries", "warning", node, why, _or_marker("give it a count"))


# -- what must be resumable --------------------------------------------------------------------

_COUNTED: Final = re.compile(r"_\d+\Z")


def unresumable(look: Look) -> Iterator[Finding]:
    """A node without a state that could be kept, in a graph that must go on after a crash."""
    for node in look.plan.nodes if look.plan.resumable else ():
        if resumes(node):
            continue
        fix = "use a source that is seekable" if node.kind == "source" else "use one that can"
        why = f"{lacks(node)}, and the graph must be resumable"
        yield look.finding(
            "unresumable", "error", node, why, f"{fix}, or @graph without resumable=True"
        )


def unnamed(look: Look) -> Iterator[Finding]:
    """State that is kept under a counted id, which another node takes when the graph is changed."""
    for node in look.plan.nodes if look.plan.resumable else ():
        ours = node.spec is not None and node.spec.quiet  # its author could not name it
        if not node.named and not ours and stateful(node):
            why = "keeps its state under an id that is only counted, so a change of the graph may lose it"
            yield look.finding("unnamed", "warning", node, why, 'name it: .named("…")')


RULES: Final[Mapping[str, Callable[[Look], Iterator[Finding]]]] = {
    "grows": grows,
    "reconverges": reconverges,
    "groups": groups,
    "feeds-itself": feeds_itself,
    "never-ends": never_ends,
    "pushes": pushes,
    "retries": retries,
    "unresumable": unresumable,
    "unnamed": unnamed,
}
"""Every rule by its id."""
