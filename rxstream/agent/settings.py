"""What one agent was told when its graph was drawn, all checked: what its unit reads. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rxstream.agent.history import History
from rxstream.models import Budget, Message, Model, open_model
from rxstream.tools import Limits, ToolRegistry

APPROVAL_S: Final = 3_600.0
"""How long a person may take to agree to a call, in seconds, unless the agent says otherwise."""

CONCURRENCY: Final = 8
"""Calls that run at once, unless the agent says otherwise."""

TURNS: Final = 25
"""Answers of the model in one run, unless a budget says otherwise."""


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
