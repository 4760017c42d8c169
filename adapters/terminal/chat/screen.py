"""The chat on a terminal.

What comes is taken into the session's turns at once and drawn at most twenty times a second, so that a quick
model costs no more than a slow one. Keys and commands end in the session; an error is a line, never the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Final

from rich.text import Text as RichText
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.timer import Timer
from textual.widgets import Static

from rxstream.adapters.terminal.chat import commands
from rxstream.adapters.terminal.chat.blocks import Request
from rxstream.adapters.terminal.chat.deeds import Deeds
from rxstream.adapters.terminal.chat.drawing import SPINNER
from rxstream.adapters.terminal.chat.history import History
from rxstream.adapters.terminal.chat.prompt import Prompt
from rxstream.adapters.terminal.chat.questions import Choice, how_to_answer, value_of
from rxstream.adapters.terminal.chat.session import Session
from rxstream.adapters.terminal.chat.turn import Turn
from rxstream.adapters.terminal.chat.widgets import TurnView
from rxstream.adapters.terminal.text import one_line, printable
from rxstream.errors import BadRequest, InvalidParameters, RxStreamError

DRAW_S: Final = 0.05
"""Seconds between two drawings while something changes."""

SHOWN_TURNS: Final = 40
"""Turns on the screen; older ones are in the chat and not drawn."""

SEEN_S: Final = 0.5
"""Seconds a question has been there before a single key answers it."""

_SPIN_S: Final = 0.1
_TWICE_S: Final = 2.0
"""Seconds within which a second Ctrl-C leaves."""

_ASK: Final = "Ask something"


class Line(Static):
    """What the program itself says."""

    DEFAULT_CSS = """
    Line { height: auto; padding: 0 1; margin: 0 1 1 1; color: $text-muted; }
    Line.error { color: $text-error; }
    """


class ChatScreen(App[None]):
    """The whole application; its result is None, whichever way it ends."""

    CSS = """
    Screen { background: $background; }
    #talk { scrollbar-size-vertical: 1; padding-top: 1; }
    #talk { scrollbar-color: $surface-lighten-2; scrollbar-background: $background; }
    #request { height: auto; max-height: 50%; padding: 0 2; color: $text-warning; display: none; }
    #request > Static { height: auto; }
    #status { height: 1; padding: 0 2; color: $text-muted; }
    """
    TITLE = "rxstream chat"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", show=False, priority=True),
        Binding("ctrl+c", "stop_or_leave", show=False, priority=True),
        Binding("ctrl+q", "leave", show=False, priority=True),
        Binding("ctrl+t", "stop_tool", show=False, priority=True),
        Binding("ctrl+o", "unfold", show=False, priority=True),
        Binding("pageup", "scroll(-1)", show=False, priority=True),
        Binding("pagedown", "scroll(1)", show=False, priority=True),
    ]

    def __init__(
        self,
        session: Session,
        history: History,
        *,
        renew: Callable[[], Session] | None = None,
        known_tools: tuple[str, ...] = (),
        check: Callable[[str, Sequence[str]], None] = lambda model, tools: None,
    ) -> None:
        super().__init__()
        self.session = session
        self._history = history
        self._deeds = Deeds(self, renew, check, known_tools)
        self._views: list[TurnView] = []
        self._taken = 0
        """How many of the session's turns have been put on the screen."""
        self._drawing: Timer | None = None
        self._spinning: Timer | None = None
        self._spin = 0
        self._drawn_at = float("-inf")
        self._stale = True
        self._request: Request | None = None
        self._choice: Choice | None = None
        """Which of the calls under way is to be stopped; asked before anything else."""
        self._unfolded = False
        self._waiting: list[str] = []
        """Questions that come next."""
        self._interrupted_at = float("-inf")
        self._told = ""

    # -- life ----------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        talk = VerticalScroll(id="talk")
        talk.can_focus = False
        yield talk
        request = VerticalScroll(Static(), id="request")
        request.can_focus = False
        yield request
        yield Prompt(self._history)
        yield Static(id="status")

    async def on_mount(self) -> None:
        self._talk = self.query_one("#talk", VerticalScroll)
        self._prompt = self.query_one(Prompt)
        self._bar = self.query_one("#status", Static)
        self._panel = self.query_one("#request", VerticalScroll)
        self._prompt.placeholder = _ASK
        self._prompt.focus()
        self._talk.anchor()
        self.session.changed = self._changed
        self._spinning = self.set_interval(_SPIN_S, self._on_spin, pause=True)
        await self.say(f"{self.session.model} answers; /help tells what else can be typed")
        if self.session.unfinished is not None:
            await self.say("the last answer was not finished: going on with it")
            try:
                await self.session.go_on()
            except RxStreamError as error:
                await self.say(error.message, error=True)
        await self._draw()

    def _changed(self) -> None:
        """The session has changed: draw, soon."""
        self._stale = True
        if self._drawing is None and self.is_running:
            due = self._drawn_at + DRAW_S - time.monotonic()
            self._drawing = self.set_timer(max(due, 0.001), self._draw)

    async def _draw(self) -> None:
        if self._drawing is not None:
            self._drawing.stop()
            self._drawing = None
        if not self._stale or not self._talk.is_attached:
            return
        self._stale = False
        self._drawn_at = time.monotonic()
        with self.batch_update():
            fresh = self.session.shown[self._taken :]
            self._taken += len(fresh)
            if (earlier := len(fresh) - SHOWN_TURNS) > 0:
                await self.say(f"{earlier} earlier answers are not shown; /save FILE writes all")
            views = [TurnView(turn) for turn in fresh[-SHOWN_TURNS:]]
            self._views += views
            if views:
                await self._talk.mount_all(views)
            await self._forget()
            for view in self._views:
                await view.sync()
        self._ask_person()
        busy = self.session.turn is not None
        if self._spinning is not None:
            if busy:
                self._spinning.resume()
            else:
                self._spinning.pause()
                self._status()
        if not busy and self._waiting:
            self._ask(self._waiting.pop(0))

    async def _forget(self) -> None:
        if len(self._views) > SHOWN_TURNS:
            for view in self._views[:-SHOWN_TURNS]:
                await view.remove()
            self._views = self._views[-SHOWN_TURNS:]

    def _on_spin(self) -> None:
        self._spin += 1
        if self._views:
            self._views[-1].spin()
        self._status()

    def _status(self) -> None:
        turn = self.session.turn
        left = RichText(no_wrap=True)
        if turn is not None:
            left.append(f"{SPINNER[self._spin % len(SPINNER)]} ", "cyan")
            if self._request is not None:
                left.append("waits for your answer", "yellow")
            else:
                left.append(self._doing(turn))
                if turn.percentage is not None and turn.tokens == 0:
                    left.append(f" {turn.percentage:.0f} %", "cyan")
            left.append("  esc stops" if not turn.calls else "  esc or ctrl+t stops", "dim")
            if coming := len(turn.joining) + len(self._waiting):
                left.append(f"  {coming} next", "dim")
        elif self._told:
            left.append(self._told, "yellow")
        turns = self.session.conversation.turns
        counted = turn or (turns[-1] if turns else None)
        right: list[str] = []
        if counted is not None and counted.tokens_per_second:
            right.append(f"{counted.tokens_per_second:.0f} tokens/s")
        exact = all(each.exact or not each.tokens for each in turns)
        right.append(f"{'' if exact else '~'}{self.session.conversation.tokens:,} tokens")
        right.append(one_line(self.session.model, 40))
        if self.session.tools:
            count = len(self.session.tools)
            right.append("1 tool" if count == 1 else f"{count} tools")
        text = RichText(" · ".join(right), "dim", no_wrap=True)
        room = max(self.size.width - 4 - text.cell_len, 1)
        left.truncate(room, overflow="ellipsis", pad=True)
        self._bar.update(left + text, layout=False)

    def _doing(self, turn: Turn) -> str:
        if turn.replayed:
            return "replaying"
        if calls := [call.name for call in turn.calls if call.state == "running"]:
            return one_line(", ".join(dict.fromkeys(calls)), 60)
        return one_line(turn.doing, 60) or "answering"

    # -- what a person does --------------------------------------------------------------------

    async def on_prompt_sent(self, message: Prompt.Sent) -> None:
        """A question, an answer to one of the model's, or a command."""
        self._told = ""
        typed = commands.parse(message.text)
        if isinstance(typed, commands.Mistake):
            await self.say(typed.message, error=True)
        elif isinstance(typed, commands.Command):
            try:
                await self._deeds.do(typed)
            except RxStreamError as error:
                await self.say(error.message, error=True)
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                await self.say(f"{where}{error.strerror or error}", error=True)
        elif self._request is not None:
            await self._answer(self._request, value_of(self._request, typed))
        elif self.session.turn is None:
            self._ask(typed)
        elif not await self.session.send(typed):
            self._waiting.append(typed)
        self._changed()

    def on_prompt_left(self) -> None:
        """Ctrl-D where nothing is typed."""
        self.exit()

    async def on_prompt_keyed(self, message: Prompt.Keyed) -> None:
        """Yes or no, or which call."""
        if self._choice is not None:
            meant = self._choice.meant(message.key)
            self._choose(None)
            for call in meant:
                await self.session.stop_call(call)
        elif self._request is not None:
            await self._answer(self._request, message.key == "y")

    def _ask(self, question: str) -> None:
        try:
            self.session.ask(question)
        except BadRequest as error:
            self._told = error.message
        self._talk.anchor()
        self._changed()

    async def _answer(self, request: Request, value: Any) -> None:
        try:
            await self.session.answer(request.id, value)
        except InvalidParameters as error:
            why = f"{how_to_answer(request)} is wanted" if request.yes_or_no else error.message
            await self.say(f"that is no answer: {why}", error=True)
        except RxStreamError as error:
            await self.say(f"that is no answer: {error.message}", error=True)
        self._changed()

    def _ask_person(self) -> None:
        if self._choice is not None:
            if self._choice.open:
                self._show_choice(self._choice)
                return
            self._choose(None)
        turn = self.session.turn
        requests = [] if turn is None or turn.replayed else list(turn.requests.values())
        wanted = requests[0] if requests else None
        if wanted is self._request:
            return
        self._request = wanted
        self._panel.display = wanted is not None
        self._prompt.set_class(wanted is not None, "asked")
        self._prompt.keys = ""
        if wanted is None:
            self._prompt.placeholder = _ASK
            return
        self._panel.query_one(Static).update(RichText(f"? {printable(wanted.message)}"))
        self._panel.scroll_home(animate=False)
        self._prompt.placeholder = how_to_answer(wanted)
        # a y that was on its way when the question came is no answer to it
        self.set_timer(SEEN_S, partial(self._let_answer, wanted))
        self.bell()

    def _let_answer(self, request: Request) -> None:
        """A person has had time to see the question."""
        if self._request is request:
            self._prompt.keys = "yn" if request.yes_or_no else ""
            if self._panel.max_scroll_y:
                self._prompt.placeholder = f"{how_to_answer(request)}; PgDn shows the rest"

    def _choose(self, choice: Choice | None) -> None:
        """Ask which call is to be stopped, or no more."""
        self._choice = choice
        # what the model asks is shown anew
        self._request = None
        self._prompt.keys = ""
        self._prompt.placeholder = _ASK
        self._panel.display = False
        self._prompt.set_class(False, "asked")
        self._changed()

    def _show_choice(self, choice: Choice) -> None:
        self._panel.display = True
        self._prompt.set_class(True, "asked")
        self._panel.query_one(Static).update(RichText(printable(choice.message)))
        self._prompt.placeholder = "a key stops it, Esc none"
        self._prompt.keys = choice.keys

    # -- keys ----------------------------------------------------------------------------------

    def action_stop(self) -> None:
        """End the answer, keep what came; where a person chooses, choose nothing."""
        if self._choice is not None:
            self._choose(None)
            return
        # what was to come next is not lost
        turn = self.session.turn
        joining = [] if turn is None or turn.replayed else turn.joining
        if coming := [*joining, *self._waiting]:
            self._prompt.text = "\n".join([*coming, self._prompt.text]).strip()
            joining.clear()
            self._waiting.clear()
        self.session.cancel()
        self._changed()

    def action_stop_or_leave(self) -> None:
        """Ctrl-C: end the answer, or what is typed; twice: leave."""
        now = time.monotonic()
        if now - self._interrupted_at < _TWICE_S:
            self.exit()
            return
        self._interrupted_at = now
        if self.session.turn is None and self._prompt.text:
            self._prompt.text = ""
        self.action_stop()
        self._told = "Ctrl-C again leaves"
        self._changed()

    async def action_stop_tool(self) -> None:
        """End a tool at work, which if there are several; the model is told, and goes on."""
        calls = self.session.calls
        if not calls:
            self._told = "no tool is at work"
        elif len(calls) == 1:
            await self.session.stop_call(calls[0])
        else:
            self._choose(None if self._choice else Choice(calls))
        self._changed()

    def action_leave(self) -> None:
        """Leave at once."""
        self.exit()

    def action_unfold(self) -> None:
        """Show thoughts and tools as a whole, or folded."""
        self._unfolded = not self._unfolded
        for view in self._views:
            view.unfold(self._unfolded)

    def action_scroll(self, pages: int) -> None:
        """Scroll a question that is longer than its place, else what was said."""
        long = self._panel.display and self._panel.max_scroll_y
        scrolled = self._panel if long else self._talk
        if pages < 0:
            scrolled.scroll_page_up()
        else:
            scrolled.scroll_page_down()

    async def open(self, session: Session) -> None:
        """Close this chat and show another one, with the same model and tools."""
        before, self.session = self.session, session
        await before.__aexit__(None, None, None)
        session.model, session.tools = before.model, before.tools
        session.changed = self._changed
        self._taken = 0
        self._views.clear()
        await self._talk.remove_children()

    def follow(self) -> None:
        """Keep to the end of what is said."""
        self._talk.anchor()

    # -- what the program says -----------------------------------------------------------------

    async def say(self, text: str, *, error: bool = False) -> None:
        """Say a line among what was said."""
        mark = "✗ " if error else "· "
        await self.show(RichText(mark + one_line(text, 2_000)), "error" if error else None)

    async def show(self, what: Any, classes: str | None = None) -> None:
        """Show something among what was said."""
        await self._talk.mount(Line(what, classes=classes))
        self._talk.anchor()
