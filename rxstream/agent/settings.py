"""What one agent was told when its graph was drawn, all checked: what its unit reads. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rxstream.agent.history import History
from rxstream.errors import AuthorError
from rxstream.models import Budget, Message, Model, open_model
from rxstream.tools import Limits, ToolRegistry

APPROVAL_S: Final = 3_600.0
"""How long a person may take to agree to a call, in seconds, unless the agent says otherwise."""

CONCURRENCY: Final = 8
"""Calls that run at once, unless the agent says otherwise."""

TURNS: Final = 25
"""Answers of the model in one run, unless a budget says otherwise."""

ROLES: Final = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class AgentSettings:
    """One agent."""

    messages: tuple[Message, ...]
    model: str | Model
    tools: ToolRegistry
    budget: Budget
    history: History
    stream_tools: bool = True
    stay: bool = False
    concurrency: int = CONCURRENCY
    approval_timeout: float | None = APPROVAL_S
    tool_timeout: float | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    model_options: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def open_model(self) -> Model:
        """The model. Raises `AuthorError`."""
        return open_model(self.model, **self.model_options)

    def arguments(self) -> dict[str, Any]:
        """What the graph shows."""
        name = self.model if isinstance(self.model, str) else open_model(self.model).name
        said: dict[str, Any] = {"model": name, "messages": list(self.messages)}
        if len(self.tools):
            said["tools"] = [each.name for each in self.tools]
        if self.stay:
            said["stay"] = True
        return said


def messages_given(given: str | Sequence[Message], system: str | None) -> tuple[Message, ...]:
    """Messages as models take them. Raises `AuthorError` for what is none."""
    found: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    if isinstance(given, str):
        return (*found, {"role": "user", "content": given})
    if not isinstance(given, Sequence):
        raise AuthorError(
            f"messages are a text or a list of messages, not a {type(given).__name__}"
        )
    return (*found, *(_message(each, place) for place, each in enumerate(given)))


def _message(given: Any, place: int) -> Message:
    if not isinstance(given, Mapping) or given.get("role") not in ROLES:
        raise AuthorError(
            f"message {place} is not one: it is {{'role': {', '.join(ROLES)}, 'content': a text or parts}}"
        )
    if not isinstance(given.get("content", ""), str | list | tuple):
        raise AuthorError(f"the content of message {place} is neither a text nor a list of parts")
    return dict(given)
