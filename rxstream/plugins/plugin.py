"""`Plugin`: what authors derive from, and how any object that can act becomes one that is loaded.

A plugin says what it can do in its class and holds no run's state: one instance serves all its actions, side
by side. Must not know how it is found.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, Protocol

from rxstream.plugins.declaring import Action, ActionDescription, declared_actions
from rxstream.plugins.errors import PluginError, UnknownAction
from rxstream.plugins.legacy import LegacyAction, is_legacy
from rxstream.plugins.running import ActionContext

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z")

StateType = tuple[str, type[Any], Callable[[Any], Any], Callable[[Any], Any]]
"""What `rxstream.statecodec.register` takes: a tag, a class, and a function to each side."""


class Plugin:
    """Actions under a name; what is not declared is as if it were not there.

    class Text(Plugin):
        version = "1.0"

        @action(tags=("text",))
        async def words(self, text: str, least: int = 1) -> AsyncIterator[str]:
            "The words of a text."
            for word in text.split():
                if len(word) >= least:
                    yield word

    The name is the class's in lower case, without a last "Plugin", unless `name` says another.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = "0"
    description: ClassVar[str] = ""
    tags: ClassVar[Iterable[str]] = ()
    """Tags of every action of it."""
    operators: ClassVar[Mapping[str, Callable[..., Any]]] = {}
    """Functions that make pipeable operators; found as `plugins.operators.NAME` once it is loaded."""
    sources: ClassVar[Mapping[str, Callable[..., Any]]] = {}
    """Functions that make Streams or Sources; found as `plugins.sources.NAME`."""
    sinks: ClassVar[Mapping[str, Callable[..., Any]]] = {}
    """Functions that make Sinks; found as `plugins.sinks.NAME`."""
    state_types: ClassVar[Iterable[StateType]] = ()
    """Types that checkpoints shall be able to hold."""

    def provided(self) -> Mapping[str, Performable]:
        """Actions that are not methods of this class: those of a plugin that only stands for another."""
        return {}


class Performable(Protocol):
    """One action of a loaded plugin, declared or of the older kind."""

    description: ActionDescription
    streams: bool

    def check(self, params: Mapping[str, Any]) -> dict[str, Any]: ...

    def start(self, values: Mapping[str, Any], context: ActionContext) -> Any: ...


class LoadedPlugin:
    """One version of a plugin, as it was loaded. What was started of it goes on with it."""

    def __init__(self, origin: Any, source: str) -> None:
        self.origin = origin
        """The author's object."""
        self.source = source
        """Where it is from, as `folder …`, `module …`, `entry point …` or `object`."""
        kind = type(origin)
        # one that derives from Plugin and declares nothing is moved here from elsewhere
        self.legacy = not isinstance(origin, Plugin) or (
            is_legacy(origin) and not origin.provided() and not declared_actions(origin)
        )
        self.name = _name_of(origin)
        self.version = str(getattr(origin, "version", "0"))
        text = getattr(origin, "description", "") or inspect.getdoc(kind) or ""
        self.description = str(text).strip().partition("\n")[0]
        if isinstance(origin, Plugin) and kind.__doc__ is None and not origin.description:
            self.description = ""
        tags = getattr(origin, "tags", ())
        self.tags = tuple(tags) if isinstance(tags, Iterable) and not isinstance(tags, str) else ()
        self.actions: dict[str, Performable] = dict(self._declared())

    def action(self, name: str) -> Performable:
        """Raises `UnknownAction`."""
        found = self.actions.get(name)
        if found is None and self.legacy and not self.actions:
            return LegacyAction(self.origin, self.name, self.version, name, self.tags)
        if found is None:
            known = ", ".join(self.actions) or "none"
            raise UnknownAction(f"plugin {self.name!r} has no action {name!r}: there are {known}")
        return found

    def extensions(self, kind: str) -> Mapping[str, Callable[..., Any]]:
        """Its operators, sources or sinks by name."""
        found = getattr(self.origin, kind, {}) if isinstance(self.origin, Plugin) else {}
        if not isinstance(found, Mapping) or not all(map(callable, found.values())):
            raise PluginError(f"{kind} of plugin {self.name!r} are not functions by name")
        return found

    @property
    def state_types(self) -> tuple[StateType, ...]:
        """What it lets checkpoints hold."""
        return tuple(self.origin.state_types) if isinstance(self.origin, Plugin) else ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "source": self.source,
            "legacy": self.legacy,
            "tags": list(self.tags),
            "actions": [found.description.to_dict() for found in self.actions.values()],
            "operators": sorted(self.extensions("operators")),
            "sources": sorted(self.extensions("sources")),
            "sinks": sorted(self.extensions("sinks")),
        }

    def _declared(self) -> Iterable[tuple[str, Performable]]:
        if self.legacy:
            for name in _legacy_names(self.origin):
                yield name, LegacyAction(self.origin, self.name, self.version, name, self.tags)
            return
        yield from self.origin.provided().items()
        for name, (method, declared) in declared_actions(self.origin).items():
            if not _NAME.match(name):
                raise PluginError(f"{name[:80]!r} cannot be the name of an action of {self.name!r}")
            found = Action(self.name, self.version, method, declared, self.tags)
            yield name, found


def instance_of(found: Any) -> Any:
    """The plugin object behind a class or an object. Raises `PluginError` for what is none.

    A class is called without arguments.
    """
    if not isinstance(found, Plugin) and not is_legacy(found):
        is_plugin = inspect.isclass(found) and issubclass(found, Plugin)
        if not is_plugin:
            label = getattr(found, "__name__", type(found).__name__)
            raise PluginError(
                f"{label} is not a plugin: derive it from rxstream.plugins.Plugin, or give it "
                "execute_action or execute_action_stream"
            )
    if not inspect.isclass(found):
        return found
    try:
        return found()
    except Exception as error:
        raise PluginError(
            f"plugin {found.__name__} cannot be made: {type(error).__name__}: {error}"
        ) from error


def offered_by(module: Any) -> list[Any]:
    """The plugins of a module: its `PLUGINS`, or else each public class that is one and defined there.

    A package also offers what it imports from a module of its own.
    """
    listed = getattr(module, "PLUGINS", None)
    if listed is not None:
        return list(listed)
    own = (module.__name__, f"{module.__name__}." if hasattr(module, "__path__") else "")
    found = [
        found
        for name, found in vars(module).items()
        if inspect.isclass(found)
        and not name.startswith("_")
        and (found.__module__ == own[0] or (own[1] and found.__module__.startswith(own[1])))
        and (issubclass(found, Plugin) or is_legacy(found))
    ]
    return list(dict.fromkeys(found))  # one class may have two names


def _name_of(origin: Any) -> str:
    label = type(origin).__name__
    name = getattr(origin, "name", "") or label.removesuffix("Plugin").lower() or label.lower()
    if not isinstance(name, str) or not _NAME.match(name):
        raise PluginError(
            f"{str(name)[:80]!r} cannot be a plugin's name: use a letter, then letters, digits, _ or -"
        )
    return name


def _legacy_names(origin: Any) -> list[str]:
    listed = getattr(origin, "actions", ())
    if callable(listed):
        return []
    return [name for name in listed if isinstance(name, str)]
