"""The providers: what stands before the colon of a model's name, as entry points of `rxstream.models`.

Each is a function from the name behind the colon and the options of whoever asks to a `Model`. Another
package adds one by an entry point of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from rxstream.adapters.llm.client import Address, HTTPModel, at
from rxstream.adapters.llm.dialect import Dialect
from rxstream.adapters.llm.openai import OpenAIChat
from rxstream.adapters.llm.process import local as running
from rxstream.models import Model, Tell


def local(name: str, *, base_url: str | None = None, api_key: str | None = None) -> Model:
    """A model on this machine, fetched and started on first use; with `base_url` one that runs already."""
    if base_url is not None:
        return _model("local", name, OpenAIChat(), base_url, api_key, continues=True)

    @contextlib.asynccontextmanager
    async def reach(tell: Tell) -> AsyncIterator[Address]:
        async with running(name, tell) as endpoint:
            # it may close a kept connection just when the next question is sent on it
            yield Address(endpoint.base_url, endpoint.api_key, close=True)

    return HTTPModel(f"local:{name}", OpenAIChat(), reach, continues=True)


def openai(name: str, *, base_url: str | None = None, api_key: str | None = None) -> Model:
    """OpenAI's chat completions."""
    return _model("openai", name, OpenAIChat(), base_url, api_key, "OPENAI_API_KEY")


def _model(
    provider: str,
    name: str,
    dialect: Dialect,
    base_url: str | None,
    api_key: str | None,
    key_variable: str = "",
    *,
    continues: bool = False,
) -> Model:
    hints = {}
    if key_variable:
        hints["bad_key"] = f"set {key_variable}, or give api_key"
    return HTTPModel(
        f"{provider}:{name}",
        dialect,
        at(base_url or dialect.address, api_key, key_variable),
        continues=continues,
        hints=hints,
    )
