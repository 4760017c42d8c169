"""The engine: how graphs run and what is recorded of it."""

from rxstream.engine.bottleneck import Bottleneck
from rxstream.engine.default import default_engine
from rxstream.engine.engine import Engine
from rxstream.engine.execution import Execution
from rxstream.engine.explore import Explorer
from rxstream.engine.island import CURRENT
from rxstream.engine.resources import Resources, acquire
from rxstream.engine.states import ENDED, TRANSITIONS, Status, move
from rxstream.engine.statistics import (
    EdgeStatistics,
    EngineStatistics,
    ExecutionStatistics,
    NodeStatistics,
)
from rxstream.engine.subscription import Delivery, Subscription, SubscriptionStatistics

__all__ = [
    "CURRENT",
    "ENDED",
    "TRANSITIONS",
    "Bottleneck",
    "Delivery",
    "EdgeStatistics",
    "Engine",
    "EngineStatistics",
    "Execution",
    "ExecutionStatistics",
    "Explorer",
    "NodeStatistics",
    "Resources",
    "Status",
    "Subscription",
    "SubscriptionStatistics",
    "acquire",
    "default_engine",
    "move",
]
