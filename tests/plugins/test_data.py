"""The plugin `data` profiles real files of any size, and goes on where it was."""

from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

import rxstream as rxs
from rxstream.errors import BadRequest, InvalidParameters, MissingExtra, WorldError
from rxstream.plugins import PluginManager
from rxstream.plugins.examples import Data
from rxstream.testing import check_plugin, crash_everywhere


@pytest.fixture
def plugins() -> PluginManager:
    made = PluginManager()
    made.load(Data)
    return made


async def profile(plugins: PluginManager, path: Path, **params: Any) -> Any:
    return await plugins.call("data.profile", {"path": str(path), **params})


def written(path: Path, rows: int) -> list[float]:
    """A file of so many rows; the amounts in it."""
    chance = random.Random(7)
    amounts = [round(chance.lognormvariate(3, 1), 2) for _ in range(rows)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "amount", "note"])
        for number, amount in enumerate(amounts):
            writer.writerow([number, amount, 'said "yes",\nthen left' if number % 3 else ""])
    return amounts


async def test_types_counts_and_extremes_of_a_csv_file(
    plugins: PluginManager, tmp_path: Path
) -> None:
    path = tmp_path / "few.csv"
    path.write_text(
        'a,b,c\n1,2020-01-31,true\n-2,2020-02-01T10:00,no\n,1e3,\n1_000,.5,False\nonly,two\n"open\n'
    )
    found = await profile(plugins, path)
    columns = found["columns"]
    assert (found["rows"], found["bad_rows"], found["done"]) == (4, 2, True)
    assert {name: column["types"] for name, column in columns.items()} == {
        "a": {"integer": 2, "text": 1},
        "b": {"date": 2, "number": 2},
        "c": {"boolean": 2, "text": 1},
    }
    assert [columns["a"][key] for key in ("empty", "min", "max", "mean", "longest")] == [
        1,
        -2.0,
        1.0,
        -0.5,
        5,
    ]
    assert columns["c"]["quantiles"] == {}
    assert columns["c"]["min"] is None


async def test_empty_lines_are_no_rows_and_an_inch_at_the_end_is_no_quote(
    plugins: PluginManager, tmp_path: Path
) -> None:
    path = tmp_path / "pipes.csv"
    path.write_text('size,kind\n\n1,copper\n\n2,5" steel')
    found = await profile(plugins, path)
    assert (found["rows"], found["bad_rows"]) == (2, 0)


async def test_rows_of_json_keep_their_own_types(plugins: PluginManager, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"x": 1, "y": [1]}, {"x": 2.5, "y": {}}, {"x": "7", "z": True}, {"x": None}]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n[1]\n{broken\n")
    found = await profile(plugins, path)
    assert (found["rows"], found["bad_rows"]) == (4, 2)
    assert {name: column["types"] for name, column in found["columns"].items()} == {
        "x": {"integer": 2, "number": 1},
        "y": {"array": 1, "object": 1},
        "z": {"boolean": 1},
    }


async def test_quantiles_of_a_larger_file_are_close_and_progress_is_by_bytes(
    plugins: PluginManager, tmp_path: Path
) -> None:
    path = tmp_path / "many.csv"
    amounts = sorted(written(path, 20_000))
    told: list[Any] = []
    stream = plugins.stream(
        "data.profile", {"path": str(path), "every": 5_000}, progress_callback=told.append
    )
    profiles = [item async for item in stream]
    assert [item["done"] for item in profiles] == [False] * (len(profiles) - 1) + [True]
    rows = [item["rows"] for item in profiles]
    assert rows == sorted(rows)
    assert rows[-1] == 20_000
    for share, value in profiles[-1]["columns"]["amount"]["quantiles"].items():
        exact = amounts[int(float(share) * len(amounts))]
        assert value == pytest.approx(exact, rel=0.02)
    percentages = [report.percentage for report in told]
    assert percentages == sorted(percentages)
    assert percentages[-1] == 100
    assert told[-1].message == f"{path.stat().st_size:,} of {path.stat().st_size:,} bytes"


def test_it_keeps_the_contract_of_plugins(tmp_path: Path) -> None:
    path = tmp_path / "checked.csv"
    written(path, 2_000)
    check_plugin(Data, {"profile": {"path": str(path), "every": 300}})


def test_a_profile_goes_on_after_any_crash_and_ends_the_same(
    plugins: PluginManager, tmp_path: Path
) -> None:
    path = tmp_path / "crashed.csv"
    written(path, 1_500)

    @rxs.graph
    def profiling() -> Any:
        return plugins.stream("data.profile", {"path": str(path), "every": 250})

    assert crash_everywhere(profiling, most=20) > 3


async def test_columns_are_limited(plugins: PluginManager, tmp_path: Path) -> None:
    path = tmp_path / "wide.jsonl"
    path.write_text(json.dumps({f"c{n}": n for n in range(1_200)}))
    found = await profile(plugins, path)
    assert (len(found["columns"]), found["cells_ignored"]) == (1_000, 200)


async def test_what_cannot_be_profiled_is_said(plugins: PluginManager, tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="no such file"):
        await profile(plugins, tmp_path / "none.csv")
    with pytest.raises(BadRequest, match="give format as csv or jsonl"):
        await profile(plugins, tmp_path / "notes.txt")
    with pytest.raises(InvalidParameters, match="delimiter"):
        await profile(plugins, tmp_path / "none.csv", delimiter="::")


async def test_without_the_extra_it_says_what_to_install(
    plugins: PluginManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fastdigest", None)
    path = tmp_path / "few.tsv"
    path.write_text("a\tb\n1\t2\n")
    with pytest.raises(MissingExtra, match=r"rxstream\[data\]"):
        await profile(plugins, path)
    monkeypatch.undo()
    assert list((await profile(plugins, path))["columns"]) == ["a", "b"]
