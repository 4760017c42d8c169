"""A built graph as frozen data: what will run, before anything runs.

A `Plan` says everything about a run that can be known beforehand, so it can be validated, drawn, compared
and fingerprinted. It holds the specs the engine compiles but does not know how they run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import orjson

from rxstream.graph.diff import PlanDiff, diff
from rxstream.graph.draw import svg
from rxstream.graph.lint import Finding, lint
from rxstream.graph.mermaid import mermaid
from rxstream.graph.resumability import obstacle

NodeKind = Literal["source", "operator", "sink"]


@dataclass(frozen=True)
class Node:
    """A vertex: what logs and checkpoints key on.

    `inputs` are ids of the nodes it reads, in order. `arguments` are shown, already as text or plain
    data. `where` is the `file:line` its author wrote. `told` says whether its lifecycle is recorded,
    `named` whether its id was given and not counted, `depth` how many levels its elements are themselves
    Observables.
    """

    id: str
    operator: str
    kind: NodeKind
    inputs: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    told: bool = False
    published: bool = False
    resumable: bool = True
    named: bool = True
    depth: int = 0
    spec: Any = field(default=None, repr=False, compare=False)

    def describe(self) -> dict[str, Any]:
        """The node as plain data."""
        return {
            "id": self.id,
            "operator": self.operator,
            "kind": self.kind,
            "inputs": list(self.inputs),
            "arguments": dict(self.arguments),
            "where": self.where,
            "published": self.published,
        }


@dataclass(frozen=True)
class Plan:
    """A graph with its parameters given, ready to run.

    `outputs` maps an output's name to the id of its node; `single` says that the graph returned one
    stream, so its result is that stream's last element and not a dict of them. `resumable` says that it
    must be able to go on after a crash.
    """

    name: str
    nodes: tuple[Node, ...]
    outputs: Mapping[str, str]
    params: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    single: bool = True
    resumable: bool = False

    @cached_property
    def by_id(self) -> Mapping[str, Node]:
        """Nodes by id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def readers(self) -> Mapping[str, tuple[str, ...]]:
        """For each node the ids of the nodes that read it, once for each time they do."""
        found: dict[str, list[str]] = {node.id: [] for node in self.nodes}
        for node in self.nodes:
            for source in node.inputs:
                found[source].append(node.id)
        return {node: tuple(readers) for node, readers in found.items()}

    @cached_property
    def topology(self) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        """Each node's operator and inputs, by its id."""
        return {node.id: (node.operator, node.inputs) for node in self.nodes}

    @cached_property
    def fingerprint(self) -> str:
        """The topology in 16 hexadecimal digits: ids, operators, inputs and outputs."""
        shape = [[n.id, n.operator, list(n.inputs)] for n in self.nodes]
        text = orjson.dumps([self.name, shape, dict(self.outputs)], option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()[:16]

    @cached_property
    def obstacles(self) -> tuple[str, ...]:
        """Why it could not go on after a crash, a sentence for each node that is in the way; none: it can."""
        return tuple(filter(None, map(obstacle, self.nodes)))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What may grow without a limit or wait for ever; of a plan that was built, only warnings."""
        return lint(self)

    def lint(self) -> tuple[Finding, ...]:
        """The same as `findings`."""
        return self.findings

    def describe(self) -> dict[str, Any]:
        """The graph as plain data; the same plan always gives the same."""
        return {
            "name": self.name,
            "nodes": [node.describe() for node in self.nodes],
            "outputs": dict(self.outputs),
            "fingerprint": self.fingerprint,
        }

    def diff(self, other: Plan) -> PlanDiff:
        """What has to change in this plan to get the other."""
        return diff(self, other)

    def mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        return mermaid(self)

    def svg(self) -> str:
        """The graph as a self-contained SVG document."""
        return svg(self)

    def _repr_svg_(self) -> str:
        """What a notebook shows."""
        return svg(self)
