"""Random plans to draw and compare: any shape without cycles, any text anywhere."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from rxstream.graph.plan import Node, Plan

# A busy machine is slow now and then: that is no failure of what is tested.
calmly = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

anything = st.text(max_size=30) | st.sampled_from(
    ["</svg>", "<script>alert(1)</script>", '" onload="x', "]]>", "&amp;", "\r\n", "\x00", "\ud800"]
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans whose every name and argument may be any text."""
    ids = draw(st.lists(anything, min_size=1, max_size=8, unique=True))
    nodes = [
        Node(
            id=node,
            operator=draw(anything),
            kind=draw(st.sampled_from(["source", "operator", "sink"])),
            inputs=tuple(draw(st.lists(st.sampled_from(ids[:index]), max_size=3)) if index else ()),
            arguments=draw(st.dictionaries(anything, anything | st.integers(), max_size=3)),
            where=draw(st.just("") | anything),
            published=draw(st.booleans()),
        )
        for index, node in enumerate(ids)
    ]
    outputs = draw(st.dictionaries(anything, st.sampled_from(ids), max_size=2))
    return Plan(draw(anything), tuple(nodes), outputs, description=draw(anything))
