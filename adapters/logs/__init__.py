"""Event logs outside the core: SQLite."""

from rxstream.adapters.logs.sqlite import SQLiteLog

__all__ = ["SQLiteLog"]
