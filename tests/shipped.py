"""What is in the tree: modules and data that are shipped, tests that are not, and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

FOLDERS = {
    "rxstream": "rxstream",
    "operators": "rxstream.operators",
    "adapters": "rxstream.adapters",
}
"""Where each package lives in the tree, and its name once installed."""


class Module(NamedTuple):
    name: str  # a package is its own module, as `rxstream.log.__init__`
    path: Path

    @property
    def package(self) -> str:
        return self.name.rpartition(".")[0]


class Import(NamedTuple):
    module: Module
    line: int
    target: str

    @property
    def top(self) -> str:
        return self.target.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.module.path.relative_to(ROOT)}:{self.line} imports {self.target}"


def files() -> Iterator[tuple[str, Path]]:
    """Every file that belongs into a wheel: its package, and where it is."""
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*")):
            parts = path.relative_to(ROOT / folder).parts
            if folder == "rxstream" and parts[0] in ("operators", "adapters"):
                continue  # a link to a folder that is walked under its own name
            if path.is_file() and "__pycache__" not in parts and not path.name.startswith("."):
                yield ".".join([package, *parts[:-1]]), path


def modules() -> Iterator[Module]:
    for package, path in files():
        if path.suffix == ".py":
            yield Module(f"{package}.{path.stem}", path)


MODULES = list(modules())
NAMES = {module.name.removesuffix(".__init__") for module in MODULES}
PACKAGES = sorted(module.package for module in MODULES if module.path.stem == "__init__")


def targets(node: ast.AST, module: Module) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = module.name.split(".")[: -node.level] if node.level else []
        base = ".".join([*above, node.module] if node.module else above)
        for alias in node.names:
            yield whole if (whole := f"{base}.{alias.name}") in NAMES else base


def imports(module: Module) -> Iterator[Import]:
    """Wherever they stand: at the top, in a function, or under a condition."""
    for node in ast.walk(ast.parse(module.path.read_text("utf-8"), str(module.path))):
        for target in targets(node, module):
            yield Import(module, getattr(node, "lineno", 0), target)


IMPORTS = [found for module in MODULES for found in imports(module)]

TESTS = [
    Module(".".join(path.relative_to(ROOT).with_suffix("").parts), path)
    for path in sorted((ROOT / "tests").rglob("*.py"))
]
