"""rxstream: everything that produces is an Observable; graphs of them run into one durable log."""

from rxstream import operators
from rxstream.codec import Binary
from rxstream.engine import Engine, Execution, Status
from rxstream.errors import RxStreamError
from rxstream.events import EventType, Progress, StreamEvent
from rxstream.graph import BoundGraph, Graph, Node, Plan, Secret, graph
from rxstream.log import EventLog, MemoryLog
from rxstream.progress import progress
from rxstream.sink import Sink
from rxstream.source import PushSource, Source
from rxstream.stream import Stream, source

__all__ = [
    "Binary",
    "BoundGraph",
    "Engine",
    "EventLog",
    "EventType",
    "Execution",
    "Graph",
    "MemoryLog",
    "Node",
    "Plan",
    "Progress",
    "PushSource",
    "RxStreamError",
    "Secret",
    "Sink",
    "Source",
    "Status",
    "Stream",
    "StreamEvent",
    "graph",
    "operators",
    "progress",
    "source",
]
