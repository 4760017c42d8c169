"""Finds a model by what the user calls it: `provider:name`.

Providers are entry points of the group `rxstream.models`, named as the part before the colon; each is a
callable from the name behind the colon, and the options of whoever asks, to a `Model`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from rxstream.errors import AuthorError, MissingExtra
from rxstream.models.contract import Model


def open_model(name: str | Model, **options: Any) -> Model:
    """The model of that name; one that is a model already is given back. Starts nothing.

    `options` go to the provider (`base_url`, `api_key`, …). Raises `AuthorError` for a provider nobody knows.
    """
    if not isinstance(name, str):
        if not callable(getattr(name, "answer", None)):
            raise AuthorError(
                f"a {type(name).__name__} is no model: write PROVIDER:NAME, or give a rxstream.models.Model"
            )
        return name
    provider, _, model = name.partition(":")
    known = _providers()
    if provider not in known or not model.strip():
        written = ", ".join(f"{each}:NAME" for each in sorted(known))
        raise AuthorError(
            f"{name[:80]!r} names no model: write one of {written}", code="unknown_model"
        )
    try:
        factory = cast("Callable[..., Model]", known[provider].load())
    except ImportError as error:
        raise MissingExtra(
            f"models of {provider} need {error.name}: pip install {error.name}"
        ) from error
    return factory(model, **options)


@cache
def _providers() -> dict[str, EntryPoint]:
    """Looked up once: it reads a file of each installed package, for which a first token would wait."""
    return {point.name: point for point in entry_points(group="rxstream.models")}
