"""A plan as one self-contained SVG: every node a card, every edge an arrow from left to right.

The picture carries its own colours for light and dark, refers to nothing outside itself or on its page,
and holds no script; whatever a name or an argument contains is shown as text. The same plan always gives
the same bytes. Colours are written as attributes, so that viewers without style sheets show them too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rxstream.graph import labels
from rxstream.graph.layers import Point
from rxstream.graph.layout import Box, Layout, lay_out

if TYPE_CHECKING:
    from rxstream.graph.plan import Node, Plan

MARGIN: Final = 16.0

_SANS: Final = "ui-sans-serif,system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
_MONO: Final = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"

_MONO_WIDTH: Final = 6.7
"""Pixels of a character of the small fixed-width text, rounded up."""
_SANS_WIDTH: Final = 8.3
"""Pixels of a character of an operator's name: the average one in a wide font."""

_TEXT_LEFT: Final = 46.0
_TEXT_RIGHT: Final = 14.0
_NARROWEST: Final = 132.0
_WIDEST: Final = 252.0
_HEAD: Final = 50.0
_ARGUMENTS: Final = 18.0
_OUTPUT: Final = 24.0

# Each colour on a light and on a dark background.
_COLOURS: Final[Mapping[str, tuple[str, str]]] = {
    "card": ("#ffffff", "#1c2128"),
    "border": ("#d1d9e0", "#3d444d"),
    "title": ("#1f2328", "#f0f6fc"),
    "quiet": ("#59636e", "#9198a1"),
    "line": ("#8c959f", "#6e7681"),
    "group": ("#f6f8fa", "#12171e"),
    "source": ("#1a7f37", "#3fb950"),
    "source-tint": ("#dafbe1", "#12321c"),
    "operator": ("#0969da", "#58a6ff"),
    "operator-tint": ("#ddf4ff", "#122d4b"),
    "sink": ("#bc4c00", "#f0883e"),
    "sink-tint": ("#fff1e5", "#3d2410"),
    "output": ("#8250df", "#bc8cff"),
    "output-tint": ("#fbefff", "#2a1d40"),
}

# Drawn in a tile of 24 pixels.
_ICONS: Final[Mapping[str, str]] = {
    "source": '<path d="M9 7.2v9.6l7.6-4.8z" {fill}/>',
    "operator": '<path d="M6.5 8.5h4l3 7h4M6.5 15.5h4l3-7h4" {stroke}/>',
    "sink": '<path d="M12 6v7.5m-3.2-3L12 13.7l3.2-3.2M6.8 15v2.6h10.4V15" {stroke}/>',
}


@dataclass(frozen=True, slots=True)
class _Card:
    """The words on a node, cut to fit, and the height they need."""

    node: Node
    title: str
    name: str
    arguments: str
    output: str

    @property
    def height(self) -> float:
        return _HEAD + _ARGUMENTS * bool(self.arguments) + _OUTPUT * bool(self.output)

    @property
    def needed(self) -> float:
        """The width that nothing has to be cut at."""
        words = (self.name, self.arguments, self.output)
        text = max(_SANS_WIDTH * labels.width(self.title), *map(_mono_width, words))
        return _TEXT_LEFT + text + _TEXT_RIGHT


def svg(plan: Plan) -> str:
    """The plan as an SVG document that can stand in a page as it is."""
    published = labels.outputs(plan)
    cards = [_card(node, published.get(node.id)) for node in plan.nodes]
    wide = min(_WIDEST, max([_NARROWEST, *(card.needed for card in cards)]))
    layout = lay_out(
        {card.node.id: (wide, card.height) for card in cards},
        [(source, node.id) for node in plan.nodes for source in node.inputs],
        {node.id: labels.group(node.id) for node in plan.nodes},
    )
    body = "\n".join(_body(plan, cards, layout))
    name = "rx-" + hashlib.sha256(body.encode()).hexdigest()[:10]
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}" role="img" '
        f'aria-labelledby="{name}-title {name}-description" '
        f'width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="{_n(-MARGIN)} {_n(-MARGIN)} {_n(width)} {_n(height)}" '
        f'font-family="{_SANS}" font-size="13">\n'
        f'<title id="{name}-title">{escape(plan.name)}</title>\n'
        f'<desc id="{name}-description">{escape(_summary(plan))}</desc>\n'
        f"<style>{_style(name)}</style>\n"
        f"{body}\n</svg>\n"
    )


def escape(text: str) -> str:
    """The text for element content and for quoted attributes; parsing it gives back `labels.clean(text)`."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", labels.clean(text))


_SPECIAL: Final = re.compile("[&<>\"'\t\n\r\x85\u2028]")


def _summary(plan: Plan) -> str:
    counts = f"{len(plan.nodes)} nodes" if len(plan.nodes) != 1 else "1 node"
    names = ", ".join(f"{name} from {node}" for name, node in plan.outputs.items())
    said = [plan.description, f"A graph of {counts}.", names and f"Published: {names}."]
    return " ".join(part for part in said if part)


def _style(name: str) -> str:
    """The colours on a dark background; light ones are in the attributes."""
    rules = "".join(
        f"#{name} .f-{use}{{fill:{dark}}}#{name} .s-{use}{{stroke:{dark}}}"
        for use, (_, dark) in _COLOURS.items()
    )
    hover = f"#{name} .node:hover .s-border{{stroke:{_COLOURS['operator'][0]}}}"
    return f"{hover}@media(prefers-color-scheme:dark){{{rules}}}"


def _card(node: Node, names: Sequence[str] | None) -> _Card:
    room = int((_WIDEST - _TEXT_LEFT - _TEXT_RIGHT) / _MONO_WIDTH)
    title = labels.line(node.operator)
    output = "" if names is None else labels.line(", ".join(names) or "published")
    return _Card(
        node,
        labels.shorten(title, int((_WIDEST - _TEXT_LEFT - _TEXT_RIGHT) / _SANS_WIDTH)),
        labels.shorten(labels.line(labels.own_name(node.id)), room),
        labels.shorten(labels.arguments(node), room),
        labels.shorten(output, room),
    )


def _body(plan: Plan, cards: Sequence[_Card], layout: Layout) -> Iterator[str]:
    for path, box in layout.groups.items():
        yield from _group(path, box)
    yield f"<g {_paint(None, 'line', 1.5)}>"
    edges = [(source, node.id) for node in plan.nodes for source in node.inputs]
    for (source, target), route in zip(edges, layout.routes, strict=True):
        title = f"<title>{escape(f'{source} → {target}')}</title>"
        yield f'<path d="{_line(route)}">{title}</path>'
    yield f"</g><g {_paint('line')}>"
    yield f'<path d="{"".join(_arrowhead(route) for route in layout.routes)}"/>'
    yield "</g>"
    for card in cards:
        yield from _node(card, layout.boxes[card.node.id])


def _group(path: tuple[str, ...], box: Box) -> Iterator[str]:
    yield f'<g class="group"><title>{escape(".".join(path))}</title>'
    yield (
        f'<rect x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}" '
        f'rx="12" {_paint("group", "border", 1)} stroke-dasharray="5 4"/>'
    )
    room = int((box.width - 28) / _MONO_WIDTH)
    label = labels.shorten(labels.line(path[-1]), room)
    yield _text(box.x + 14, box.y + 21, label, "quiet", f'font-family="{_MONO}" font-size="11"')
    yield "</g>"


def _node(card: _Card, box: Box) -> Iterator[str]:
    kind = card.node.kind
    yield (
        f'<g class="node {kind}" data-node="{escape(card.node.id)}" '
        f'transform="translate({_n(box.x)} {_n(box.y)})">'
        f"<title>{escape(labels.details(card.node))}</title>"
    )
    size = f'width="{_n(box.width)}" height="{_n(box.height)}"'
    yield f'<rect {size} rx="9" {_paint("card", "border", 1)}/>'
    yield f'<rect x="11" y="13" width="24" height="24" rx="7" {_paint(f"{kind}-tint")}/>'
    icon = _ICONS[kind].format(
        fill=_paint(kind),
        stroke=f'{_paint(None, kind, 1.7)} stroke-linecap="round" stroke-linejoin="round"',
    )
    yield f'<g transform="translate(11 13)">{icon}</g>'
    small = f'font-family="{_MONO}" font-size="11"'
    yield _text(_TEXT_LEFT, 22, card.title, "title", 'font-weight="600"')
    yield _text(_TEXT_LEFT, 38, card.name, "quiet", small)
    y = _HEAD
    if card.arguments:
        yield _text(_TEXT_LEFT, y + 5, card.arguments, "quiet", small)
        y += _ARGUMENTS
    if card.output:
        wide = box.width - 1
        yield (
            f'<path d="M.5 {_n(y)}h{_n(wide)}v{_n(_OUTPUT - 9)}a8.5 8.5 0 0 1-8.5 8.5'
            f'h{_n(17 - wide)}a8.5 8.5 0 0 1-8.5-8.5z" {_paint("output-tint")}/>'
        )
        yield (
            f'<path d="M18 {_n(y + 12)}h9m-3.5-3.5 3.5 3.5-3.5 3.5" '
            f'{_paint(None, "output", 1.6)} stroke-linecap="round" stroke-linejoin="round"/>'
        )
        yield _text(_TEXT_LEFT, y + 16, card.output, "output", small)
    yield "</g>"


def _text(x: float, y: float, text: str, colour: str, more: str) -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" {more} {_paint(colour)}>{escape(text)}</text>'


def _paint(fill: str | None, stroke: str | None = None, width: float = 0) -> str:
    """The attributes that colour a shape, for either background."""
    classes = [f"f-{fill}"] * bool(fill) + [f"s-{stroke}"] * bool(stroke)
    colours = f'fill="{_COLOURS[fill][0] if fill else "none"}"'
    if stroke:
        colours += f' stroke="{_COLOURS[stroke][0]}" stroke-width="{_n(width)}"'
    return f'class="{" ".join(classes)}" {colours}'


def _line(route: Sequence[Point]) -> str:
    """The path through the points: straight where two are level or plumb, an S elsewhere."""
    (x, y), *rest = route
    path = [f"M{_n(x)} {_n(y)}"]
    for to_x, to_y in rest:
        if to_x == x or to_y == y:
            path.append(f"L{_n(to_x)} {_n(to_y)}")
        else:
            middle = _n((x + to_x) / 2)
            path.append(f"C{middle} {_n(y)} {middle} {_n(to_y)} {_n(to_x)} {_n(to_y)}")
        x, y = to_x, to_y
    return "".join(path)


def _arrowhead(route: Sequence[Point]) -> str:
    (before, _), (x, y) = route[-2:]
    if before == x:
        return f"M{_n(x)} {_n(y)}l-4-8h8z"
    return f"M{_n(x)} {_n(y)}l-8-4v8z"


def _mono_width(text: str) -> float:
    return _MONO_WIDTH * labels.width(text)


def _n(number: float) -> str:
    """A coordinate: a tenth of a pixel is enough."""
    return f"{round(number, 1) + 0.0:g}"
