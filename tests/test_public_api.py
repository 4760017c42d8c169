"""What a package offers is what its `__init__` re-exports, and it is all there.

ruff keeps every `__all__` sorted (RUF022), so that is not said twice here.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def packages() -> list[str]:
    """Every package, by its installed name; links are followed because that is how they are imported."""
    tops = {
        "rxstream": "rxstream",
        "operators": "rxstream.operators",
        "adapters": "rxstream.adapters",
    }
    return sorted(
        ".".join([name, *path.parent.relative_to(ROOT / folder).parts])
        for folder, name in tops.items()
        for path in (ROOT / folder).rglob("__init__.py")
    )


def syntax(package: str) -> ast.Module:
    path = ROOT.joinpath(*package.split("."), "__init__.py")
    return ast.parse(path.read_text("utf-8"))


def is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def is_all(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Assign)
        and [ast.unparse(target) for target in statement.targets] == ["__all__"]
        and isinstance(statement.value, ast.List)
    )


def is_reexport(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import):
        return all(alias.name.startswith("rxstream") for alias in statement.names)
    return isinstance(statement, ast.ImportFrom) and (statement.module or "").split(".")[0] in (
        "rxstream",
        "__future__",
    )


@pytest.mark.parametrize("package", packages())
def test_an_init_file_only_re_exports(package: str) -> None:
    other = [
        f"line {statement.lineno}: {ast.unparse(statement)[:60]}"
        for statement in syntax(package).body
        if not (is_docstring(statement) or is_all(statement) or is_reexport(statement))
    ]
    assert other == []


@pytest.mark.parametrize("package", packages())
def test_all_names_exactly_what_is_re_exported(package: str) -> None:
    imported = {
        alias.asname or alias.name
        for statement in syntax(package).body
        if isinstance(statement, ast.ImportFrom) and statement.module != "__future__"
        for alias in statement.names
    }
    offered = getattr(importlib.import_module(package), "__all__", [])
    assert sorted(offered) == sorted(imported)


@pytest.mark.parametrize("package", packages())
def test_what_is_offered_exists_and_is_public(package: str) -> None:
    module = importlib.import_module(package)
    offered = getattr(module, "__all__", [])
    assert [name for name in offered if not hasattr(module, name)] == []
    assert [name for name in offered if name.startswith("_") and name != "__version__"] == []
