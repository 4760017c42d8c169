"""What differs between two plans, as data: for a review, a test, or the decision whether a run can go on.

Nodes are the same when their ids are. Where their author wrote them and what they run (a function's body)
is not compared: a plan does not know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rxstream.graph.plan import Node, Plan

_COMPARED: Final = ("operator", "kind", "inputs", "arguments", "published")


@dataclass(frozen=True)
class PlanDiff:
    """Ids that came and went, in the order of their plan; what changed as `(before, after)`.

    `changed` holds for each node the fields that differ. In `outputs`, None stands for no such output.
    It is false where nothing differs.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, Mapping[str, tuple[Any, Any]]] = field(default_factory=dict)
    outputs: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.outputs)

    def describe(self) -> dict[str, Any]:
        """The difference as plain data."""
        return {
            "added": list(self.added),
            "removed": list(self.removed),
            "changed": {
                node: {name: list(pair) for name, pair in fields.items()}
                for node, fields in self.changed.items()
            },
            "outputs": {name: list(pair) for name, pair in self.outputs.items()},
        }


def diff(before: Plan, after: Plan) -> PlanDiff:
    """What has to change in one plan to get the other."""
    changes = {
        node.id: _changes(node, after.by_id[node.id])
        for node in before.nodes
        if node.id in after.by_id
    }
    names = {**before.outputs, **after.outputs}
    pairs = {name: (before.outputs.get(name), after.outputs.get(name)) for name in names}
    return PlanDiff(
        added=tuple(node.id for node in after.nodes if node.id not in before.by_id),
        removed=tuple(node.id for node in before.nodes if node.id not in after.by_id),
        changed={node: found for node, found in changes.items() if found},
        outputs={name: pair for name, pair in pairs.items() if pair[0] != pair[1]},
    )


def _changes(before: Node, after: Node) -> dict[str, tuple[Any, Any]]:
    """The fields that differ, as plain data."""
    was, now = before.describe(), after.describe()
    return {name: (was[name], now[name]) for name in _COMPARED if was[name] != now[name]}
