"""The widgets of a chat's screen: each shows one part of a turn and takes in what is new of it with `sync`.

What grows is plain text of which only new lines are laid out; Markdown is drawn once, when a block is over.
Must not know engines or logs.
"""

from __future__ import annotations

from typing import Final

from rich.segment import Segment
from rich.text import Text as RichText
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from rxstream.adapters.terminal.chat.blocks import OUTPUT_KEPT, Block, Call, Note, Text
from rxstream.adapters.terminal.chat.drawing import (
    AnswerMarkdown,
    call_line,
    result_line,
    thought_line,
)
from rxstream.adapters.terminal.chat.lines import Lines
from rxstream.adapters.terminal.chat.paragraphs import Paragraphs
from rxstream.adapters.terminal.chat.turn import Turn
from rxstream.adapters.terminal.text import duration, one_line, printable

_OUTPUT_LINES: Final = 8
"""Lines of a tool's output that are shown while it is folded."""


class Growing(Widget):
    """Plain text that grows at its end."""

    DEFAULT_CSS = "Growing { height: auto; width: 1fr; }"

    def __init__(self, *, last: int | None = None, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self.last = last
        """How many lines are shown, the last ones; None is all."""
        self._lines = Lines()

    @property
    def length(self) -> int:
        """Characters it was given."""
        return self._lines.length

    def append(self, text: str) -> None:
        """More text."""
        self._lines.append(text)
        self.refresh(layout=True)

    def replace(self, text: str) -> None:
        """Another text."""
        self._lines = Lines(self._lines.width)
        self.append(text)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        if width and width != self._lines.width:
            self._lines.lay_out(width)
        count = len(self._lines)
        return count if self.last is None else min(count, self.last)

    def render_line(self, y: int) -> Strip:
        first = 0 if self.last is None else max(0, len(self._lines) - self.last)
        return _strip([Segment(self._lines[first + y], self.rich_style)], self)


def _strip(segments: list[Segment], widget: Widget) -> Strip:
    return Strip(segments).adjust_cell_length(widget.size.width, widget.rich_style)


class AnswerView(Widget):
    """The model's text: blocks that are over as Markdown, the one that grows as it came.

    One widget of lines, however long the answer is: what is drawn is kept as text with its looks.
    """

    DEFAULT_CSS = "AnswerView { height: auto; width: 1fr; margin-bottom: 1; }"

    def __init__(self, block: Text) -> None:
        super().__init__()
        self._block = block
        self._paragraphs = Paragraphs()
        self._seen = 0
        self._version = -1
        self._over: list[str] = []
        """The blocks that are over."""
        self._drawn: list[list[Segment]] = []
        """Their lines, with an empty one behind each block."""
        self._tail = Lines()

    @property
    def growing(self) -> bool:
        """Whether some of it is plain text."""
        return self._tail.length > 0

    async def sync(self) -> None:
        """Take in what is new."""
        if self._version == self._block.version:
            return
        self._version = self._block.version
        fresh = self._block.text[self._seen :]
        self._seen += len(fresh)
        over = self._paragraphs.feed(fresh)
        if self._block.finished:
            over.append(self._paragraphs.end())
        before = self._height
        if over:
            for text in over:
                if text.strip():
                    self._over.append(text.strip("\n"))
                    self._draw(self._over[-1])
            self._tail = Lines(self._tail.width)
            fresh = self._paragraphs.tail.lstrip("\n")
        changed = len(self._drawn) + self._tail.append(fresh if self.growing else fresh.lstrip())
        if over or self._height != before:
            self.refresh(layout=True)
        else:
            # no taller: of the screen only these lines are drawn again
            self.refresh(Region(0, changed, self.size.width, self._height - changed + 1))

    def _draw(self, text: str) -> None:
        """Lay a block out for good, once the width is known."""
        width = self._tail.width
        if width:
            options = self.app.console.options.update_width(width)
            lines = self.app.console.render_lines(AnswerMarkdown(text), options, pad=False)
            self._drawn += [list(Segment.simplify(line)) for line in lines]
            self._drawn.append([])

    @property
    def _height(self) -> int:
        if self.growing:
            return len(self._drawn) + len(self._tail)
        return max(len(self._drawn) - 1, 1)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        if width and width != self._tail.width:
            self._tail.lay_out(width)
            self._drawn = []
            for text in self._over:
                self._draw(text)
        return self._height

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        if y < len(self._drawn):
            return _strip(list(Segment.apply_style(self._drawn[y], base)), self)
        return _strip([Segment(self._tail[y - len(self._drawn)], base)], self)


class ThoughtView(Vertical):
    """What the model thinks: seen while it does, then folded to a line."""

    DEFAULT_CSS = """
    ThoughtView { height: auto; margin-bottom: 1; }
    ThoughtView > Static { height: 1; }
    ThoughtView > Growing { color: $text-muted; text-style: italic; padding-left: 2; }
    """

    def __init__(self, block: Text) -> None:
        super().__init__()
        self._block = block
        self._seen = 0
        self._version = -1
        self._head = Static()
        self._body = Growing(last=_OUTPUT_LINES)
        self.unfolded: bool | None = None
        """Whether a person wants to see it; None is as it comes."""

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._body

    async def sync(self) -> None:
        """Take in what is new."""
        if self._version == self._block.version:
            return
        self._version = self._block.version
        if fresh := self._block.text[self._seen :]:
            begins = not self._seen
            self._seen += len(fresh)
            self._body.append(fresh)
            if not begins and not self._block.finished:
                return
        self._fold()

    def _fold(self) -> None:
        block = self._block
        shown = self.unfolded if self.unfolded is not None else not block.finished
        self._body.last = None if self.unfolded else _OUTPUT_LINES
        self._body.display = shown
        self._body.refresh(layout=True)
        if block.finished:
            self._head.update(thought_line(block.seconds, block.length, shown))
        else:
            self._head.update(RichText("thinking", "dim italic"))

    def unfold(self, wanted: bool) -> None:
        """Show all of it, or a line."""
        self.unfolded = wanted
        self._fold()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.unfold(not self._body.display)


class CallView(Vertical):
    """A call of a tool: a line with how it goes, the end of its output, what it gave."""

    DEFAULT_CSS = """
    CallView { height: auto; margin-bottom: 1; border-left: outer $primary-muted; padding-left: 1; }
    CallView > Static { height: auto; }
    CallView > Growing { color: $text-muted; padding-left: 2; }
    """

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call
        self._version = -1
        self._seen = 0
        self._spin = 0
        self._head = Static()
        self._body = Growing(last=_OUTPUT_LINES)
        self._result = Static()
        self._unfolded = False

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._body
        yield self._result

    async def sync(self) -> None:
        """Take in what is new."""
        call = self.call
        if self._version == call.version:
            return
        self._version = call.version
        said = call.left_out + len(call.output)
        if said > self._seen:
            beyond = said - self._seen
            if beyond >= len(call.output) or self._body.length > 2 * OUTPUT_KEPT:
                self._body.replace(call.output)
            else:
                self._body.append(call.output[-beyond:])
            self._seen = said
        self._draw()

    def _draw(self) -> None:
        width = max(self.size.width - 2, 20) if self.size.width else 78
        self._head.update(call_line(self.call, self._spin, width))
        self._body.display = bool(self._seen)
        # of what was seen coming, only how it failed is told again
        failed = self.call.state == "failed" and not self.call.outcome
        unseen = not self._seen and self.call.state != "cancelled"
        told = bool(self.call.result) and (unseen or failed)
        self._result.display = told or (self._unfolded and bool(self.call.result))
        if self._result.display:
            line = result_line(self.call, 4_000 if self._unfolded else width - 2)
            self._result.update(RichText("  ") + line)

    def spin(self) -> None:
        """A moment has passed."""
        if self.call.state == "running":
            self._spin += 1
            line = call_line(self.call, self._spin, max(self.size.width - 2, 20))
            self._head.update(line, layout=False)

    def unfold(self, wanted: bool) -> None:
        """Show all that is kept of it, or the end."""
        self._unfolded = wanted
        self._body.last = None if wanted else _OUTPUT_LINES
        self._body.refresh(layout=True)
        self._draw()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.unfold(not self._unfolded)

    def on_resize(self) -> None:
        self._draw()


class NoteView(Static):
    """A remark on a line."""

    DEFAULT_CSS = """
    NoteView { height: auto; margin-bottom: 1; color: $text-muted; }
    NoteView.error { color: $text-error; }
    NoteView.user { color: $text-accent; }
    """

    def __init__(self, note: Note) -> None:
        mark = {"error": "✗ ", "info": "· ", "user": "› "}[note.kind]
        super().__init__(RichText(mark + printable(note.text).strip()), classes=note.kind)

    async def sync(self) -> None:
        """Remarks do not change."""


class TurnView(Vertical):
    """A question and its answer."""

    DEFAULT_CSS = """
    TurnView { height: auto; padding: 0 1; }
    TurnView > .question {
        height: auto; margin: 0 0 1 0; padding: 0 1; background: $boost;
        border-left: outer $accent; color: $foreground;
    }
    TurnView > .ending { height: auto; margin-bottom: 1; color: $text-muted; }
    TurnView > .failed { color: $text-error; }
    """

    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self.turn = turn
        self._version = -1
        self._views: dict[int, AnswerView | ThoughtView | CallView | NoteView] = {}
        self._ended = False

    def compose(self) -> ComposeResult:
        again = "again: " if self.turn.replayed else ""
        yield Static(RichText(again + printable(self.turn.question).strip()), classes="question")

    async def sync(self) -> None:
        """Take in what is new."""
        if self._version == self.turn.version:
            return
        self._version = self.turn.version
        kept = {id(block) for block in self.turn.blocks}
        for key in [key for key in self._views if key not in kept]:
            await self._views.pop(key).remove()
        for block in self.turn.blocks:
            view = self._views.get(id(block))
            if view is None:
                view = self._views[id(block)] = _view(block)
                await self.mount(view)
            await view.sync()
        if self.turn.ended and not self._ended:
            self._ended = True
            await self.mount(_ending(self.turn))

    def spin(self) -> None:
        """A moment has passed."""
        for view in self._views.values():
            if isinstance(view, CallView):
                view.spin()

    def unfold(self, wanted: bool) -> None:
        """Show thoughts and tools as a whole, or folded."""
        for view in self._views.values():
            if isinstance(view, ThoughtView | CallView):
                view.unfold(wanted)


def _view(block: Block) -> AnswerView | ThoughtView | CallView | NoteView:
    if isinstance(block, Call):
        return CallView(block)
    if isinstance(block, Note):
        return NoteView(block)
    return AnswerView(block) if block.kind == "text" else ThoughtView(block)


def _ending(turn: Turn) -> Static:
    if turn.status == "failed":
        return Static(RichText(f"✗ {one_line(turn.error or 'it failed')}"), classes="ending failed")
    said = [{"cancelled": "stopped", "interrupted": "broke off"}.get(turn.status, "")]
    if turn.tokens:
        said.append(f"{'' if turn.exact else '~'}{turn.tokens:,} tokens")
        if turn.tokens_per_second:
            said.append(f"{turn.tokens_per_second:.0f}/s")
    if turn.seconds is not None:
        said.append(duration(turn.seconds))
    return Static(RichText(" · ".join(filter(None, said)), "dim"), classes="ending")
