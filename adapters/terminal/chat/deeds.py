"""Does what commands ask for: `/model`, `/tools`, `/save`, …

Must not know how what is said is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rxstream.adapters.terminal.chat import transcript
from rxstream.adapters.terminal.chat.commands import Command, overview
from rxstream.adapters.terminal.chat.conversation import recent
from rxstream.adapters.terminal.chat.drawing import two_columns
from rxstream.adapters.terminal.chat.session import Session
from rxstream.errors import BadRequest

if TYPE_CHECKING:
    from rxstream.adapters.terminal.chat.screen import ChatScreen


class Deeds:
    """The commands of one screen.

    `renew` makes another chat, `check` raises what is wrong with a model or tools, `known_tools` are those
    there are.
    """

    def __init__(
        self,
        screen: ChatScreen,
        renew: Callable[[], Session] | None,
        check: Callable[[str, Sequence[str]], None],
        known_tools: Sequence[str],
    ) -> None:
        self._screen = screen
        self._renew = renew
        self._check = check
        self._known_tools = known_tools

    @property
    def _session(self) -> Session:
        return self._screen.session

    async def do(self, command: Command) -> None:
        """Raises `RxStreamError` and `OSError` for what cannot be done."""
        words = command.words
        match command.name:
            case "help":
                await self._screen.show(two_columns(overview()))
            case "model":
                await self._model(words)
            case "tools":
                await self._tools(words)
            case "save":
                path = transcript.save(self._session.conversation, words[0])
                await self._screen.say(f"written to {path}")
            case "copy":
                text = next(
                    (t.text for t in reversed(self._session.conversation.turns) if t.text),
                    "",
                )
                if not text:
                    raise BadRequest("there is no answer to copy")
                self._screen.copy_to_clipboard(text)
                await self._screen.say(f"copied {len(text):,} characters")
            case "replay":
                await self._replay(words)
            case "new":
                await self._new()
            case "quit":
                self._screen.exit()

    async def _model(self, words: tuple[str, ...]) -> None:
        if words:
            self._check(words[0], ())
            self._session.model = words[0]
        await self._screen.say(f"{'now' if words else 'it is'} {self._session.model} who answers")

    async def _tools(self, words: tuple[str, ...]) -> None:
        if not self._known_tools:
            raise BadRequest("there are no tools here")
        if words:
            name, state = words[0], (words[1] if len(words) > 1 else "on")
            if name not in self._known_tools or state not in ("on", "off"):
                raise BadRequest(
                    f"write /tools NAME on|off; there are {', '.join(self._known_tools)}"
                )
            if state == "on":
                self._check(self._session.model, [name])
            without = [each for each in self._session.tools if each != name]
            self._session.tools = [*without, name] if state == "on" else without
        listed = [
            f"{name} {'on' if name in self._session.tools else 'off'}" for name in self._known_tools
        ]
        await self._screen.say(", ".join(listed))

    async def _replay(self, words: tuple[str, ...]) -> None:
        try:
            number = int(words[0]) if words else None
            speed = float(words[1].removesuffix("x")) if len(words) > 1 else 1.0
        except ValueError:
            raise BadRequest("write /replay [N] [SPEED], both numbers") from None
        turn = recent(self._session.conversation.turns, number)
        if turn is None:
            said = len(self._session.conversation.turns)
            raise BadRequest(f"there is no such answer: {said or 'none'} in this chat")
        self._session.replay(turn, speed)
        self._screen.follow()

    async def _new(self) -> None:
        if self._renew is None:
            raise BadRequest("this chat has a file of its own: start rxstream chat again")
        await self._screen.open(await self._renew().__aenter__())
        await self._screen.say("a new chat; the one before is kept (rxstream chat --resume)")
