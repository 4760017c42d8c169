"""The event log: its contract, the log in memory, and how a log is found by its URL."""

from rxstream.log.contract import EventLog
from rxstream.log.locate import open_log
from rxstream.log.memory import MemoryLog
from rxstream.log.reader import Reader
from rxstream.log.retention import PruneReport, Retention
from rxstream.log.values import CheckpointInfo, Commit, Delta, ExecutionRecord, Head, Position

__all__ = [
    "CheckpointInfo",
    "Commit",
    "Delta",
    "EventLog",
    "ExecutionRecord",
    "Head",
    "MemoryLog",
    "Position",
    "PruneReport",
    "Reader",
    "Retention",
    "open_log",
]
