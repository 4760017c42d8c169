"""The event log: its contract, the log in memory, and how a log is found by its URL."""

from rxstream.log.contract import Commit, Delta, EventLog, ExecutionRecord, Head, Position, Reader
from rxstream.log.locate import open_log
from rxstream.log.memory import MemoryLog

__all__ = [
    "Commit",
    "Delta",
    "EventLog",
    "ExecutionRecord",
    "Head",
    "MemoryLog",
    "Position",
    "Reader",
    "open_log",
]
