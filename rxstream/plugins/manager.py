"""`PluginManager`: which plugins there are, and streams of what they can do.

A broken plugin is kept as what is wrong with it and leaves the others alone. A stream belongs to the version
that was loaded when it was made, so loading, unloading and reloading never touch what runs. Nothing runs
here: an action becomes a `Stream`, and the engine runs that.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from rxstream import operators as ops
from rxstream.engine.resources import acquire_missing
from rxstream.errors import AuthorError, InvalidParameters
from rxstream.plugins import discovery
from rxstream.plugins.access import EVERYTHING, Access
from rxstream.plugins.declaring import ActionDescription
from rxstream.plugins.discovery import Found
from rxstream.plugins.errors import PluginError, UnknownAction
from rxstream.plugins.extensions import Extensions, Namespace
from rxstream.plugins.legacy import LegacyAction
from rxstream.plugins.performing import action_stream
from rxstream.plugins.plugin import LoadedPlugin, Performable, instance_of
from rxstream.plugins.queries import gives, takes
from rxstream.plugins.running import CancellationToken, ProgressCallback
from rxstream.stream import Stream

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be loaded: where it is, and why not. A version before it may still serve."""

    name: str
    source: str
    error: BaseException
    place: Found | None = None
    """Where another attempt would look."""

    @property
    def message(self) -> str:
        """What is wrong, in one line."""
        said = " ".join(str(self.error).split())
        return (
            said if isinstance(self.error, PluginError) else f"{type(self.error).__name__}: {said}"
        )


class PluginManager:
    """Plugins by name. With `access` only what its rules allow can be seen and used.

    With `everywhere` the operators, sources and sinks that its plugins bring are also found beside ours as
    long as they are loaded: in `rxstream.operators` and as methods of Streams, in `rxstream.adapters.sources`
    and in `rxstream.adapters.sinks`.

    plugins = PluginManager()
    plugins.discover(folders=["plugins"])
    words = plugins.stream("text.words", {"text": "to be or not"})
    async for word in words.map(str.upper): ...
    """

    def __init__(self, *, access: Access | None = None, everywhere: bool = False) -> None:
        self._access = access or EVERYTHING
        self._loaded: dict[str, LoadedPlugin] = {}
        self._found: dict[str, Found] = {}
        self._broken: dict[str, Broken] = {}
        self._extensions = Extensions(everywhere=everywhere)

    # -- which there are -----------------------------------------------------------------------

    @property
    def plugins(self) -> Mapping[str, LoadedPlugin]:
        """What is loaded, by name."""
        return dict(self._loaded)

    @property
    def broken(self) -> Mapping[str, Broken]:
        """What could not be loaded, by the name it was found under."""
        return dict(self._broken)

    @property
    def operators(self) -> Namespace:
        """rxstream's operators and those of plugins, as attributes."""
        return self._extensions.operators

    @property
    def sources(self) -> Namespace:
        """rxstream's functions that create Streams and those of plugins, as attributes."""
        return self._extensions.sources

    @property
    def sinks(self) -> Namespace:
        """Sinks of plugins, as attributes."""
        return self._extensions.sinks

    def discover(
        self,
        *,
        entry_points: bool | Collection[str] = True,
        modules: Iterable[str] = (),
        folders: Iterable[str | Path] = (),
    ) -> list[str]:
        """Load whatever can be found; the result names what was loaded. Never raises for a broken plugin.

        Installed plugins come first (`entry_points` may name those that are meant), and a name belongs to
        the first that has it. What was loaded from a place before stays as it is.
        """
        places = [
            place
            for place in (discovery.installed() if entry_points else ())
            if isinstance(entry_points, bool) or place.label in entry_points
        ]
        places += [discovery.in_module(name) for name in modules]
        for folder in folders:
            try:
                places += discovery.in_folder(folder)
            except PluginError as error:
                self._broken[str(folder)] = Broken(str(folder), f"folder {folder}", error)
        names: list[str] = []
        for place in places:
            try:
                names += self._load_found(place)
            except PluginError:
                continue  # it is reported
        return names

    def discover_for(self, action: str) -> None:
        """Load the installed plugin of `plugin.action`: the one of that name, or else all."""
        name = action.partition(".")[0]
        if name not in self._loaded:
            self.discover(entry_points=(name,))
        if name not in self._loaded and name not in self._broken:
            self.discover()

    def load(self, plugin: Any) -> list[str]:
        """Load one plugin: an object, a class, a module's name (`module:Class`), a file's or folder's `Path`.

        The result names what it offered; a place that is loaded stays as it is. Raises `PluginError`, after
        which nothing of it is loaded.
        """
        if isinstance(plugin, Path):
            if plugin.suffix == ".py":
                return self._load_found(discovery.in_file(plugin))
            places = list(discovery.in_folder(plugin))
            return [name for place in places for name in self._load_found(place)]
        if isinstance(plugin, str):
            return self._load_found(discovery.in_module(plugin))
        loaded = LoadedPlugin(instance_of(plugin), "object")
        self._refuse_taken([loaded])
        self._put(loaded)
        return [loaded.name]

    def unload(self, name: str) -> None:
        """Forget a plugin. What was made of it before goes on. Raises `UnknownAction`."""
        self._plugin(name)
        del self._loaded[name]
        self._found.pop(name, None)
        self._extensions.remove(name)

    def reload(self, name: str) -> LoadedPlugin:
        """Import a plugin anew and serve that version from now on, or try a broken one again.

        Streams that were made before keep theirs, whether they have begun or not. When the new version is
        broken the old one stays, and it is in `broken`; raises `PluginError`.
        """
        broken = self._broken.get(name)
        if name not in self._loaded and broken is not None and broken.place is not None:
            names = self._load_found(broken.place)
            return self._loaded[name if name in names else names[0]]
        self._plugin(name)
        found = self._found.get(name)
        if found is None:
            raise PluginError(
                f"plugin {name!r} was loaded as an object: unload it and load another"
            )
        news = self._import(found, anew=True)
        by_name = {plugin.name: plugin for plugin in news}
        siblings = [other for other, place in self._found.items() if place == found]
        if name not in by_name:
            error = PluginError(f"{found.source} offers no plugin named {name!r} any more")
            self._report(found, error)
            raise error
        try:
            self._refuse_taken([new for new in news if new.name not in siblings])
            for plugin in news:
                self._extensions.check(plugin)
            for plugin in news:
                self._put(plugin, found)
        except PluginError as error:
            self._report(found, error)
            raise
        for gone in [other for other in siblings if other not in by_name]:
            self.unload(gone)
        return by_name[name]

    # -- what they can do ----------------------------------------------------------------------

    def actions(
        self,
        *,
        streaming: bool | None = None,
        tags: Iterable[str] = (),
        parameter: str | None = None,
        item: str | None = None,
        resumable: bool | None = None,
    ) -> list[ActionDescription]:
        """Actions that may be used and are all that is asked for.

        `tags` must all be there; `parameter` is one's name, or `name:type` with a type of JSON Schema;
        `item` is the type of an element, or the title of its schema.
        """
        wanted = {tags} if isinstance(tags, str) else set(tags)
        every = [
            performable.description
            for plugin in self._loaded.values()
            for performable in plugin.actions.values()
        ]
        return [
            found
            for found in every
            if self._access.allows(found.id)
            and (streaming is None or found.streaming is streaming)
            and (resumable is None or found.resumable is resumable)
            and wanted <= set(found.tags)
            and (parameter is None or takes(found, parameter))
            and (item is None or gives(found, item))
        ]

    def describe(self, action: str) -> ActionDescription:
        """What may be known of `plugin.action`. Raises `UnknownAction` and `ActionDenied`."""
        return self._action(action).description

    def performable(self, action: str) -> Performable:
        """What runs `plugin.action`, for whoever makes something else of it than a Stream.

        It stays the version that is loaded now. Raises `UnknownAction` and `ActionDenied`.
        """
        return self._action(action)

    # -- running them --------------------------------------------------------------------------

    def stream(
        self,
        action: str,
        params: Mapping[str, Any] | None = None,
        *,
        progress_callback: ProgressCallback | None = None,
        cancellation_token: CancellationToken | None = None,
        idle_timeout: float | None = None,
        total_timeout: float | None = None,
        buffer_size: int | None = None,
    ) -> Stream[Any]:
        """A Stream of `plugin.action`: checked now, started whenever somebody reads it.

        A cancelled token ends it with `ExecutionCancelled`; timeouts, in seconds, with `ExecutionTimeout`.
        `buffer_size` is how many elements may wait for the reader. Raises `UnknownAction`, `ActionDenied`,
        `InvalidParameters`, and `AuthorError` for a callback, a token, a time or a size that is none.
        """
        return self._stream(
            self._action(action),
            params,
            progress_callback,
            cancellation_token,
            idle_timeout,
            total_timeout,
            buffer_size,
        )

    async def call(
        self,
        action: str,
        params: Mapping[str, Any] | None = None,
        *,
        progress_callback: ProgressCallback | None = None,
        cancellation_token: CancellationToken | None = None,
        idle_timeout: float | None = None,
        total_timeout: float | None = None,
        buffer_size: int | None = None,
    ) -> Any:
        """The value of `plugin.action`; of one that streams a list of all its elements, or its last.

        Which of the two, the action declares; the last of none is None. Called in a node that an engine runs,
        it waits for the resources that the action needs, unless its caller has acquired them. Everything
        else as in `stream`.
        """
        found = self._action(action)
        if isinstance(found, LegacyAction):
            found = found.one_shot()
        made = self._stream(
            found,
            params,
            progress_callback,
            cancellation_token,
            idle_timeout,
            total_timeout,
            buffer_size,
        )
        if found.streams and found.description.returns == "last":
            made = made.pipe(ops.default_if_empty(None))
        elif found.streams:
            made = made.pipe(ops.to_list())
        async with acquire_missing(found.description.resources):
            return await made

    # -- inside --------------------------------------------------------------------------------

    def _stream(
        self,
        found: Performable,
        params: Mapping[str, Any] | None,
        told: ProgressCallback | None,
        token: CancellationToken | None,
        idle_timeout: float | None,
        total_timeout: float | None,
        buffer_size: int | None,
    ) -> Stream[Any]:
        if params is not None and not isinstance(params, Mapping):
            raise InvalidParameters(f"parameters are values by name, not {type(params).__name__}")
        if told is not None and (not callable(told) or inspect.iscoroutinefunction(told)):
            raise AuthorError("progress_callback is a plain function of one Progress")
        if token is not None and not isinstance(token, CancellationToken):
            raise AuthorError("cancellation_token is a rxstream.plugins.CancellationToken")
        if not (buffer_size is None or isinstance(buffer_size, int)):
            raise AuthorError(f"buffer_size is a number of elements, not {buffer_size!r}")
        values = found.check(params or {})
        made = action_stream(found, values, token, told)
        if buffer_size is not None:
            made = made.pipe(ops.block(buffer_size))
        if idle_timeout is not None:
            made = made.pipe(ops.idle_timeout(idle_timeout))
        if total_timeout is not None:
            made = made.pipe(ops.total_timeout(total_timeout))
        return made

    def _action(self, action: str) -> Performable:
        plugin, dot, name = action.partition(".") if isinstance(action, str) else ("", "", "")
        if not dot:
            raise UnknownAction(f"{action!r} names no action: say plugin.action")
        # whether it is there is not told to those who may not use it
        self._access.check(action)
        return self._plugin(plugin).action(name)

    def _plugin(self, name: str) -> LoadedPlugin:
        found = self._loaded.get(name)
        if found is not None:
            return found
        broken = self._broken.get(name)
        why = f", it is broken: {broken.message}" if broken is not None else ""
        known = ", ".join(sorted(self._loaded)) or "none"
        raise UnknownAction(f"no plugin {name!r} is loaded{why}; there are {known}")

    def _load_found(self, found: Found) -> list[str]:
        known = [name for name, place in self._found.items() if place == found]
        if known:
            return known
        plugins = self._import(found)
        try:
            self._refuse_taken(plugins)
            for plugin in plugins:
                self._put(plugin, found)
        except PluginError as error:
            for plugin in plugins:
                if self._loaded.get(plugin.name) is plugin:
                    self.unload(plugin.name)
            self._report(found, error)
            raise
        return [plugin.name for plugin in plugins]

    def _import(self, found: Found, *, anew: bool = False) -> list[LoadedPlugin]:
        try:
            return [
                LoadedPlugin(instance_of(offered), found.source)
                for offered in found.load(anew=anew)
            ]
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # importing a plugin may even exit
            self._report(found, error)
            if isinstance(error, PluginError):
                raise
            raise PluginError(
                f"{found.source} cannot be loaded: {type(error).__name__}: {error}"
            ) from error

    def _refuse_taken(self, plugins: Iterable[LoadedPlugin]) -> None:
        names: set[str] = set()
        for plugin in plugins:
            taken = self._loaded.get(plugin.name)
            if taken is not None or plugin.name in names:
                where = taken.source if taken is not None else plugin.source
                raise PluginError(f"plugin {plugin.name!r} is already loaded, from {where}")
            names.add(plugin.name)

    def _put(self, plugin: LoadedPlugin, found: Found | None = None) -> None:
        self._extensions.check(plugin)
        self._extensions.add(plugin)
        self._loaded[plugin.name] = plugin
        if found is not None:
            self._found[plugin.name] = found
            self._broken.pop(found.label, None)

    def _report(self, found: Found, error: BaseException) -> None:
        broken = Broken(found.label, found.source, error, found)
        self._broken[found.label] = broken
        _log.warning("plugin_broken", plugin=found.label, source=found.source, error=broken.message)
