"""Every way a target can be wrong is one line that says what, where and what to do, and status 2."""

from __future__ import annotations

from typing import Any

import pytest

GRAPHS = """
import rxstream
import neighbour

@rxstream.graph
def errors(path: str, window: float = 1.0):
    return neighbour.nothing()

@rxstream.graph
def raises():
    return {}["key"]

number = 3

def function(): ...
"""
FORMS = "(package.module:name or path/to/file.py:name)"
MISSING = "look at the spelling, or run it where {} can be imported"
NOT_A_GRAPH = (
    "not a graph: decorate a function with @rxstream.graph (its graphs are errors, raises)"
)


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("graphs.py", f"target 'graphs.py' names no graph: write graphs.py:NAME {FORMS}"),
        ("graphs", f"target 'graphs' names no graph: write graphs:NAME {FORMS}"),
        ("nothing.py:x", "target 'nothing.py:x': there is no file nothing.py"),
        ("nope:x", f"target 'nope:x': there is no module 'nope': {MISSING.format('nope')}"),
        ("sub.nope:x", f"target 'sub.nope:x': there is no module 'sub.nope': "
                       f"{MISSING.format('sub.nope')}"),
        ("sub.deep:x", "target 'sub.deep:x' cannot be imported: sub/deep.py:1: "
                       "ModuleNotFoundError: No module named 'absent'"),
        ("raises.py:x", "target 'raises.py:x' cannot be imported: raises.py:2: ValueError: no disk"),
        ("syntax.py:x", "target 'syntax.py:x' cannot be imported: syntax.py:1: "
                        "SyntaxError: invalid syntax"),
        ("exits.py:x", "target 'exits.py:x' cannot be imported: exits.py:1: exits with 3"),
        ("graphs.py:erors", "target 'graphs.py:erors': graphs.py has no 'erors': "
                            "did you mean errors?"),
        ("graphs:zzz", "target 'graphs:zzz': graphs.py has no 'zzz': its graphs are errors, raises"),
        ("graphs.py:number", f"target 'graphs.py:number': number is of type int, {NOT_A_GRAPH}"),
        ("graphs.py:function", f"target 'graphs.py:function': function is a function, {NOT_A_GRAPH}"),
        ("graphs.py:raises", "graph 'raises' cannot be built: graphs.py:11: KeyError: 'key'"),
        ("p.toml", "target 'p.toml': there is no file p.toml"),
    ],
)  # fmt: skip
def test_a_wrong_target_is_one_line(rxstream: Any, target: str, line: str) -> None:
    rxstream.write("graphs.py", GRAPHS)
    rxstream.write("neighbour.py", "")
    rxstream.write("sub/__init__.py", "")
    rxstream.write("sub/deep.py", "import absent")
    rxstream.write("raises.py", "x = 1\nraise ValueError('no\\ndisk')")
    rxstream.write("syntax.py", "def f(:")
    rxstream.write("exits.py", "raise SystemExit(3)")
    assert rxstream.run("graph", target) == (2, "", [f"rxstream: {line}"])


def test_what_an_imported_file_prints_stays_off_stdout(rxstream: Any) -> None:
    rxstream.write("noisy.py", "import os\nprint('one')\nos.system('echo two')")
    status, out, said = rxstream.run("graph", "noisy.py:x")
    assert (status, out) == (2, "")
    assert {"one", "two"} < set(said)
