"""Mounts the API into an aiohttp application: its routes, one middleware, and what happens at the end.

Only requests for the API's own paths are looked at; the rest of the application is left as it was. When
the application shuts down, streams are closed first: nothing else would end them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.typedefs import Handler

from rxstream.adapters.web import errors, guard
from rxstream.adapters.web.connections import Connections
from rxstream.adapters.web.multiplex import MultiplexSocket
from rxstream.adapters.web.poll import Poll
from rxstream.adapters.web.rest import Rest
from rxstream.adapters.web.settings import DEFAULTS, Settings
from rxstream.adapters.web.site import Site
from rxstream.adapters.web.sse import ServerSentEvents
from rxstream.adapters.web.websocket import PipelineSocket
from rxstream.errors import AuthorError

if TYPE_CHECKING:
    from rxstream.engine import Engine

_TREES: Final = ("/api/", "/stream/", "/ws/")
_SHARED: Final = ("/", "/metrics", "/healthz", "/readyz", "/openapi.json")
"""Paths an application may well serve itself; then ours stand back."""


def setup(
    app: web.Application, engine: Engine, prefix: str = "", *, settings: Settings = DEFAULTS
) -> None:
    """Serve an engine's graphs and executions below `prefix` of an application.

    An engine that is not open yet is opened when the application starts, and drained and closed when it ends.
    Only loopback names may be asked for, and only pages of this server may change anything, unless
    `settings` name others. Raises `AuthorError` for a prefix that is no path.
    """
    prefix = prefix.rstrip("/")
    if prefix and (not prefix.startswith("/") or set(prefix) & set("{}?#")):
        raise AuthorError(f"the prefix {prefix!r} is not a path: it must look like '/streams'")
    connections = Connections(settings.max_streams)
    engine.url_prefix = prefix
    mount = _Mount(prefix, settings)
    mount.add(app, engine, connections)
    app.middlewares.append(mount.middleware)

    async def close_streams(_: web.Application) -> None:
        await connections.close(settings.close_timeout)

    async def life(_: web.Application) -> AsyncIterator[None]:
        if engine.log.is_open:
            yield
            return
        async with engine:
            yield
            await engine.drain()

    app.on_shutdown.append(close_streams)
    app.cleanup_ctx.append(life)


class _Mount:
    """The paths one `setup` serves."""

    def __init__(self, prefix: str, settings: Settings) -> None:
        self._prefix = prefix
        self._settings = settings
        self._resources: set[web.AbstractResource] = set()

    def add(self, app: web.Application, engine: Engine, connections: Connections) -> None:
        """Add every route of the contract."""
        settings = self._settings
        rest = Rest(engine, settings, connections)
        site = Site(engine, settings)
        poll = Poll(engine, settings, connections)
        sse = ServerSentEvents(engine, settings, connections)
        pipeline = PipelineSocket(engine, settings, connections)
        multiplex = MultiplexSocket(engine, settings, connections)
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/api/graphs", rest.graphs),
            ("GET", "/api/graphs/{name}", rest.graph),
            ("GET", "/api/executions", rest.executions),
            ("POST", "/api/executions", rest.start),
            ("GET", "/api/executions/{id}", rest.execution),
            ("POST", "/api/executions/{id}/cancel", rest.cancel),
            ("POST", "/api/executions/{id}/stop", rest.stop),
            ("POST", "/api/executions/{id}/detach", rest.detach),
            ("POST", "/api/executions/{id}/inputs", rest.send),
            ("POST", "/api/executions/{id}/inputs/{request_id}", rest.answer),
            ("GET", "/api/executions/{id}/events", poll.events),
            ("GET", "/api/executions/{id}/blobs/{sha256}", site.blob),
            ("GET", "/stream/pipeline/{id}", sse.stream),
            ("GET", "/ws/pipeline/{id}", pipeline.connect),
            ("GET", "/ws", multiplex.connect),
            ("GET", "/", site.page),
            ("GET", "/metrics", site.metrics),
            ("GET", "/healthz", site.health),
            ("GET", "/readyz", site.ready),
            ("GET", "/openapi.json", site.openapi),
        ]
        taken = {resource.canonical for resource in app.router.resources()}
        for method, path, handler in routes:
            if path in _SHARED and self._prefix + path in taken:
                continue
            self._add(app, method, path, handler)
        if self._prefix and self._prefix not in taken:
            self._add(app, "GET", "", self._to_page)

    def _add(self, app: web.Application, method: str, path: str, handler: Handler) -> None:
        # a HEAD of a stream would hold it open to send nothing
        head = method == "GET" and not path.startswith(("/stream", "/ws"))
        for verb in (method, "HEAD") if head else (method,):
            route = app.router.add_route(verb, self._prefix + path, handler)
            if route.resource is not None:
                self._resources.add(route.resource)

    async def _to_page(self, request: web.Request) -> web.StreamResponse:
        """The page's relative addresses need the slash after the prefix."""
        raise web.HTTPPermanentRedirect(request.path + "/")

    def _owns(self, request: web.Request) -> bool:
        if request.match_info.route.resource in self._resources:
            return True
        if request.match_info.http_exception is None:
            return False
        # nobody serves this path, or not with this method
        path = request.path
        if not path.startswith(self._prefix + "/"):
            return False
        path = path[len(self._prefix) :]
        return bool(self._prefix) or path == "/ws" or path in _SHARED or path.startswith(_TREES)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse who may not ask, and say every error in one shape."""
        if not self._owns(request):
            return await handler(request)
        try:
            guard.check(request, self._settings)
            return await handler(request)
        except web.HTTPException as answered:
            if answered.status < 400:
                raise
            return errors.answer(answered)
        except ConnectionError:
            raise  # the client is gone
        except Exception as error:
            return errors.answer(error)
