"""The providers: what stands before the colon of a model's name, as entry points of `rxstream.models`.

Each is a function from the name behind the colon and the options of whoever asks to a `Model`. Another
package adds one by an entry point of its own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from typing import Final, TypedDict, Unpack
from urllib.parse import urlsplit

import aiohttp

from rxstream.adapters.llm.anthropic import AnthropicMessages
from rxstream.adapters.llm.client import Address, HTTPModel, Key, at
from rxstream.adapters.llm.dialect import Dialect
from rxstream.adapters.llm.gemini import Gemini
from rxstream.adapters.llm.hermes import HermesChat
from rxstream.adapters.llm.ollama import Ollama
from rxstream.adapters.llm.openai import OpenAIChat
from rxstream.adapters.llm.process import known
from rxstream.adapters.llm.process import local as running
from rxstream.adapters.llm.responses import OpenAIResponses
from rxstream.adapters.llm.retrying import Retries
from rxstream.errors import AuthorError
from rxstream.models import Model, Tell

KEY_VARIABLES: Final[Mapping[str, str]] = {
    "anthropic": "ANTHROPIC_API_KEY",
    "compatible": "COMPATIBLE_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "ollama": "OLLAMA_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openai-responses": "OPENAI_API_KEY",
}
"""Where a provider's key is looked for when none is given."""

_NEEDED: Final = frozenset({"anthropic", "gemini", "openai", "openai-responses"})
"""Those that answer nobody without one, at home; another server of their format may want none."""


class How(TypedDict, total=False):
    """What may be said of any of them."""

    continues: bool
    """Whether it goes on behind the beginning of an answer; assumed only where a test has seen it."""
    retries: Retries
    """How often and when it is asked again."""


def local(
    name: str, *, base_url: str | None = None, api_key: str | None = None, **how: Unpack[How]
) -> Model:
    """A model on this machine, fetched and started on first use; with `base_url` one that runs already."""
    _check(f"local:{name}", how)
    how.setdefault("continues", True)
    if base_url is not None:
        return _model("local", name, HermesChat(), base_url, api_key, **how)

    @contextlib.asynccontextmanager
    async def reach(tell: Tell) -> AsyncIterator[Address]:
        async with running(name, tell) as endpoint:
            # it may close a kept connection just when the next question is sent on it
            yield Address(endpoint.base_url, endpoint.api_key, close=True)

    return HTTPModel(f"local:{name}", HermesChat(), reach, **how, ready=lambda: known(name))


def openai(
    name: str, *, base_url: str | None = None, api_key: str | None = None, **how: Unpack[How]
) -> Model:
    """OpenAI's chat completions. Other servers that speak them know the limit by its older name."""
    dialect = OpenAIChat("max_tokens" if base_url else "max_completion_tokens")
    return _model("openai", name, dialect, base_url, api_key, **how)


def openai_responses(
    name: str, *, base_url: str | None = None, api_key: str | None = None, **how: Unpack[How]
) -> Model:
    """OpenAI's responses."""
    return _model("openai-responses", name, OpenAIResponses(), base_url, api_key, **how)


def compatible(
    name: str, *, base_url: str | None = None, api_key: str | None = None, **how: Unpack[How]
) -> Model:
    """Any server that speaks OpenAI's chat completions. Raises `AuthorError` without its `base_url`."""
    if not base_url:
        raise AuthorError(
            f"compatible:{name[:80]} is on no server: give base_url, as http://localhost:8000/v1",
            code="no_base_url",
        )
    return _model("compatible", name, OpenAIChat(), base_url, api_key, **how)


def anthropic(
    name: str, *, base_url: str | None = None, api_key: str | None = None, **how: Unpack[How]
) -> Model:
    """Anthropic's messages."""
    return _model("anthropic", name, AnthropicMessages(), base_url, api_key, **how)


def gemini(
    name: str, *, base_url: str | None = None, api_key: str | None = None, **how: Unpack[How]
) -> Model:
    """Google's Gemini."""
    return _model("gemini", name, Gemini(), base_url, api_key, **how)


def ollama(
    name: str, *, base_url: str | None = None, api_key: str | None = None, **how: Unpack[How]
) -> Model:
    """A model of an Ollama server: the one of `OLLAMA_HOST`, else of this machine."""
    return _model(
        *("ollama", name, Ollama(), base_url or _ollama_host(), api_key),
        **how,
        hints={
            "no_server": "is it running? ollama serve",
            "unknown_model": f"ollama pull {name[:80]}",
        },
    )


def _ollama_host() -> str | None:
    """`OLLAMA_HOST` as a URL; it may lack the scheme and the port, and say `0.0.0.0` to mean all.

    Raises `AuthorError`.
    """
    host = os.environ.get("OLLAMA_HOST", "").strip()
    if not host:
        return None
    scheme, found, rest = host.rpartition("://")
    try:
        said = urlsplit(f"//{rest}")
        port = said.port or (443 if scheme == "https" else 11434)
    except ValueError as error:
        raise AuthorError(f"OLLAMA_HOST is {host[:80]!r}, which is no address: {error}") from None
    name = said.hostname if said.hostname not in (None, "0.0.0.0", "::") else "127.0.0.1"
    name = f"[{name}]" if ":" in str(name) else name
    return f"{scheme if found else 'http'}://{name}:{port}{said.path.rstrip('/')}"


def _model(
    provider: str,
    name: str,
    dialect: Dialect,
    base_url: str | None,
    api_key: str | None,
    *,
    hints: Mapping[str, str] | None = None,
    **how: Unpack[How],
) -> Model:
    _check(f"{provider}:{name}", how)
    if not isinstance(base_url, str | None):
        raise AuthorError(
            f"{provider}:{name[:80]}: base_url is a text, not a {type(base_url).__name__}"
        )
    variable = KEY_VARIABLES.get(provider, "")
    key = Key(api_key, variable, needed=provider in _NEEDED and base_url is None)
    hint = f"set {variable}, or give api_key" if variable else "give api_key"
    url = base_url or dialect.address

    def ready() -> None:
        if not url.lower().startswith(("http://", "https://")):
            raise aiohttp.InvalidURL(url)
        key.read()

    return HTTPModel(
        f"{provider}:{name}",
        dialect,
        at(url, key),
        **how,
        hints={"bad_key": hint, **(hints or {})},
        ready=ready,
    )


def _check(name: str, how: Mapping[str, object]) -> None:
    """Raise `AuthorError` for what may not be said of a model."""
    strange = sorted(how.keys() - How.__annotations__.keys())
    if strange:
        known = ", ".join(("base_url", "api_key", *How.__annotations__))
        raise AuthorError(f"{name[:80]} has no option {strange[0]!r}: there are {known}")
