"""What is built holds what is in the tree, no less and no more, and needs what it declares.

Packages are listed by hand in pyproject.toml. An unlisted one works in an editable install and is missing
from the wheel, so it is only here that anybody would notice.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests.shipped import IMPORTS, PACKAGES, ROOT, TESTS, files, imports

NOT_SOURCE = shutil.ignore_patterns(
    ".git",
    ".venv",
    "build",
    "dist",
    "*.egg-info",
    "__pycache__",
    ".*_cache",
    ".coverage*",
    ".rxstream",
)


def pyproject() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def build(to: Path, *arguments: str) -> Path:
    """Build a copy, because setuptools would pack what an earlier build left in the tree."""
    shutil.copytree(ROOT, to / "tree", symlinks=True, ignore=NOT_SOURCE)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(to / "dist")]
    done = subprocess.run(
        [*command, *arguments, str(to / "tree")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stderr or done.stdout)[-1000:]
    return to / "dist"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next(build(tmp_path_factory.mktemp("wheel"), "--wheel").glob("*.whl"))


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source archive, and the wheel built from it."""
    return build(tmp_path_factory.mktemp("dist"))


def packed(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def in_tree() -> dict[str, str]:
    """Path in the wheel, and what pyproject.toml must say for it to be there."""
    listed = set(pyproject()["tool"]["setuptools"]["packages"])
    wanted = {}
    for package, path in files():
        name = f"{package.replace('.', '/')}/{path.name}"
        if package in listed or path.suffix == ".py":
            table = "packages" if path.suffix == ".py" else f'package-data."{package}"'
            entry = package if path.suffix == ".py" else f"*{path.suffix}"
            wanted[name] = f'{name} is not in the wheel: add "{entry}" to tool.setuptools.{table}'
        else:
            wanted[name] = f"{name} is data outside of any package"
    return wanted


def test_the_wheel_holds_what_the_tree_holds(wheel: Path) -> None:
    wanted = in_tree()
    assert [wanted[name] for name in sorted(wanted.keys() - packed(wheel))] == []
    assert packed(wheel) - wanted.keys() == set()


def test_the_source_archive_builds_the_same_wheel(wheel: Path, dist: Path) -> None:
    assert packed(next(dist.glob("*.whl"))) == packed(wheel)


def test_the_source_archive_holds_licence_readme_and_tests(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in archive.getnames()}
    tests = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "scripts/check", *tests} - names == set()


def test_the_wheel_can_be_imported_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {', '.join(PACKAGES)}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{program}; print(rxstream.__file__)"],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "rxstream/__init__.py")


def test_what_the_wheel_registers_is_in_it(wheel: Path) -> None:
    project = pyproject()["project"]
    points = [*project["scripts"].values()]
    points += [point for group in project["entry-points"].values() for point in group.values()]
    modules = {point.partition(":")[0].replace(".", "/") for point in points}
    names = packed(wheel)
    absent = [m for m in modules if not {f"{m}.py", f"{m}/__init__.py"} & names]
    assert absent == []


def names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", line) for line in requirements)
    return {match[0].lower().replace("_", "-") for match in found if match}


def distributions(tops: set[str]) -> set[str]:
    """Whose modules these are; pydantic_core is half of pydantic, which pins it."""
    known = packages_distributions()
    foreign = tops - sys.stdlib_module_names - {"rxstream", "tests", "pydantic_core"}
    return {name.lower().replace("_", "-") for top in foreign for name in known.get(top, [top])}


def test_what_is_imported_is_declared_and_the_reverse() -> None:
    project = pyproject()["project"]
    declared = names(project["dependencies"])
    extras = {name: names(lines) for name, lines in project["optional-dependencies"].items()}
    shipped = distributions({found.top for found in IMPORTS})
    tested = distributions({found.top for module in TESTS for found in imports(module)})
    users = declared.union(*(found for name, found in extras.items() if name != "test"))
    assert shipped - users == set(), "imported, and not declared"
    assert declared - shipped == set(), "declared, and imported nowhere"
    assert tested - users - extras["test"] == set(), "imported by tests, and not in the extra"
