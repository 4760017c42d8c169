"""Imports go down only, and the core does no I/O.

Every import of every shipped module is read from its syntax tree, wherever it stands: one inside a function
still needs what is above, and one under `if TYPE_CHECKING` still knows it. So neither is excused between
layers: a type that a lower layer must name belongs to the lower layer. Modules of one layer are free.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

LAYERS = [
    ["errors"],
    ["codec"],
    ["events"],
    ["source"],
    ["sink"],
    ["log"],
    ["operator", "stream", "_fluent"],  # a Stream applies operators, an operator makes a Stream
    ["graph"],
    ["engine"],
    ["operators"],
    ["__init__"],
    ["testing"],
    ["adapters"],  # the world outside: sources, sinks, logs, llm and what they share
    ["adapters.web", "adapters.terminal", "adapters.cli", "examples"],  # people and programs
    ["__main__"],
]
"""From the bottom up, names inside rxstream. A module belongs to the longest name it starts with."""

RANKS = {f"rxstream.{name}": rank for rank, names in enumerate(LAYERS) for name in names}
ADAPTERS = RANKS["rxstream.adapters"]

CORE_MAY_IMPORT = {"orjson", "pydantic", "reactivex", "rxstream", "structlog", "typing_extensions"}
CORE_MUST_NOT_IMPORT = {"http", "socket", "sqlite3", "ssl", "subprocess", "urllib"}


class Module(NamedTuple):
    name: str  # a package is its own module `rxstream.log.__init__`
    path: Path


class Import(NamedTuple):
    module: Module
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.module.path.relative_to(ROOT)}:{self.line} imports {self.target}"


def shipped() -> Iterator[Module]:
    for folder, package in {
        "rxstream": "rxstream",
        "operators": "rxstream.operators",
        "adapters": "rxstream.adapters",
    }.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            if folder == "rxstream" and parts[0] in ("operators", "adapters"):
                continue  # a link to a folder that is walked under its own name
            yield Module(".".join([package, *parts]), path)


MODULES = list(shipped())
NAMES = {module.name.removesuffix(".__init__") for module in MODULES}


def rank(name: str) -> int | None:
    """The layer of a module, None when nobody has given it one."""
    if name == "rxstream":
        return RANKS["rxstream.__init__"]
    while name not in RANKS and name != "rxstream":
        name = name.rpartition(".")[0]
    return RANKS.get(name)


def targets(node: ast.AST, module: Module) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = module.name.split(".")[: -node.level or None] if node.level else []
        base = ".".join([*package, node.module] if node.module else package)
        for alias in node.names:
            yield whole if (whole := f"{base}.{alias.name}") in NAMES else base


def imports(module: Module) -> Iterator[Import]:
    for node in ast.walk(ast.parse(module.path.read_text("utf-8"))):
        for target in targets(node, module):
            yield Import(module, getattr(node, "lineno", 0), target)


IMPORTS = [found for module in MODULES for found in imports(module)]


def test_every_module_has_a_layer() -> None:
    assert [m.name for m in MODULES if rank(m.name) is None] == [], "give it a place in LAYERS"


def test_imports_go_down_only() -> None:
    upward = [
        str(found)
        for found in IMPORTS
        if found.target.split(".")[0] == "rxstream"
        and (rank(found.target) or 0) > (rank(found.module.name) or 0)
    ]
    assert upward == []


def test_what_is_imported_of_rxstream_exists() -> None:
    """Else a misspelt module inside a function would have no layer and be found by its user."""
    known = NAMES | {"rxstream._fluent"}  # a stub for type checkers
    mine = [found for found in IMPORTS if found.target.split(".")[0] == "rxstream"]
    assert [str(found) for found in mine if found.target not in known] == []


def test_the_core_and_the_operators_import_no_io_library() -> None:
    allowed = (sys.stdlib_module_names | CORE_MAY_IMPORT) - CORE_MUST_NOT_IMPORT
    foreign = [
        str(found)
        for found in IMPORTS
        if (rank(found.module.name) or 0) < ADAPTERS and found.target.split(".")[0] not in allowed
    ]
    assert foreign == []


def test_only_the_command_reaches_up_from_the_package() -> None:
    above = {
        found.module.name
        for found in IMPORTS
        if found.target.startswith("rxstream.adapters")
        and not found.module.name.startswith(("rxstream.adapters", "rxstream.examples"))
    }
    assert above <= {"rxstream.__main__"}
