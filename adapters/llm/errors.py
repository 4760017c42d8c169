"""What a model can do wrong, in the error tree of the project.

Must not know any provider.
"""

from __future__ import annotations

from rxstream.errors import WorldError


class ModelError(WorldError):
    """A model or the way to it failed; `retryable` says whether asking again may help."""

    code = "model_error"

    def __init__(self, message: str, *, code: str | None = None, retryable: bool = False) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable
