"""Language models: what any of them is asked, what its answer is made of, and how one is found by name."""

from rxstream.models.contract import (
    Delivered,
    Element,
    Message,
    Model,
    Question,
    Tell,
    ToolSpec,
)
from rxstream.models.locate import open_model

__all__ = [
    "Delivered",
    "Element",
    "Message",
    "Model",
    "Question",
    "Tell",
    "ToolSpec",
    "open_model",
]
