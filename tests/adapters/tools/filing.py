"""File tools called as an agent calls them, and folders to call them on."""

from __future__ import annotations

import os
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rxstream.adapters.tools import files
from rxstream.plugins.running import CancellationToken
from rxstream.tools import Tool, ToolContext, ToolResult, perform


@dataclass
class Said:
    """What a call said and gave."""

    live: str = ""
    progress: list[float | None] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    brief: str = ""
    error: dict[str, Any] | None = None


async def call(tool: Tool, token: CancellationToken | None = None, **arguments: Any) -> Said:
    """All of a call that goes well or fails."""
    said = Said()
    async with aclosing(perform(tool, arguments, token=token)) as batches:
        async for batch in batches:
            for element in batch:
                take(said, element)
    return said


def take(said: Said, element: dict[str, Any]) -> None:
    if element["type"] == "tool_result":
        said.error = element.get("error")
        said.result = element.get("result") or {}
        said.brief = element.get("brief", "")
    elif element["channel"] == "progress":
        said.progress.append(element["percentage"])
    else:
        said.live += element["text"]


def tools(root: Path, **options: Any) -> dict[str, Tool]:
    return {tool.name: tool for tool in files(root, **options)}


def progress(tool: Tool, **arguments: Any) -> list[float | None]:
    """Every report of a call."""
    told: list[float | None] = []
    context = ToolContext(told=lambda percentage, message: told.append(percentage))
    assert isinstance(list(tool.start(tool.check(arguments), context))[-1], ToolResult)
    return told


async def viewed(root: Path, path: str | os.PathLike[str], **arguments: Any) -> Said:
    return await call(tools(root)["view"], path=os.fspath(path), **arguments)


async def found(root: Path, *, ripgrep: bool = True, **arguments: Any) -> Said:
    return await call(tools(root, ripgrep=ripgrep)["find"], **arguments)


async def shown(root: Path, **arguments: Any) -> Said:
    return await call(tools(root)["tree"], **arguments)


def lay(root: Path, contents: dict[str, str | bytes]) -> Path:
    """Files with these contents; a name that ends with `/` is an empty folder."""
    for name, content in contents.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def sparse(path: Path, head: bytes, size: int) -> None:
    """A file that begins so and goes on with NULs, which take no room on the disk."""
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(size)
