"""What is in a table: a CSV file of any size is read in parts, side by side, and described column by column.

    rxstream run rxstream.examples.data:pipeline -p data.file=orders.csv --log events.db

Without a file it makes one: a line for each source file of this Python. The parts end in a checkpoint, in the
middle of the work; then the numbers and the texts are described side by side, and the report is written. Kill
it and give the same command again: it goes on where it was, and no part that was read is read again.

`-p data.parts=64` makes smaller parts, `-p data.report=PATH` writes the report elsewhere. A row is one line.
"""

from __future__ import annotations

import asyncio
import csv
import math
import os
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any, Final

import orjson

from rxstream import Pipeline, Step, Streaming

FILES: Final = "python-files.csv"
PARTS: Final = 32
WORDS: Final = 1_000
"""Different texts of a column that are counted in a part, at most; more are no categories."""


class Table(Step):
    """Finds the columns of the file, and where its parts begin and end."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        if "file" not in data:
            await asyncio.to_thread(python_files, FILES)
        return await asyncio.to_thread(parts_of, data.get("file", FILES), data.get("parts", PARTS))


async def part(data: dict[str, Any]) -> dict[str, Any]:
    """Describe the columns of one part."""
    return await asyncio.to_thread(described, data["table"], data["columns"], *data["item"])


async def numbers(data: dict[str, Any]) -> dict[str, Any]:
    """Count, least, most and mean of the columns that hold nothing but numbers."""
    found = {}
    for name in data["columns"]:
        columns = [each["columns"][name] for each in data["part"]]
        count = sum(column["numbers"] for column in columns)
        if count and not any(column["words"] for column in columns):
            found[name] = {
                "count": count,
                "least": min(column["least"] for column in columns if column["numbers"]),
                "most": max(column["most"] for column in columns if column["numbers"]),
                "mean": round(math.fsum(column["sum"] for column in columns) / count, 3),
            }
    return {"numbers": found}


async def texts(data: dict[str, Any]) -> dict[str, Any]:
    """The commonest values of the columns that hold text."""
    found = {}
    for name in data["columns"]:
        counted: Counter[str] = Counter()
        for each in data["part"]:
            counted.update(each["columns"][name]["words"])
        if counted:
            found[name] = {"different": len(counted), "commonest": counted.most_common(5)}
    return {"texts": found}


async def report(data: dict[str, Any]) -> dict[str, Any]:
    """Write the report, whole or not at all."""
    path = Path(data.get("report", "report.json"))
    rows = sum(each["rows"] for each in data["part"])
    told = {name: data[name] for name in ("table", "numbers", "texts")} | {"rows": rows}
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    part.replace(path)
    return {"report": str(path), "rows": rows}


pipeline = Pipeline(
    "data",
    description="What is in a CSV file, column by column.",
    streaming=Streaming(enabled=True),
    resumable=True,
    result="report",
)
pipeline.add(Table)
pipeline.add(part, after="table", each="ranges", concurrency=4, retry=2, checkpoint=True)
pipeline.add(numbers, after="part")
pipeline.add(texts, after="part")
pipeline.add(report, after=["numbers", "texts"])


def python_files(path: str) -> None:
    """Make a table of the source files of this Python, whole or not at all."""
    library = Path(sysconfig.get_path("stdlib"))
    part = f"{path}.part"
    with open(part, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["package", "file", "bytes", "lines"])
        for source in sorted(library.rglob("*.py")):
            package = source.relative_to(library).parts[0]
            if not package.endswith("-packages"):  # those are not Python's own
                text = source.read_bytes()
                table.writerow([package, source.name, len(text), text.count(b"\n")])
    os.replace(part, path)


def parts_of(path: str, parts: int) -> dict[str, Any]:
    """The columns of a table, and about as many ranges of bytes that begin and end with a line."""
    with open(path, "rb") as file:
        columns = next(csv.reader([file.readline().decode("utf-8-sig")]))
        begin, size = file.tell(), os.fstat(file.fileno()).st_size
        step, ranges = max(1, math.ceil((size - begin) / parts)), []
        while begin < size:
            file.seek(min(begin + step, size) - 1)
            file.readline()
            ranges.append([begin, file.tell()])
            begin = file.tell()
    return {"table": path, "columns": columns, "ranges": ranges}


def described(path: str, columns: list[str], begin: int, end: int) -> dict[str, Any]:
    """What one range of a table holds: rows, and of each column its numbers and words."""
    with open(path, "rb") as file:
        file.seek(begin)
        lines = file.read(end - begin).decode(errors="replace").split("\n")
    rows = [row for row in csv.reader(lines) if row]
    found: dict[str, Any] = {}
    for at, name in enumerate(columns):
        values = [row[at] for row in rows if row[at:] and row[at]]
        numbers = [float(value) for value in values if is_number(value)]
        words = Counter(value for value in values if not is_number(value))
        least, most = (min(numbers), max(numbers)) if numbers else (None, None)
        column = {"numbers": len(numbers), "sum": math.fsum(numbers), "least": least, "most": most}
        found[name] = column | {"words": dict(words.most_common(WORDS))}
    return {"rows": len(rows), "columns": found}


def is_number(text: str) -> bool:
    """Whether a cell holds a number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
