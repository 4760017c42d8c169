"""Event logs outside the core: SQLite."""

from rxstream.adapters.logs.sqlite import SQLiteLog
from rxstream.adapters.logs.view import LogView

__all__ = ["LogView", "SQLiteLog"]
