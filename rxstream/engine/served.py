"""The graphs an engine serves, by name, and what it is asked to start as a graph with its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rxstream.errors import GraphError, UnknownGraph
from rxstream.graph.build import BoundGraph, Graph


class HasGraph(Protocol):
    """What is drawn as a graph of its own: a pipeline."""

    @property
    def graph(self) -> Graph[..., Any]: ...


def graph_of(given: Graph[..., Any] | HasGraph) -> Graph[..., Any]:
    """The graph, or that of what has one. Raises `GraphError` for anything else."""
    found = given if isinstance(given, Graph) else getattr(given, "graph", None)
    if isinstance(found, Graph):
        return found
    named = getattr(given, "__name__", type(given).__name__)
    raise GraphError(f"{named!r} is no graph: decorate a function with @rxstream.graph")


class Served:
    """Graphs by name; no two of one name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Graph[..., Any]] = {}

    def add(self, given: Graph[..., Any] | HasGraph) -> None:
        """Serve one more. Raises `GraphError` when its name is taken or it takes streams."""
        graph = graph_of(given)
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
        self, given: Graph[..., Any] | BoundGraph | HasGraph | str, params: Mapping[str, Any] | None
    ) -> BoundGraph:
        """What is to be started. Raises `UnknownGraph`, `GraphError`, `InvalidParameters`."""
        if isinstance(given, BoundGraph):
            if params is not None:
                raise TypeError("parameters were bound already: give the graph itself")
            return given
        graph = self.get(given) if isinstance(given, str) else graph_of(given)
        if graph.template:
            raise GraphError(f"graph {graph.name!r} takes streams, so it cannot be started")
        return graph.bind(**(params or {}))
