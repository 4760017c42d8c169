"""`rxstream graph` prints what would run and runs nothing."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _graphs(graphs: Any) -> None: ...


def test_mermaid_unless_said_otherwise(rxstream: Any) -> None:
    status, out, said = rxstream.run("graph", "graphs.py:talk")
    assert (status, said) == (0, [])
    assert out.startswith(("flowchart ", "graph "))
    assert "model" in out


def test_json_names_nodes_and_outputs(rxstream: Any) -> None:
    status, out, said = rxstream.run("graph", "graphs.py:talk", "--format", "json")
    described = json.loads(out)
    assert (status, said) == (0, [])
    assert [node["id"] for node in described["nodes"]] == ["model", "rows"]
    assert described["outputs"] == {"model": "model", "rows": "rows"}


def test_svg_is_a_picture_by_itself(rxstream: Any) -> None:
    status, out, said = rxstream.run("graph", "graphs.py:talk", "--format", "svg")
    assert (status, said) == (0, [])
    assert ElementTree.fromstring(out).tag == "{http://www.w3.org/2000/svg}svg"


def test_what_the_linter_found_goes_to_stderr(rxstream: Any) -> None:
    status, out, said = rxstream.run("graph", "graphs.py:grouped")
    assert status == 0
    assert out.startswith("flowchart")
    assert said[0].startswith("rxstream: warning: 'group_by_1'")
    assert ".unbounded(" in said[0]
