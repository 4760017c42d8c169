"""Every notebook runs from top to bottom, in a kernel of its own, and shows what it promises."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def read(name: str) -> Any:
    return nbformat.read(NOTEBOOKS / name, as_version=4)  # type: ignore[no-untyped-call]  # it has no types


@pytest.mark.parametrize("name", [path.name for path in sorted(NOTEBOOKS.glob("*.ipynb"))])
def test_it_runs(name: str) -> None:
    notebook = read(name)
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit it without outputs"

    NotebookClient(notebook, timeout=150, kernel_name="python3").execute(cwd=str(NOTEBOOKS))


def test_the_first_one_draws_its_graph() -> None:
    notebook = read("01_first_graph.ipynb")
    NotebookClient(notebook, timeout=150, kernel_name="python3").execute(cwd=str(NOTEBOOKS))

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    drawn = [output["data"] for output in outputs if "image/svg+xml" in output.get("data", {})]
    assert any("longest" in data["image/svg+xml"] for data in drawn)
