"""A plan's picture shows every node once, everything as text, and is the same every time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxstream.graph import labels
from rxstream.graph.draw import escape, svg
from rxstream.graph.plan import Node, NodeKind, Plan
from tests.graph.plans import anything, calmly, plans

SVG = "{http://www.w3.org/2000/svg}"
KINDS: list[NodeKind] = ["source", "operator", "sink"]


def node(
    id: str, operator: str, *inputs: str, kind: NodeKind = "operator", **arguments: object
) -> Node:
    return Node(id, operator, kind, inputs, arguments, where="app.py:7")


def drawn(*nodes: Node, **outputs: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg(Plan("errors", nodes, outputs)))


def cards(picture: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {g.attrib["data-node"]: g for g in picture.iter(f"{SVG}g") if "data-node" in g.attrib}


def words(card: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in card.iter(f"{SVG}text")]


@calmly
@given(plans())
def test_every_node_is_drawn_once_and_every_edge_is_named(plan: Plan) -> None:
    picture = ElementTree.fromstring(svg(plan).encode())
    nodes = [g.attrib["data-node"] for g in picture.iter(f"{SVG}g") if "data-node" in g.attrib]
    assert nodes == [labels.clean(node.id) for node in plan.nodes]
    edges = [path[0].text for path in picture.iter(f"{SVG}path") if len(path)]
    assert edges == [
        labels.clean(f"{source} → {node.id}") for node in plan.nodes for source in node.inputs
    ]


@calmly
@given(plans())
def test_no_text_becomes_markup(plan: Plan) -> None:
    picture = ElementTree.fromstring(svg(plan).encode())
    allowed = {"svg", "title", "desc", "style", "g", "path", "rect", "text"}
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} <= allowed
    attributes = {name for element in picture.iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on") or "href" in name]


@calmly
@given(anything)
def test_text_comes_back_from_content_and_attributes(text: str) -> None:
    element = ElementTree.fromstring(f'<a b="{escape(text)}">{escape(text)}</a>'.encode())
    assert element.attrib["b"] == (element.text or "") == labels.clean(text)


@calmly
@given(plans())
def test_the_same_plan_gives_the_same_bytes(plan: Plan) -> None:
    assert svg(plan) == svg(plan)


@calmly
@given(anything, st.integers(1, 40))
def test_labels_are_one_line_no_wider_than_told(text: str, columns: int) -> None:
    label = labels.shorten(labels.line(text), columns)
    assert labels.width(label) <= columns
    assert not re.search(r"[\x00-\x1f\x7f\u202e]", label)


def test_wide_and_combining_characters_take_the_room_they_take() -> None:
    assert labels.width("日本") == 4
    assert labels.width("e\u0301") == 1
    assert labels.shorten("日本語日本語", 6) == "日本…"


def test_a_card_says_operator_id_arguments_and_output() -> None:
    picture = drawn(
        node("lines", "tail", kind="source", path="app.log"),
        node("bad", "filter", "lines", predicate="is_error"),
        errors="bad",
    )
    assert words(cards(picture)["lines"]) == ["tail", "lines", "app.log"]
    assert words(cards(picture)["bad"]) == ["filter", "bad", "is_error", "errors"]


def test_several_arguments_are_named_and_shortened() -> None:
    picture = drawn(node("x", "tail", path="/var/log/app.log", encoding="utf-8", chunk=4096))
    shown = words(cards(picture)["x"])[2]
    assert shown.startswith("path=/var/log/app.log")
    assert shown.endswith("…")


def test_the_tooltip_says_everything_and_where() -> None:
    picture = drawn(node("x", "buffer", count=3, text="a" * 300))
    title = cards(picture)["x"].findtext(f"{SVG}title")
    assert title == f"buffer · x\ncount = 3\ntext = {'a' * 300}\napp.py:7"


def test_a_published_node_without_a_name_says_so() -> None:
    picture = drawn(Node("x", "map", "operator", published=True))
    assert words(cards(picture)["x"])[-1] == "published"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_told_by_colour_and_sign(kind: NodeKind) -> None:
    card = cards(drawn(node("x", "map", kind=kind)))["x"]
    signs = [path.attrib["d"] for path in card.iter(f"{SVG}path")]
    assert card.attrib["class"] == f"node {kind}"
    assert any(f"-{kind}" in part.attrib.get("class", "") for part in card.iter(f"{SVG}path"))
    others = [cards(drawn(node("x", "map", kind=k)))["x"] for k in KINDS if k != kind]
    assert all(signs != [path.attrib["d"] for path in other.iter(f"{SVG}path")] for other in others)


def test_a_nested_graph_has_a_frame_with_its_name() -> None:
    picture = drawn(
        node("s", "range", kind="source"),
        node("outer.inner.a", "map", "s"),
        node("outer.b", "map", "outer.inner.a"),
        node("t", "jsonl", "outer.b", kind="sink"),
    )
    groups = [g for g in picture.iter(f"{SVG}g") if g.attrib.get("class") == "group"]
    assert [group.findtext(f"{SVG}title") for group in groups] == ["outer", "outer.inner"]
    assert [words(group) for group in groups] == [["outer"], ["inner"]]
    assert words(cards(picture)["outer.inner.a"]) == ["map", "a"]


def test_a_folded_chain_has_arrows_that_point_down() -> None:
    chain = [node("n0", "range", kind="source")]
    chain += [node(f"n{index}", "map", f"n{index - 1}") for index in range(1, 12)]
    picture = svg(Plan("chain", tuple(chain), {}))
    assert picture.count("l-4-8h8z") == 9
    assert picture.count("l-8-4v8z") == 2


def test_two_pictures_on_one_page_do_not_touch_each_other() -> None:
    one, other = (drawn(node(name, "map")) for name in ("x", "y"))
    assert one.attrib["id"] != other.attrib["id"]
    for picture in (one, other):
        style = picture.findtext(f"{SVG}style") or ""
        selectors = re.findall(r"(?:^|[{}])([^{}@]+)\{", style)
        assert selectors
        assert all(selector.startswith(f"#{picture.attrib['id']} ") for selector in selectors)
        ids = [e.attrib["id"] for e in picture.iter() if "id" in e.attrib]
        assert all(found.startswith(picture.attrib["id"]) for found in ids)


def test_what_is_drawn_has_a_colour_for_a_dark_background() -> None:
    picture = drawn(node("s", "range", kind="source"), node("a.b", "map", "s"), out="a.b")
    dark = (picture.findtext(f"{SVG}style") or "").partition("prefers-color-scheme:dark")[2]
    used = {name for e in picture.iter() for name in e.attrib.get("class", "").split()}
    colours = {name for name in used if name[:2] in ("f-", "s-")}
    assert colours
    assert all(f".{colour}{{" in dark for colour in colours)


def test_a_reader_for_the_blind_hears_name_and_summary() -> None:
    plan = Plan("errors", (node("x", "map"),), {"out": "x"}, description="Lines that matter.")
    picture = ElementTree.fromstring(svg(plan))
    heard = {e.attrib["id"]: e.text for e in picture if "id" in e.attrib}
    assert picture.attrib["role"] == "img"
    assert [heard[id] for id in picture.attrib["aria-labelledby"].split()] == [
        "errors",
        "Lines that matter. A graph of 1 node. Published: out from x.",
    ]


def test_an_empty_plan_is_a_picture_too() -> None:
    picture = drawn()
    assert not cards(picture)
    assert picture.findtext(f"{SVG}desc") == "A graph of 0 nodes."


def test_a_notebook_shows_the_picture() -> None:
    plan = Plan("errors", (node("x", "map"),), {})
    assert plan._repr_svg_() == plan.svg() == svg(plan)
