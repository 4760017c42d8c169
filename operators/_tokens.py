"""A model's answer joined into pieces worth showing; when they go on is as for text (`_pacing`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rxstream.engine.unit import BATCH
from rxstream.operators._pacing import CoalesceText, pieces, size

PIECE_BYTES: Final = 128 * 1024
"""One element has no more: its JSON has to fit into an event, whatever has to be escaped in it."""

_JOINED: Final = ("token", "reasoning")
"""What has a `text` and nothing else that could be lost."""


class CoalesceTokens(CoalesceText):
    """Text joined with text of its kind; the rule is in `coalesce_tokens`."""

    def __init__(self, min_chars: int, max_delay: float, max_bytes: int) -> None:
        super().__init__(min_chars, max_delay, max_bytes)
        self._kind = _JOINED[0]
        """Of what waits."""

    def wants(self) -> int:
        # all that is at hand at once: what has come together is shown together
        return 0 if self.pending or self._bytes >= self.max_bytes else BATCH

    def take(self, items: Sequence[Any]) -> None:
        for item in items:
            kind = item.get("type") if isinstance(item, dict) else None
            if kind not in _JOINED or len(item) != 2:
                self._let_go()
                self.pending.append(item)
                continue
            if kind != self._kind:
                self._let_go()
                self._kind = kind
            self._join(item["text"])
        self._plan()
        self._release()

    def _join(self, text: str) -> None:
        if not text:
            return
        if not self._parts:
            self._since = self.runtime.now()
        self._parts.append(text)
        self._chars += len(text)
        self._bytes += size(text)

    def _give(self, text: str) -> None:
        whole = self._bytes <= PIECE_BYTES
        for piece in [text] if whole else pieces(text, PIECE_BYTES):
            self.pending.append({"type": self._kind, "text": piece})

    def state(self) -> Any:
        return (self._kind, super().state())

    def go_on(self, state: Any) -> None:
        self._kind, held = state
        super().go_on(held)
