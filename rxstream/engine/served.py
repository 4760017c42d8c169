"""The graphs an engine serves, by name, and what it is asked to start as a graph with its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rxstream.errors import GraphError, UnknownGraph
from rxstream.graph.build import BoundGraph, Graph


class Served:
    """Graphs by name; no two of one name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Graph[..., Any]] = {}

    def add(self, graph: Graph[..., Any]) -> None:
        """Serve one more. Raises `GraphError` when its name is taken or it takes streams."""
        if graph.template:
            raise GraphError(
                f"graph {graph.name!r} takes streams, so it can be nested in a graph but not started"
            )
        known = self.by_name.get(graph.name)
        if known is not None and known is not graph:
            raise GraphError(
                f"two graphs are named {graph.name!r}, in {known.__module__} and in "
                f"{graph.__module__}: rename one"
            )
        self.by_name[graph.name] = graph

    def get(self, name: str) -> Graph[..., Any]:
        """The one of that name. Raises `UnknownGraph`."""
        try:
            return self.by_name[name]
        except KeyError:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise UnknownGraph(f"no graph is named {name[:80]!r}: known are {known}") from None

    def bound(
        self, graph: Graph[..., Any] | BoundGraph | str, params: Mapping[str, Any] | None
    ) -> BoundGraph:
        """What is to be started. Raises `UnknownGraph`, `GraphError`, `InvalidParameters`."""
        if isinstance(graph, str):
            graph = self.get(graph)
        if isinstance(graph, BoundGraph):
            if params is not None:
                raise TypeError("parameters were bound already: give the graph itself")
            return graph
        if graph.template:
            raise GraphError(f"graph {graph.name!r} takes streams, so it cannot be started")
        return graph.bind(**(params or {}))
