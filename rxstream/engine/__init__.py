"""The engine: how graphs run and what is recorded of it."""

from rxstream.engine.explore import Explorer

__all__ = ["Explorer"]
