"""The files a new plugin begins with: code that runs, a test that passes, and what installs it.

Nothing that is there already is written over.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path
from typing import Final

from rxstream.adapters.cli import failure
from rxstream.plugins.discovery import installed

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}\Z")

_PROJECT: Final = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{distribution}"
version = "0.1.0"
dependencies = ["rxstream"]

# rxstream finds the plugin by this once the project is installed.
[project.entry-points."rxstream.plugins"]
{module} = "{module}:{title}"

[tool.setuptools]
py-modules = ["{module}"]
"""

_CODE: Final = '''\
"""The plugin {module}."""

from collections.abc import AsyncIterator
from typing import Annotated

from pydantic import Field

from rxstream.plugins import ActionContext, Plugin, action


class {title}(Plugin):
    """Says what it does in one line."""

    name = "{module}"
    version = "0.1.0"

    @action(idempotent=True)
    async def greet(self, name: str) -> str:
        """A greeting."""
        return f"Hello {{name}}"

    @action(resumable=True)
    async def count(
        self, context: ActionContext, upto: Annotated[int, Field(ge=1)] = 10
    ) -> AsyncIterator[int]:
        """Counts, and goes on where it was after a crash."""
        for number in range(context.start or 0, upto):
            context.seek_point(number + 1)
            context.progress(100 * (number + 1) / upto, f"{{number + 1}} of {{upto}}")
            yield number
'''

_TEST: Final = """\
import asyncio

from {module} import {title}

from rxstream.plugins import PluginManager
from rxstream.testing import check_plugin


def test_it_keeps_the_contract():
    check_plugin({title}, {{"greet": {{"name": "you"}}, "count": {{"upto": 5}}}})


def test_it_counts():
    plugins = PluginManager()
    plugins.load({title})
    assert asyncio.run(plugins.call("{module}.count", {{"upto": 3}})) == [0, 1, 2]
"""


def write(name: str, into: Path) -> list[Path]:
    """Make the folder of a new plugin; the result is what was written. Raises `Failure`."""
    if not _NAME.match(name) or keyword.iskeyword(name):
        raise failure.Failure(
            f"{name[:80]!r} cannot be a plugin's name: use a small letter, then letters, digits, _ or -",
            failure.USAGE,
        )
    module = name.replace("-", "_")
    title = "".join(part.capitalize() for part in module.split("_") if part)
    folder = into / name
    taken = importlib.util.find_spec(module)
    if folder.exists():
        raise failure.Failure(f"{folder} is there already: choose another name", failure.USAGE)
    if taken is not None and taken.origin is not None:  # else it is but a folder
        raise failure.Failure(
            f"there is a module {module!r} already: choose another name", failure.USAGE
        )
    if module in {place.label for place in installed()}:
        raise failure.Failure(
            f"there is a plugin {module!r} already: choose another name", failure.USAGE
        )
    folder.mkdir(parents=True)
    written = []
    for file, text in (
        ("pyproject.toml", _PROJECT),
        (f"{module}.py", _CODE),
        (f"test_{module}.py", _TEST),
    ):
        path = folder / file
        distribution = f"rxstream-{name.replace('_', '-')}"
        path.write_text(
            text.format(distribution=distribution, module=module, title=title), encoding="utf-8"
        )
        written.append(path)
    return written
