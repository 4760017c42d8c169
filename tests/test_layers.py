"""Imports go down only, and the core does no I/O.

An import inside a function still needs what is above, and one under `if TYPE_CHECKING` still knows it. So
neither is excused between layers: a type that a lower layer must name belongs to the lower layer. Modules of
one layer are free.
"""

from __future__ import annotations

import sys

from tests.shipped import IMPORTS, MODULES, NAMES

LAYERS = [
    ["_early"],
    ["numbers"],
    ["errors"],
    ["added"],
    ["codec"],
    ["statecodec"],
    ["events", "event_data"],
    ["source"],
    ["indexed"],
    ["sink"],
    ["log"],
    ["operator", "stream", "_fluent"],  # a Stream applies operators, an operator makes a Stream
    ["failures"],
    ["graph"],
    ["engine"],
    ["replay"],
    ["asking", "progress"],  # said by a user's code to the engine that runs it
    ["operators"],
    ["models"],
    ["plugins"],
    ["pipeline"],
    ["tools"],
    ["agent"],
    ["__init__"],
    ["testing"],
    [
        "adapters",
        "plugins.isolation",
    ],  # the world outside: sources, sinks, logs, llm and what they share
    # people and programs
    ["adapters.web", "adapters.terminal", "adapters.cli", "examples", "plugins.examples"],
    ["__main__"],
]
"""From the bottom up, names inside rxstream. A module belongs to the longest name it starts with."""

RANKS = {f"rxstream.{name}": rank for rank, names in enumerate(LAYERS) for name in names}

CORE_MAY_IMPORT = {
    *("orjson", "pydantic", "pydantic_core", "reactivex", "structlog", "typing_extensions"),
    "rxstream",
}
CORE_MUST_NOT_IMPORT = {"http", "socket", "sqlite3", "ssl", "subprocess", "urllib"}


def rank(name: str) -> int:
    """The layer of a module; -1 when nobody has given it one."""
    if name == "rxstream":
        return RANKS["rxstream.__init__"]
    while name and name not in RANKS:
        name = name.rpartition(".")[0]
    return RANKS.get(name, -1)


def test_every_module_has_a_layer() -> None:
    assert [m.name for m in MODULES if rank(m.name) < 0] == [], "give it a place in LAYERS"


def test_imports_go_down_only() -> None:
    mine = [found for found in IMPORTS if found.top == "rxstream"]
    assert [str(found) for found in mine if rank(found.target) > rank(found.module.name)] == []


def test_what_is_imported_of_rxstream_exists() -> None:
    """Else a misspelt module inside a function would have no layer, and be found by its user."""
    known = NAMES | {"rxstream._fluent"}  # a stub for type checkers
    mine = [found for found in IMPORTS if found.top == "rxstream"]
    assert [str(found) for found in mine if found.target not in known] == []


def test_the_core_and_the_operators_import_no_io_library() -> None:
    allowed = (sys.stdlib_module_names | CORE_MAY_IMPORT) - CORE_MUST_NOT_IMPORT
    below = [found for found in IMPORTS if rank(found.module.name) < rank("rxstream.adapters")]
    assert [str(found) for found in below if found.top not in allowed] == []
