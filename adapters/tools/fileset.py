"""`files(root)`: three tools over one folder, for models that are to read it.

Three small tools, not one with a `command`: each has only the parameters that mean something to it, so the
schema a model is given refuses what makes no sense before anything runs. They only read, so calls may run
beside each other and again after a crash. Must not know how they do it.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Annotated, Final

from pydantic import Field

from rxstream.adapters.tools.confined import Root
from rxstream.adapters.tools.working import Limits, Watch, Work
from rxstream.errors import AuthorError, MissingExtra
from rxstream.tools import Tool, ToolContext

_NEEDED: Final = ("charset_normalizer", "PIL", "regex")
_MIN_OUTPUT: Final = 4_096
_MAX_OUTPUT: Final = 200_000

_Path = Annotated[str, Field(description="relative to the root; the root itself is .")]
_Everything = Annotated[bool, Field(description="also dot-files and what .gitignore leaves out")]


def files(
    root: str | os.PathLike[str] = ".",
    *,
    output: int = Limits.output,
    seconds: float = Limits.seconds,
    entries: int = Limits.entries,
    ripgrep: bool = True,
) -> list[Tool]:
    """`view`, `find` and `tree` for what is below `root`, and nothing else.

    A call puts out at most `output` characters, works at most so many `seconds` and looks at so many
    `entries`, and says where it stopped. Raises `AuthorError` and `MissingExtra`.
    """
    for name in _NEEDED:
        if importlib.util.find_spec(name) is None:
            raise MissingExtra("file tools need an extra: pip install 'rxstream[files]'")
    if not _MIN_OUTPUT <= output <= _MAX_OUTPUT:
        raise AuthorError(
            f"output={output} of file tools must be between {_MIN_OUTPUT:,} and {_MAX_OUTPUT:,} characters"
        )
    # what needs the extra is imported only now
    from rxstream.adapters.tools.finding import Sought
    from rxstream.adapters.tools.finding import find as finding
    from rxstream.adapters.tools.ripgrep import installed
    from rxstream.adapters.tools.trees import Shape
    from rxstream.adapters.tools.trees import tree as showing
    from rxstream.adapters.tools.viewing import Wanted
    from rxstream.adapters.tools.viewing import view as viewing

    below = Root(root)
    limits = Limits(output, seconds, entries)
    program = installed() if ripgrep else None

    def view(
        context: ToolContext,
        path: _Path,
        start: Annotated[int, Field(ge=1, description="first line")] = 1,
        lines: Annotated[int, Field(ge=1, le=5_000, description="how many lines")] = 500,
        offset: Annotated[
            int | None,
            Field(description="show bytes from here on instead of lines; negative: from the end"),
        ] = None,
        encoding: Annotated[
            str | None, Field(max_length=40, description="only where the one found is wrong")
        ] = None,
    ) -> Work:
        """Show a file with numbered lines; images, archives and other binary files are described."""
        wanted = Wanted(path, start, lines, offset, encoding)
        yield from viewing(below, wanted, limits, Watch(context, seconds))

    def find(
        context: ToolContext,
        path: _Path = ".",
        names: Annotated[
            str | None,
            Field(max_length=500, description="files such as *.py, src/**/*.ts, *.{c,h}"),
        ] = None,
        text: Annotated[
            str | None,
            Field(min_length=1, max_length=1_000, description="lines that hold this text"),
        ] = None,
        regex: Annotated[
            str | None,
            Field(
                min_length=1, max_length=1_000, description="lines this regular expression matches"
            ),
        ] = None,
        ignore_case: bool = False,
        everything: _Everything = False,
        limit: Annotated[int, Field(ge=1, le=2_000, description="most files or lines")] = 200,
    ) -> Work:
        """Find files by name, or the lines in them that hold a text or match a regular expression."""
        sought = Sought(path, names, text, regex, ignore_case, everything, limit)
        yield from finding(below, sought, limits, Watch(context, seconds), program)

    def tree(
        context: ToolContext,
        path: _Path = ".",
        depth: Annotated[int, Field(ge=1, le=20)] = 3,
        limit: Annotated[int, Field(ge=1, le=2_000, description="most entries")] = 400,
        everything: _Everything = False,
    ) -> Work:
        """Show what is in a folder and below, with sizes."""
        shape = Shape(path, depth, limit, everything)
        yield from showing(below, shape, limits, Watch(context, seconds))

    return [
        Tool(function, parallel=True, idempotent=True, tags=("files",))
        for function in (view, find, tree)
    ]
