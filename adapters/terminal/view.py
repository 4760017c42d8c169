"""Draws a run: a pure function of its state, the time and the size of the screen.

It never draws more lines than the screen has, because a live region that scrolls cannot be redrawn. Must
not know where events come from.
"""

from __future__ import annotations

from typing import Any, Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rxstream.adapters.terminal.calls import CallView
from rxstream.adapters.terminal.state import RunState, StepView
from rxstream.adapters.terminal.text import brief, duration, left_over, one_line, printable

_MARKS: Final = {
    "waiting": Text("○", "dim"),
    "running": Text("●", "cyan"),
    "completed": Text("✓", "green"),
    "failed": Text("✗", "red"),
}

_LEFT: Final = Text("–", "dim")
"""The run ended while the node had not."""

_STATUS_STYLE: Final = {
    "completed": "bold green",
    "failed": "bold red",
    "interrupted": "bold red",
    "cancelled": "bold yellow",
}

_TEXT_LINES: Final = 6
_TEXT_PANELS: Final = 2
_OUTPUT_LINES: Final = 3
_CALL_LINES: Final = 3
"""Lines of the output of a call that runs."""

_CALL_MARKS: Final = {
    "running": Text("●", "cyan"),
    "done": Text("✓", "green"),
    "failed": Text("✗", "red"),
    "cancelled": Text("–", "yellow"),
}

_CHANNELS: Final = {"stderr": "yellow"}


def render(state: RunState, *, now: float, width: int = 80, height: int = 24) -> RenderableType:
    """The whole picture, at most `height - 1` lines."""
    room = max(height - 1, 1)
    parts: list[RenderableType] = [_headline(state, now)]
    room -= 1
    panels = _panels(state, width, room)
    outputs = _outputs(state, width, now)
    room -= sum(lines for _, lines in panels)
    nodes = list(state.nodes.values())
    # a few outputs are worth more than the last of many nodes
    listed = max(min(len(nodes), room - 1 - min(len(outputs), _OUTPUT_LINES)), 0)
    if nodes and listed:
        hidden = len(nodes) - listed
        if hidden:
            listed -= 1
            hidden += 1
        shown = sorted(nodes, key=_quiet)[:listed] if hidden else nodes
        parts.append(_table(shown, now if not state.ended else None))
        room -= len(shown) + 1
        if hidden:
            parts.append(Text(f"  … and {hidden} more nodes", "dim"))
            room -= 1
    parts += outputs[-room:] if room > 0 else []
    parts += [panel for panel, _ in panels]
    return Group(*parts)


def _quiet(node: StepView) -> int:
    """Which nodes are left out first, where not all can be shown."""
    if node.state == "completed":
        return 2
    return 0 if node.count or node.progress or node.error else 1


def _headline(state: RunState, now: float) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(one_line(state.graph, 60) or "…", "bold")
    line.append(f"  {one_line(state.execution_id, 60)}  ", "dim")
    line.append(state.status, _STATUS_STYLE.get(state.status, "bold cyan"))
    line.append(f"  {duration(state.elapsed(now))}")
    if state.missed:
        line.append(f"  {state.missed:,} earlier events are gone", "yellow")
    problem = (state.error or {}).get("message") or state.reason
    if problem:
        line.append(f"  {one_line(str(problem), 300)}", "red")
    return line


def _table(nodes: list[StepView], now: float | None) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim", expand=False)
    table.add_column("", width=1)
    table.add_column("node", no_wrap=True, max_width=32, overflow="ellipsis")
    table.add_column("elements", justify="right", no_wrap=True)
    table.add_column("rate", justify="right", no_wrap=True)
    table.add_column("", width=20, no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis", ratio=1)
    for node in nodes:
        table.add_row(
            _LEFT if now is None and node.state in ("waiting", "running") else _MARKS[node.state],
            Text(one_line(node.id, 100)),
            Text(f"{node.count:,}" if node.count else "", "cyan"),
            Text(_rate(node, now), "dim"),
            _bar(node),
            _remark(node, now),
        )
    return table


def _rate(node: StepView, now: float | None) -> str:
    """Live: over the last seconds. Afterwards: over the whole run of the node."""
    if now is not None and node.state == "running":
        rate = node.rate.at(now)
    elif node.duration_ms and node.count:
        rate = node.count / (node.duration_ms / 1_000)
    else:
        return ""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s" if rate else ""


def _bar(node: StepView) -> RenderableType:
    progress = node.progress
    if progress is None or progress.percentage is None:
        return Text("")
    return ProgressBar(total=100, completed=min(max(progress.percentage, 0), 100), width=20)


def _remark(node: StepView, now: float | None) -> Text:
    if node.asks:
        return Text(one_line(f"asks: {next(iter(node.asks.values()))}", 300), "yellow")
    error = Text(one_line(node.error or "", 300), "red")
    if node.progress is None or node.state == "failed":
        return error
    known = node.progress.percentage
    left = node.left.at(now) if now is not None and node.state == "running" else None
    words = [
        f"{known:.0f} %" if known is not None else "",
        f"{left_over(left)} left" if left is not None else "",
        node.progress.message or "",
    ]
    said = Text(one_line(" ".join(word for word in words if word), 300), "dim")
    return Text("  ").join([said, error]) if said and error else said or error


def _panels(state: RunState, width: int, room: int) -> list[tuple[Panel, int]]:
    """The ends of the newest texts, with the lines each takes."""
    speaking = [node for node in state.nodes.values() if node.text][-_TEXT_PANELS:]
    panels = []
    for node in speaking:
        lines = min(_TEXT_LINES, room // 2 - 2)
        if lines < 1:
            break
        text = Text("\n").join(_wrapped(node.text.rstrip(), max(width - 4, 10))[-lines:])
        title = Text(one_line(node.id, 40))
        panels.append((Panel(text, title=title, title_align="left", border_style="dim"), lines + 2))
        room -= lines + 2
    return panels


def _wrapped(text: str, width: int) -> list[Text]:
    lines: list[Text] = []
    for line in printable(text).expandtabs(4).split("\n"):
        while len(line) > width:
            cut = line.rfind(" ", width // 2, width + 1)
            cut = width if cut < 0 else cut
            lines.append(Text(line[:cut], no_wrap=True, overflow="crop"))
            line = line[cut:].lstrip(" ")
        lines.append(Text(line, no_wrap=True, overflow="crop"))
    return lines


def _outputs(state: RunState, width: int, now: float) -> list[RenderableType]:
    """A line for each of the last outputs, and what runs with the end of what it says."""
    rows: list[RenderableType] = []
    for node, data in state.recent:
        rows.append(_call(data, now) if isinstance(data, CallView) else _output(node, data, width))
    for call in state.calls:
        rows.append(_call(call, now))
        rows += [_said(channel, line) for channel, line in list(call.lines)[-_CALL_LINES:]]
    return rows


def _output(node: str, data: Any, width: int) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"  {one_line(node, 32)} ", "dim")
    kind = data.get("type") if isinstance(data, dict) else None
    if kind == "message":
        line.append(f"← {brief(data.get('content'), max(width, 20))}", "cyan")
    elif kind == "error":
        line.append(f"✗ {brief(data.get('message'), max(width, 20))}", "red")
    else:
        line.append(brief(data, max(width, 20)))
    return line


def _call(call: CallView, now: float) -> Text:
    """One call on one line: how it stands, what it was asked, what came of it, how long it took."""
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"  {one_line(call.node, 32)} ", "dim")
    line.append_text(_CALL_MARKS[call.state])
    line.append(f" {one_line(call.name, 40)}", "bold")
    if call.asked:
        line.append(f" {one_line(call.asked, 48)}", "dim")
    known = "" if call.percentage is None else f"{call.percentage:.0f} %"
    words = [known, call.doing] if call.state == "running" else [call.gave]
    if said := one_line(" ".join(word for word in words if word), 200):
        line.append(f"  {said}", "red" if call.state == "failed" else "")
    spent = call.seconds(now)
    if spent is not None:
        line.append(f"  {duration(spent)}", "dim")
    return line


def _said(channel: str, said: str) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append("    │ ", "dim")
    line.append(one_line(said, 300), _CHANNELS.get(channel, ""))
    return line
