"""`data`: what is in a file of rows, said while it is read.

Reads by lines, so a file may be of any size, and keeps for each column what does not grow with the rows:
counts, extremes, and a t-digest (https://github.com/moritzmucha/fastdigest) for quantiles. All of it belongs
to the seek point, so after a crash the profile goes on at the row where it was and ends the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from rxstream.adapters.sources.files import LinesSource
from rxstream.adapters.sources.splitting import MAX_LINE_BYTES
from rxstream.plugins import ActionContext, Plugin, action
from rxstream.plugins.examples.columns import Profile, Table
from rxstream.plugins.examples.rows import Format, Rows, format_of

_LINES: Final = 500
"""Lines that are looked at before others have a turn."""

Share = Annotated[float, Field(ge=0, le=1)]


class Data(Plugin):
    """Looks into files of rows."""

    version = "1.0"

    @action(resumable=True, returns="last", tags=("file",))
    async def profile(
        self,
        context: ActionContext,
        path: str,
        format: Format | Literal["auto"] = "auto",
        delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None,
        quantiles: tuple[Share, ...] = (0.25, 0.5, 0.75, 0.95),
        every: Annotated[int, Field(ge=1)] = 10_000,
    ) -> AsyncIterator[Profile]:
        """Types, counts, extremes and quantiles of each column of a CSV or JSON-lines file.

        One profile of what was read so far for every so many lines, and a last one whose `done` is true.
        """
        if context.start is not None and context.start["done"]:
            return
        chosen = format_of(path) if format == "auto" else format
        rows, table = Rows(chosen, delimiter or ("\t" if path.endswith(".tsv") else ",")), Table()
        port = _Lines(context)
        if context.start is not None:
            rows.restore(context.start["rows"])
            table.restore(context.start["table"])
        source = LinesSource(
            path, encoding="utf-8", errors="replace", keep_ends=True, max_line=MAX_LINE_BYTES
        )
        batches = source.open(port)
        count = 0
        port.wanted = min(_LINES, every)
        try:
            async for lines in batches:
                count += len(lines)
                for row in rows.of(lines):
                    table.add(row)
                if count == every:
                    count = 0
                    context.seek_point(_place(port.place, rows, table, done=False))
                    yield table.profile(quantiles, rows.bad, done=False)
                port.wanted = min(_LINES, every - count)
                await asyncio.sleep(0)
        finally:
            await batches.aclose()  # type: ignore[attr-defined]  # a Source opens an async generator
        for row in rows.end():
            table.add(row)
        context.seek_point(_place(port.place, rows, table, done=True))
        yield table.profile(quantiles, rows.bad, done=True)


def _place(place: Any, rows: Rows, table: Table, *, done: bool) -> dict[str, Any]:
    return {"place": place, "rows": rows.state(), "table": table.state(), "done": done}


class _Lines:
    """What the source of lines may see and say: a part of what the action may."""

    def __init__(self, context: ActionContext) -> None:
        self._context = context
        self.execution_id = context.execution_id
        self.node_id = context.node_id
        self.wanted = 1
        start: Mapping[str, Any] | None = context.start
        self.start: Any = None if start is None else start["place"]
        self.place: Any = self.start

    def seek_point(self, offset: Any) -> None:
        """Of the lines that come next."""
        self.place = offset

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None:
        """By bytes."""
        self._context.progress(percentage, message, status)
