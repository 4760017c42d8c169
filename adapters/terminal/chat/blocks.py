"""What an answer is made of, as a person sees it: text, thoughts, calls of tools, remarks.

Each block counts its changes in `version`, so that whoever draws looks only at what is new. Bounded: of the
output of a tool its end is kept. Must not know events or how it is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

OUTPUT_KEPT: Final = 64 * 1024
"""Characters of a tool's live output that are kept, the last ones."""

_JOIN: Final = 512
"""Pieces after which a text is put together, so that it does not cost an object a token."""


class Text:
    """Text of the model, its answer or its `reasoning`; grows until `finished`."""

    def __init__(self, kind: Literal["text", "reasoning"]) -> None:
        self.kind = kind
        self.version = 0
        self.length = 0
        self.finished = False
        self.seconds = 0.0
        """From its first piece to its last."""
        self._parts: list[str] = []

    def add(self, text: str) -> None:
        """The next piece."""
        self._parts.append(text)
        self.length += len(text)
        self.version += 1
        if len(self._parts) > _JOIN:
            self._parts = ["".join(self._parts)]

    @property
    def text(self) -> str:
        """All of it so far."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    def finish(self) -> None:
        """Nothing more will come."""
        self.finished = True
        self.version += 1


CallState: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(eq=False)
class Call:
    """A call of a tool: what it was asked, what it says meanwhile, what it gave."""

    id: str
    name: str
    arguments: Any
    state: CallState = "running"
    percentage: float | None = None
    message: str = ""
    waits_for: str = ""
    """What it waits for before it begins."""
    outcome: str = ""
    """How it ended, where a tool that worked says of itself that it failed: an exit code."""
    result: str = ""
    """What it gave, or the error, as the model is told it."""
    carry: Any = None
    """What the model's provider wants back with the call."""
    output: str = ""
    """The end of its live output."""
    left_out: int = 0
    """Characters of output before that."""
    version: int = 0

    @property
    def piece(self) -> dict[str, Any]:
        """As the model said it."""
        piece = {"id": self.id, "name": self.name, "arguments": self.arguments}
        return piece if self.carry is None else {**piece, "carry": self.carry}

    def say(self, text: str) -> None:
        """More output."""
        output = self.output + text
        if (beyond := len(output) - OUTPUT_KEPT) > 0:
            self.left_out += beyond
            output = output[beyond:]
        self.output = output
        self.version += 1

    def tell(self, percentage: float | None, message: str) -> None:
        """How far it is."""
        self.percentage, self.message = percentage, message
        self.version += 1

    @property
    def told(self) -> bool:
        """Whether the model was told a result, also of one that was stopped."""
        return self.state in ("done", "failed") or bool(self.result)

    @property
    def under_way(self) -> bool:
        """Whether it runs, or is going to."""
        return self.state in ("waiting", "running")

    def wait(self, what: str) -> None:
        """It waits for that, or for nothing: it runs."""
        state: CallState = "waiting" if what else "running"
        if (state, what) != (self.state, self.waits_for):
            self.state, self.waits_for = state, what
            self.version += 1

    def end(self, state: CallState, result: str = "", outcome: str = "") -> None:
        """It is over."""
        self.state, self.result, self.outcome = state, result, outcome
        self.version += 1


@dataclass(eq=False)
class Note:
    """A remark about the answer, on one line; `kind` is what it is about."""

    kind: Literal["error", "info", "user"]
    text: str
    version: int = 0


@dataclass(frozen=True)
class Request:
    """A question to the person in front of the screen; `schema` is the JSON Schema of the answer."""

    id: str
    message: str
    schema: dict[str, Any] = field(default_factory=dict)

    @property
    def call_id(self) -> str | None:
        """The call that a person is to agree to, if it is about one."""
        call = self.schema.get("call")
        return call.get("id") if isinstance(call, dict) else None

    @property
    def yes_or_no(self) -> bool:
        """Whether y or n answers it."""
        return self.schema.get("type") == "boolean"

    @property
    def choices(self) -> list[str] | None:
        """What may be answered, where that is a list of texts."""
        enum = self.schema.get("enum")
        return [str(each) for each in enum] if isinstance(enum, list) else None


Block: TypeAlias = Text | Call | Note
