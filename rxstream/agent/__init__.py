"""Agents: turns of a model and its tools as one Stream, durable and steered while they work."""

from rxstream.agent.agent import agent
from rxstream.agent.history import History
from rxstream.agent.transcript import messages_of

__all__ = ["History", "agent", "messages_of"]
