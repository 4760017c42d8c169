"""The line where a person types: several lines if wanted, and what was typed before with up and down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.keys import Keys
from textual.message import Message
from textual.widgets import TextArea

from rxstream.adapters.terminal.chat.history import History

# most terminals say Alt+Enter in a way that textual takes for Enter: it is the same as Ctrl+J here
cast("dict[str, Any]", ANSI_SEQUENCES_KEYS).setdefault("\x1b\r", (Keys.ControlJ,))

_NEW_LINE: Final = frozenset({"ctrl+j", "alt+enter", "shift+enter"})


class Prompt(TextArea):
    """Enter sends; Ctrl+J, Alt+Enter and Shift+Enter begin a new line."""

    DEFAULT_CSS = """
    Prompt { height: auto; max-height: 10; border: round $primary-muted; padding: 0 1; }
    Prompt { background: $background; }
    Prompt:focus { border: round $accent; background: $background; }
    Prompt.asked { border: round $warning; }
    """

    @dataclass
    class Sent(Message):
        """A person has typed this."""

        text: str

    class Left(Message):
        """A person has ended what is typed, where nothing is."""

    @dataclass
    class Keyed(Message):
        """One of the `keys` was typed where nothing else was."""

        key: str

    def __init__(self, history: History) -> None:
        super().__init__(
            compact=False, show_line_numbers=False, soft_wrap=True, highlight_cursor_line=False
        )
        self._history = history
        self.keys = ""
        """Those of which a single one is an answer."""

    async def _on_key(self, event: events.Key) -> None:
        key = (event.character or "").lower()
        if key and key in self.keys and not self.text:
            self._taken(event)
            self.post_message(self.Keyed(key))
        elif event.key == "ctrl+d" and not self.text:
            self._taken(event)
            self.post_message(self.Left())
        elif event.key == "enter":
            self._taken(event)
            text = self.text.strip()
            if text:
                self._history.add(text)
                self.text = ""
                self.post_message(self.Sent(text))
        elif event.key in _NEW_LINE:
            self._taken(event)
            self.insert("\n")
        elif event.key == "up" and self.cursor_location[0] == 0:
            self._taken(event)
            self._show(self._history.older(self.text))
        elif event.key == "down" and self.cursor_location[0] == self.document.line_count - 1:
            self._taken(event)
            self._show(self._history.newer())
        else:
            await super()._on_key(event)

    @staticmethod
    def _taken(event: events.Key) -> None:
        event.stop()
        event.prevent_default()

    def _show(self, text: str | None) -> None:
        if text is not None:
            self.text = text
            self.move_cursor(self.document.end)
