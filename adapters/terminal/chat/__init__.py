"""A chat with a model: what was said, kept in a log, on a terminal or in plain lines.

The parts without a screen are here; `screen` needs the extra `terminal`.
"""

from rxstream.adapters.terminal.chat.answering import DEFAULT_MODEL, Models, provider_of
from rxstream.adapters.terminal.chat.conversation import Conversation
from rxstream.adapters.terminal.chat.history import History
from rxstream.adapters.terminal.chat.session import Session
from rxstream.adapters.terminal.chat.store import Store, state_folder
from rxstream.adapters.terminal.chat.turn import Turn

__all__ = [
    "DEFAULT_MODEL",
    "Conversation",
    "History",
    "Models",
    "Session",
    "Store",
    "Turn",
    "provider_of",
    "state_folder",
]
