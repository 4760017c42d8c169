"""What plugins bring beside actions: operators, sources and sinks under their names, beside ours.

One namespace for each kind, and on request the modules of ours and the methods of Streams too. A name belongs
to whoever had it first, and ours cannot be taken; a plugin that wants a taken name is refused whole, so that
no graph gets another operator than it was drawn with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, Final

from rxstream import added, operators, statecodec
from rxstream.errors import AuthorError
from rxstream.operators import create
from rxstream.operators._fluent import add_method, has_method, remove_method
from rxstream.plugins.errors import PluginError
from rxstream.plugins.plugin import LoadedPlugin
from rxstream.stream import make_source

KINDS: Final[tuple[added.Kind, ...]] = ("operators", "sources", "sinks")


class Namespace:
    """Functions by name, as attributes: ours, then those of loaded plugins."""

    def __init__(self, kind: str, ours: ModuleType) -> None:
        self._kind = kind
        self._ours = ours
        self._owners: dict[str, str] = {}
        self._functions: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found = self._functions.get(name) or self._own(name)
        if found is None:
            raise AttributeError(
                f"no {self._kind.removesuffix('s')} is named {name!r}, here or in a loaded plugin"
            )
        return found

    def __iter__(self) -> Iterator[str]:
        """Names that plugins brought."""
        return iter(sorted(self._functions))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._functions or self._own(name) is not None)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def _own(self, name: str) -> Callable[..., Any] | None:
        # not what is an attribute of it, because that may have been added
        found = None if name.startswith("_") else vars(self._ours).get(name)
        return found if callable(found) else None

    def _problem(self, plugin: str, names: Mapping[str, Any]) -> str | None:
        for name in names:
            if not name.isidentifier() or name.startswith("_") or hasattr(type(self), name):
                return f"{name[:80]!r} cannot be a name among {self._kind}"
            if self._own(name) is not None:
                return f"{name!r} is among rxstream's own {self._kind}"
            if self._owners.get(name, plugin) != plugin:
                return f"{name!r} among {self._kind} is of plugin {self._owners[name]!r}"
        return None


class Extensions:
    """The three namespaces of one `PluginManager`; `everywhere` shows what they hold beside ours too."""

    def __init__(self, *, everywhere: bool = False) -> None:
        self._everywhere = everywhere
        self.operators = Namespace("operators", operators)
        self.sources = Namespace("sources", create)
        self.sinks = Namespace("sinks", ModuleType("nothing"))

    def check(self, plugin: LoadedPlugin) -> None:
        """Raises `PluginError` where a name cannot be taken."""
        for kind in KINDS:
            space, brought = self._space(kind), plugin.extensions(kind)
            problem = space._problem(plugin.name, brought)
            if problem is None and self._everywhere:
                problem = _problem_everywhere(kind, [n for n in brought if n not in space._owners])
            if problem is not None:
                raise PluginError(f"plugin {plugin.name!r}: {problem}")

    def add(self, plugin: LoadedPlugin) -> None:
        """Put in place what was checked, instead of what an older version brought."""
        try:
            for tag, kind, encode, decode in plugin.state_types:
                statecodec.register(tag, kind, encode, decode)
        except AuthorError as error:
            raise PluginError(f"plugin {plugin.name!r}: {error.message}") from error
        self.remove(plugin.name)
        for kind_name in KINDS:
            space = self._space(kind_name)
            for name, function in plugin.extensions(kind_name).items():
                made = _streaming(function) if kind_name == "sources" else function
                space._owners[name], space._functions[name] = plugin.name, made
                if self._everywhere:
                    added.add(kind_name, name, made)
                    if kind_name == "operators":
                        add_method(name, made)

    def remove(self, plugin: str) -> None:
        """Take away what a plugin brought. State types stay: stored state may still need them."""
        for kind in KINDS:
            space = self._space(kind)
            for name in [name for name, owner in space._owners.items() if owner == plugin]:
                del space._owners[name], space._functions[name]
                if self._everywhere:
                    added.remove(kind, name)
                    if kind == "operators":
                        remove_method(name)

    def _space(self, kind: str) -> Namespace:
        space: Namespace = getattr(self, kind)
        return space


def _problem_everywhere(kind: added.Kind, names: Iterable[str]) -> str | None:
    for name in names:
        problem = added.problem_with(kind, name)
        if problem is None and kind == "operators" and has_method(name):
            problem = f"every Stream has something named {name!r} already"
        if problem is not None:
            return problem
    return None


def _streaming(function: Callable[..., Any]) -> Callable[..., Any]:
    """A source's function may give whatever `rxstream.source` takes."""

    def made(*args: Any, **kwargs: Any) -> Any:
        return make_source(function(*args, **kwargs))

    made.__name__ = getattr(function, "__name__", "source")
    made.__doc__ = function.__doc__
    return made
