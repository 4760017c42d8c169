"""Graphs: drawing them, their parameters, and the frozen plan that runs."""

from rxstream.graph.build import BoundGraph, Graph, graph, make_plan, region_of
from rxstream.graph.params import Secret
from rxstream.graph.plan import Node, Plan

__all__ = ["BoundGraph", "Graph", "Node", "Plan", "Secret", "graph", "make_plan", "region_of"]
