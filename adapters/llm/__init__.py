"""Models: their answers as streams, one vocabulary for all providers, and a small one that runs
here.
"""

from rxstream.adapters.llm.chat import ChatSource, chat
from rxstream.adapters.llm.errors import ModelError
from rxstream.adapters.llm.process import LocalEndpoint, local
from rxstream.adapters.llm.retrying import Retries
from rxstream.adapters.llm.sdk import from_sdk
from rxstream.adapters.llm.weights import Model, fetch, models
from rxstream.models import Element, Message

__all__ = [
    "ChatSource",
    "Element",
    "LocalEndpoint",
    "Message",
    "Model",
    "ModelError",
    "Retries",
    "chat",
    "fetch",
    "from_sdk",
    "local",
    "models",
]
