"""Language models: what any of them is asked, what its answer is made of, and how one is found by name."""

from rxstream.models.budget import Budget, BudgetSpent, Prices
from rxstream.models.contract import (
    Delivered,
    Element,
    Message,
    Model,
    Question,
    Tell,
    ToolSpec,
)
from rxstream.models.ledger import Entry, Ledger, Spent
from rxstream.models.locate import open_model
from rxstream.models.recording import Recording

__all__ = [
    "Budget",
    "BudgetSpent",
    "Delivered",
    "Element",
    "Entry",
    "Ledger",
    "Message",
    "Model",
    "Prices",
    "Question",
    "Recording",
    "Spent",
    "Tell",
    "ToolSpec",
    "open_model",
]
