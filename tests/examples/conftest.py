"""The real model, as the tests of the models have it."""

from tests.adapters.llm.real import fetched, model

__all__ = ["fetched", "model"]
