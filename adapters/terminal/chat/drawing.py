"""How the parts of an answer look: Markdown, a call, a status, as rich texts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

import orjson
from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Heading, Markdown, MarkdownElement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text as RichText
from rich.theme import Theme

from rxstream.adapters.terminal.chat.blocks import Call
from rxstream.adapters.terminal.text import duration, one_line, printable

SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

_MARKS: Final = {"waiting": "◦", "done": "✓", "failed": "✗", "cancelled": "–"}
_STYLES: Final = {"waiting": "dim", "done": "green", "failed": "red", "cancelled": "yellow"}
_BAR: Final = 12


class _LeftHeading(Heading):
    """A heading at the margin: a chat is no page."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        self.text.stylize("bold underline" if self.tag == "h1" else "bold")
        yield self.text


class _Markdown(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _LeftHeading,
    }


_LOOKS: Final = Theme(
    {
        "markdown.block_quote": "italic",
        "markdown.code": "bold cyan",
        "markdown.link": "cyan",
        "markdown.link_url": "dim underline",
        "markdown.item.number": "cyan",
        "markdown.item.bullet": "cyan",
    }
)


class AnswerMarkdown:
    """Markdown of a model: nothing in it acts on the terminal, and addresses are shown as they are.

    Without the empty lines that a page would have around it.
    """

    def __init__(self, text: str) -> None:
        self._markdown = _Markdown(printable(text), code_theme="ansi_dark", hyperlinks=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with console.use_theme(_LOOKS):
            # not cut to a height: what is cut off would be lines, what is left out are empty ones
            lines = console.render_lines(self._markdown, options.reset_height(), pad=False)
        seen = [any(segment.text.strip() for segment in line) for line in lines]
        first = seen.index(True) if True in seen else len(lines)
        last = len(lines) - seen[::-1].index(True) if True in seen else 0
        for line in lines[first:last]:
            yield from line
            yield Segment.line()


def wrapped(line: str, width: int) -> list[str]:
    """A line as it is shown in so many cells, broken between words where it can be."""
    lines: list[str] = []
    while line and cell_len(line) > width:
        # no character is wider than two cells, and few are narrower than one
        head = chop_cells(line[: 2 * width], width)[0] or line[0]
        space = head.rfind(" ")
        if len(head) < len(line) and line[len(head)] != " " and space > width // 3:
            head = head[:space]
        lines.append(head)
        line = line[len(head) :].lstrip(" ")
    lines.append(line)
    return lines


def call_line(call: Call, spin: int, width: int) -> RichText:
    """A call on one line: how it goes, its name, what it was asked, how it stands, which always fits."""
    line = RichText(no_wrap=True, overflow="ellipsis")
    if call.state == "running":
        line.append(f"{SPINNER[spin % len(SPINNER)]} ", "cyan")
    else:
        line.append(f"{_MARKS[call.state]} ", _STYLES[call.state])
    line.append(one_line(call.name, 60), "bold")
    line.append(f" {asked_for(call.arguments)}", "dim")
    tail = _how_it_stands(call)
    line.truncate(max(width - tail.cell_len, 10), overflow="ellipsis")
    line.append_text(tail)
    return line


def _how_it_stands(call: Call) -> RichText:
    tail = RichText()
    if call.state == "running":
        if call.percentage is not None:
            full = round(_BAR * min(max(call.percentage, 0.0), 100.0) / 100)
            tail.append(f"  {'━' * full}", "cyan")
            tail.append("━" * (_BAR - full), "dim")
            tail.append(f" {call.percentage:.0f} %", "cyan")
        if call.message:
            tail.append(f"  {one_line(call.message, 40)}", "dim")
        return tail
    said = {"waiting": f"waits for {call.waits_for}", "cancelled": "stopped"}.get(call.state, "")
    if said := one_line(said or call.outcome, 60):
        tail.append(f"  {said}", "red" if call.outcome else "yellow")
    return tail


def asked_for(arguments: Any) -> str:
    """Arguments as `name=value …`; one that stands alone needs no name."""
    if not isinstance(arguments, dict):
        return one_line(str(arguments), 200)
    if len(arguments) == 1:
        return one_line(_value(next(iter(arguments.values()))), 200)
    return one_line(" ".join(f"{name}={_value(value)}" for name, value in arguments.items()), 200)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def result_line(call: Call, width: int) -> RichText:
    """What a call gave, on one line."""
    return RichText(
        one_line(call.result[: 4 * width], max(width, 10)),
        "red" if call.state == "failed" else "dim",
    )


def thought_line(seconds: float, characters: int, unfolded: bool) -> RichText:
    """What is left to see of thoughts that are folded."""
    mark = "▾" if unfolded else "▸"
    took = f" for {duration(seconds)}" if seconds >= 0.1 else ""
    return RichText(f"{mark} thought{took}, {characters:,} characters", "dim italic")


def two_columns(rows: Iterable[tuple[str, str]]) -> Table:
    """What may be typed, and what it does."""
    table = Table.grid(padding=(0, 2))
    for name, what in rows:
        table.add_row(RichText(name, "bold cyan"), RichText(what))
    return table
