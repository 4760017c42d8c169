"""The graph that answers one question: what the engine runs for each turn of a chat."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final, Protocol

from rxstream.adapters.terminal.chat import toolbox
from rxstream.adapters.terminal.chat.gathering import Gathered
from rxstream.agent import agent
from rxstream.graph import BoundGraph, graph
from rxstream.models import Model, open_model
from rxstream.stream import Stream

NAME: Final = "chat"
"""Of the graph; what else a log holds is no part of the chat."""

DEFAULT_MODEL: Final = "local:smollm2"

# a small local model may never find an end by itself, and without these repeats itself for ever
_SMALL_TOKENS: Final = 768
_SMALL_HISTORY: Final = 1_200
_SMALL_SYSTEM: Final = "You are a helpful assistant. Answer briefly."
_SMALL_TEMPERATURE: Final = 0.3
_SMALL_OPTIONS: Final[Mapping[str, Any]] = {"repeat_penalty": 1.15}


class Asking(Protocol):
    """Makes the stream of an answer's elements."""

    def __call__(
        self, messages: Sequence[Mapping[str, Any]], model: str, tools: Sequence[str]
    ) -> Stream[Any]:
        """Draw it; nothing runs yet."""
        ...


def bound(
    asking: Asking,
    messages: Sequence[Mapping[str, Any]],
    question: str,
    model: str,
    tools: Sequence[str],
    system: str | None,
    addresses: Mapping[str, str],
) -> BoundGraph:
    """The graph for a question. What was said before is in the log already and not written again."""

    def drawn(
        question: str,
        model: str,
        tools: list[str],
        system: str | None,
        addresses: dict[str, str],
    ) -> Stream[Any]:
        return asking(messages, model, tools).named("answer")

    drawn.__name__ = NAME
    return graph(drawn).bind(
        question=question,
        model=model,
        tools=list(tools),
        system=system,
        addresses=dict(addresses),
    )


def provider_of(model: str) -> str:
    """Whose model it is."""
    return model.partition(":")[0]


class Models:
    """Asks any model, with the tools of `toolbox`, as an agent: it goes on after a crash.

    `addresses` are the servers of providers that are not at home. One provider's server is never told
    what is for another: its key, and what is said.
    """

    def __init__(self, addresses: MutableMapping[str, str] | None = None) -> None:
        self.addresses: MutableMapping[str, str] = {} if addresses is None else addresses

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools a model may be given."""
        return tuple(toolbox.TOOLS)

    def check(self, model: str | None, tools: Sequence[str] = ()) -> None:
        """Raise what is known to be wrong before anybody is asked: `AuthorError`, `MissingExtra` …"""
        toolbox.made(tools)
        check = None if model is None else getattr(self.opened(model), "check", None)
        if check is not None:  # another package's model need not have one
            check()

    def opened(self, model: str) -> Model:
        """The model of that name. Raises `AuthorError`."""
        base_url = self.addresses.get(provider_of(model))
        return open_model(model, **({} if base_url is None else {"base_url": base_url}))

    def __call__(
        self, messages: Sequence[Mapping[str, Any]], model: str, tools: Sequence[str]
    ) -> Stream[Any]:
        common: dict[str, Any] = {
            "model": Gathered(self.opened(model)),
            "tools": toolbox.made(tools),
        }
        if not model.startswith("local:"):
            return agent(list(messages), **common)
        given = messages[0]["role"] == "system"
        return agent(
            list(messages),
            system=None if given else _SMALL_SYSTEM,
            history=_SMALL_HISTORY,
            max_tokens=_SMALL_TOKENS,
            temperature=_SMALL_TEMPERATURE,
            options=_SMALL_OPTIONS,
            **common,
        )
