"""A plugin in processes of its own: what it breaks is its own, and what it is stays the same."""

from rxstream.plugins.isolation.parent import Isolated

__all__ = ["Isolated"]
