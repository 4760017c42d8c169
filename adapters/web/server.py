"""A server of its own for an engine, for the command line and for tests.

Without authentication it serves this machine only: another address is refused before anything listens.
"""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.typedefs import Handler

from rxstream.adapters.web import errors
from rxstream.adapters.web.guard import is_loopback
from rxstream.adapters.web.mount import setup
from rxstream.adapters.web.settings import DEFAULTS, Settings
from rxstream.errors import AuthorError, WorldError

if TYPE_CHECKING:
    from rxstream.engine import Engine

_log = structlog.get_logger("rxstream.web")


class Server:
    """A listening server. `url` has the real port."""

    def __init__(self, runner: web.AppRunner, url: str) -> None:
        self._runner = runner
        self.url = url

    @property
    def connections(self) -> int:
        """Connections open now."""
        server = self._runner.server
        return 0 if server is None else len(server.connections)

    async def close(self) -> None:
        """Close streams, then connections; bounded by the settings' `close_timeout`, about twice."""
        await self._runner.cleanup()


async def serve(
    engine: Engine,
    host: str = "127.0.0.1",
    port: int = 8765,
    *,
    settings: Settings = DEFAULTS,
    access_log: bool = False,
) -> Server:
    """Listen on a loopback address; port 0 takes a free one.

    Raises `AuthorError` for a host that is not this machine, and `WorldError` (`port_in_use`) when
    somebody listens there already.
    """
    if not is_loopback(host):
        raise AuthorError(
            f"{host!r} is not a loopback address: without authentication rxstream serves this "
            "machine only, so give 127.0.0.1 (or put a proxy that authenticates in front)",
            code="not_loopback",
        )
    if not 0 <= port <= 65_535:
        raise AuthorError(f"{port} is not a port: give one from 0 to 65535", code="invalid_port")
    app = web.Application(middlewares=[_whole], client_max_size=settings.max_body_bytes)
    setup(app, engine, settings=settings)
    runner = web.AppRunner(
        app,
        handler_cancellation=True,
        keepalive_timeout=settings.idle_timeout,
        shutdown_timeout=settings.close_timeout,
        access_log=logging.getLogger("rxstream.web.access") if access_log else None,
        access_log_class=AccessLog,
    )
    # one address, so that port 0 is one port: "localhost" may resolve to two
    address = "127.0.0.1" if host.rstrip(".").endswith("localhost") else host.strip("[]")
    await runner.setup()
    try:
        site = web.TCPSite(runner, address, port, reuse_address=True)
        await site.start()
    except OSError as error:
        await runner.cleanup()
        if error.errno == errno.EADDRINUSE:
            raise WorldError(
                f"port {port} on {host} is in use: give another one, or 0 for a free one",
                code="port_in_use",
            ) from error
        raise WorldError(
            f"cannot listen on {host} port {port}: {error.strerror or error}", code="cannot_listen"
        ) from error
    except BaseException:
        await runner.cleanup()
        raise
    shown = f"[{address}]" if ":" in address else address
    return Server(runner, f"http://{shown}:{runner.addresses[0][1]}")


@web.middleware
async def _whole(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors of paths the API does not know are said in its shape too: nobody else is here."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return errors.answer(error)


class AccessLog(AbstractAccessLogger):
    """Who asked for what, without the query: a query may hold what is nobody's business."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """One line for one answer."""
        _log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status,
            seconds=round(time, 4),
        )
