"""A plan as a flowchart: exact for small ones, and no label can end itself."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from rxstream.graph.mermaid import quote
from rxstream.graph.plan import Node, Plan
from tests.graph.plans import anything, calmly, plans

LINE = re.compile(
    r' *(flowchart LR|end|n\d+ --> n\d+|classDef published stroke-width:3px|subgraph g\d+ \["[^"]*"\]'
    r'|n\d+(\(\["[^"]*"\]\)|\["[^"]*"\]|\[\("[^"]*"\)\])(:::published)?)'
)


def test_shapes_tell_sources_operators_and_sinks() -> None:
    plan = Plan(
        "errors",
        (
            Node("lines", "tail", "source", arguments={"path": "app.log"}),
            Node("bad", "filter", "operator", ("lines",), {"predicate": 'x == "end"'}),
            Node("jsonl_1", "jsonl", "sink", ("bad",)),
        ),
        {"errors": "bad"},
    )
    assert plan.mermaid() == (
        "flowchart LR\n"
        '    n0(["tail<br/>lines<br/>app.log"])\n'
        '    n1["filter<br/>bad<br/>x == #34;end#34;<br/>#8594; errors"]:::published\n'
        '    n2[("jsonl<br/>jsonl_1")]\n'
        "    n0 --> n1\n"
        "    n1 --> n2\n"
        "    classDef published stroke-width:3px\n"
    )


def test_nested_graphs_are_subgraphs() -> None:
    plan = Plan("g", (Node("a.b.x", "map", "operator"), Node("a.y", "map", "operator")), {})
    assert plan.mermaid() == (
        "flowchart LR\n"
        '    subgraph g0 ["a"]\n'
        '        n1["map<br/>y"]\n'
        '        subgraph g1 ["b"]\n'
        '            n0["map<br/>x"]\n'
        "        end\n"
        "    end\n"
    )


def test_a_published_node_without_a_name_says_so() -> None:
    plan = Plan("g", (Node("x", "map", "operator", published=True),), {})
    assert '["map<br/>x<br/>#8594; published"]:::published' in plan.mermaid()


def test_long_arguments_are_shortened() -> None:
    plan = Plan("g", (Node("x", "map", "operator", arguments={"f": "a" * 100}),), {})
    assert f"<br/>{'a' * 39}#8230;" in plan.mermaid()


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('"', "#34;"),
        ("#quot;", "#35;quot#59;"),
        ("<b>&amp;", "#60;b#62;#38;amp#59;"),
        ("a\nb", "a b"),
        (r"split('\n')", "split(#39;#92;#8288;n#39;)"),
        ("$$x$$", "#36;#8288;#36;x#36;#8288;#36;"),
        ("fa:fa-car", "fa#58;#8288;fa-car"),
        ("`**bold**`", "#96;#42;#42;bold#42;#42;#96;"),
        ("日本é", "日本é"),
        ("😀", "#128512;"),
        ("\x00\u202e", "#65533;#65533;"),
    ],
)
def test_what_mermaid_would_act_on_is_a_number(text: str, quoted: str) -> None:
    assert quote(text) == quoted


@calmly
@given(anything)
def test_a_label_is_of_plain_characters_only(text: str) -> None:
    assert re.fullmatch(r"(?:#\d+;|[\w ,=()./+-])*", quote(text))


@calmly
@given(plans())
def test_every_line_is_one_of_the_few_forms(plan: Plan) -> None:
    lines = plan.mermaid().removesuffix("\n").split("\n")
    assert all(LINE.fullmatch(line) for line in lines)
    shapes = [line for line in lines if re.match(r" *n\d+[(\[]", line)]
    assert len(shapes) == len(plan.nodes)
