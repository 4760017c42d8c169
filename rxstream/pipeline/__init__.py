"""Pipelines: steps with a dict in and a dict out, drawn as a graph and run as one."""

from rxstream.pipeline.action import action_step
from rxstream.pipeline.data import Result
from rxstream.pipeline.durations import Spread
from rxstream.pipeline.letters import DeadLetter, DeadLetters
from rxstream.pipeline.objectives import SLO
from rxstream.pipeline.pipeline import Pipeline
from rxstream.pipeline.policy import Retry, Streaming
from rxstream.pipeline.reliability import Reliability, ReliabilityReport
from rxstream.pipeline.step import Step

__all__ = [
    "SLO",
    "DeadLetter",
    "DeadLetters",
    "Pipeline",
    "Reliability",
    "ReliabilityReport",
    "Result",
    "Retry",
    "Spread",
    "Step",
    "Streaming",
    "action_step",
]
