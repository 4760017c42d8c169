"""What a package offers is what its `__init__` re-exports, and it is all there.

ruff keeps every `__all__` sorted (RUF022), so that is not said twice here.
"""

from __future__ import annotations

import ast
import importlib

import pytest

from tests.shipped import PACKAGES, ROOT


def statements(package: str) -> list[ast.stmt]:
    path = ROOT.joinpath(*package.split("."), "__init__.py")
    return ast.parse(path.read_text("utf-8")).body


def re_exports(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(ast.Constant(str())):  # its docstring
            return True
        case ast.Assign([ast.Name("__all__")], ast.List()):
            return True
        case ast.ImportFrom(module) if module:
            return module.split(".")[0] in ("rxstream", "__future__")
        case ast.Import(names):
            return all(alias.name.startswith("rxstream.") for alias in names)
    return False


@pytest.mark.parametrize("package", PACKAGES)
def test_an_init_file_only_re_exports(package: str) -> None:
    other = [found for found in statements(package) if not re_exports(found)]
    assert [f"line {found.lineno}: {ast.unparse(found)[:60]}" for found in other] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_all_names_exactly_what_is_re_exported(package: str) -> None:
    imported = [
        alias.asname or alias.name
        for found in statements(package)
        if isinstance(found, ast.ImportFrom) and found.module != "__future__"
        for alias in found.names
    ]
    assert sorted(getattr(importlib.import_module(package), "__all__", [])) == sorted(imported)


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_offered_exists_and_is_public(package: str) -> None:
    module = importlib.import_module(package)
    offered = getattr(module, "__all__", [])
    assert [name for name in offered if not hasattr(module, name)] == []
    assert [name for name in offered if name.startswith("_") and name != "__version__"] == []
