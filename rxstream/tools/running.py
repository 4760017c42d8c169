"""What a tool may see and say while it runs.

A tool that wants it declares a parameter annotated `ToolContext`; models neither see nor give that one.
Must not know who runs the tool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rxstream.plugins.running import CancellationToken


@dataclass(frozen=True)
class Output:
    """A piece of live output; `channel` is `stdout`, `stderr` or a word of the tool's own."""

    text: str
    channel: str = "stdout"


@dataclass(frozen=True)
class ToolResult:
    """What a tool that is a generator yields last: its result, which the model is told.

    `brief` is what the model is told instead, where the result is more than it should read.
    """

    value: Any
    brief: str | None = None


class CannotStream(Exception):
    """Raised by a tool that streams before it has done anything: call its plain variant instead."""


class ToolContext:
    """One call of a tool, as the tool sees it."""

    def __init__(
        self,
        call_id: str = "",
        token: CancellationToken | None = None,
        told: Callable[[float | None, str | None], None] | None = None,
    ) -> None:
        self.call_id = call_id
        self.token = token or CancellationToken()
        """Cancelled when the call is over or unwanted: what a thread of the tool's looks at."""
        self._told = told

    def progress(self, percentage: float | None, message: str | None = None) -> None:
        """Say how far the call is: 0 to 100, or None when nobody knows. Any thread may say it.

        Ten a second are shown, the last always.
        """
        if self._told is not None:
            self._told(percentage, message)
