"""Finding plugins: installed ones by entry point, a module by its name, a folder by its path.

What is found is a `Found`: where it is, and how to import it, also anew. Importing anew makes a module of
its own each time, so code of the version before keeps what it had. Must not know who keeps the plugins.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from rxstream.plugins.errors import PluginError
from rxstream.plugins.plugin import offered_by

GROUP: Final = "rxstream.plugins"
"""Of the entry points of installed plugins: each names a plugin's class, or a module of them."""


@dataclass(frozen=True)
class Found:
    """A place plugins come from: a module, and the one thing in it that is meant, or all it offers."""

    label: str
    source: str
    module: str
    attribute: str = ""
    path: Path | None = None

    def load(self, *, anew: bool = False) -> list[Any]:
        """The classes and objects there. Raises whatever importing them raises."""
        module = self._import(anew)
        if not self.attribute:
            offered = offered_by(module)
            if not offered:
                raise PluginError(f"{self.source} has no plugin in it")
            return offered
        found: Any = module
        for name in self.attribute.split("."):
            found = getattr(found, name)
        return offered_by(found) if isinstance(found, ModuleType) else [found]

    def _import(self, anew: bool) -> ModuleType:
        if self.path is None and not anew:
            return importlib.import_module(self.module)
        importlib.invalidate_caches()
        spec = _fresh_spec(self.module, self.path)
        if spec is None or spec.loader is None:
            raise PluginError(f"no module {self.module!r} can be found")
        inside = f"{self.module}."
        before = {
            name: module
            for name, module in sys.modules.items()
            if name == self.module or name.startswith(inside)
        }
        for name in before:
            del sys.modules[name]
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.module] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            for name in [n for n in sys.modules if n == self.module or n.startswith(inside)]:
                del sys.modules[name]
            sys.modules.update(before)
            raise
        parent, _, child = self.module.rpartition(".")
        if parent in sys.modules:
            setattr(sys.modules[parent], child, module)
        return module


def installed() -> Iterator[Found]:
    """What installed distributions offer, by name."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        yield _of_entry_point(point)


def in_module(name: str) -> Found:
    """The plugins of a module that can be imported; `module:Class` means one of them."""
    module, _, attribute = name.partition(":")
    return Found(name, f"module {name}", module, attribute)


def in_folder(folder: str | Path) -> Iterator[Found]:
    """Every `.py` file of a folder and every package in it.

    What begins with `_` or a dot is passed by, and so are tests: `test_….py` and `conftest.py`.
    """
    place = Path(folder)
    if not place.is_dir():
        raise PluginError(f"{folder} is no folder")
    for path in sorted(place.iterdir()):
        if path.name.startswith(("_", ".", "test_")) or path.name == "conftest.py":
            continue
        if path.suffix == ".py" and path.is_file():
            yield in_file(path)
        elif path.joinpath("__init__.py").is_file():
            yield in_file(path / "__init__.py")


def in_file(path: Path) -> Found:
    """The plugins of one file; what is imported is named after its whole path, so names cannot clash."""
    path = path.resolve()
    named = path.parent if path.name == "__init__.py" else path
    # a hash would do too, but a traceback is to be read
    letters = "".join(c if c.isalnum() else "_" for c in str(named.with_suffix("")))
    return Found(named.stem, f"file {path}", f"rxstream_plugin{letters}", path=path)


def _of_entry_point(point: EntryPoint) -> Found:
    return Found(point.name, f"entry point {point.value}", point.module, point.attr)


class _Fresh(SourceFileLoader):
    """Compiles the source each time: bytecode of a file edited within the same second may be stale."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _fresh_spec(name: str, path: Path | None) -> ModuleSpec | None:
    if path is None:
        known = importlib.util.find_spec(name)
        if known is None or known.origin is None or not known.has_location:
            return known
        path = Path(known.origin)
        if path.suffix != ".py":
            return known
    package = [str(path.parent)] if path.name == "__init__.py" else None
    return importlib.util.spec_from_file_location(
        name, path, loader=_Fresh(name, str(path)), submodule_search_locations=package
    )
