"""What stands beside the API: the page, blobs, metrics, health.

A blob is what somebody's graph recorded and may be hostile: it is served so that no browser runs it,
under its own hash, unchanging. The page may run its own inline script and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Final

from aiohttp import web

from rxstream.adapters.web.errors import NotFound
from rxstream.adapters.web.openapi import document
from rxstream.adapters.web.outlet import send
from rxstream.adapters.web.rest import respond
from rxstream.adapters.web.settings import Settings
from rxstream.errors import Draining

if TYPE_CHECKING:
    from rxstream.engine import Engine

_MEDIA_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+(; ?[\w-]+=[\w.+-]+)*", re.ASCII)
_SHOWN: Final = ("image/", "audio/", "video/", "text/plain", "application/json")
_NONE: Final = "'none'"
_PART: Final = re.compile(
    rb'<link rel="stylesheet" href="([a-z]+\.css)">|<script src="([a-z]+\.js)"></script>'
)
_SCRIPT: Final = re.compile(rb"<script(?:\s[^>]*)?>(.*?)</script>", re.DOTALL | re.IGNORECASE)


class Site:
    """Handlers of `/`, blobs, `/metrics`, `/healthz`, `/readyz` and `/openapi.json`."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    async def page(self, request: web.Request) -> web.Response:
        """The page for people."""
        html, policy = self._page
        return web.Response(
            body=html,
            content_type="text/html",
            charset="utf-8",
            headers={
                "Content-Security-Policy": policy,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-cache",
            },
        )

    @cached_property
    def _page(self) -> tuple[bytes, str]:
        folder = resources.files("rxstream.adapters.web") / "page"
        if not folder.is_dir():
            raise NotFound("this installation has no page")
        html = put_together(folder)
        return html, content_policy(html)

    async def blob(self, request: web.Request) -> web.StreamResponse:
        """The bytes a `Binary` stands for."""
        execution_id, sha256 = request.match_info["id"], request.match_info["sha256"]
        await self._engine.record(execution_id)
        blob = await self._engine.log.blob(execution_id, sha256)
        if blob is None:
            raise NotFound("the execution recorded nothing with that hash", code="unknown_blob")
        media_type = blob.media_type
        if not _MEDIA_TYPE.fullmatch(media_type):
            media_type = "application/octet-stream"
        shown = media_type.lower().startswith(_SHOWN)
        headers = {
            "ETag": f'"{blob.sha256}"',
            "Cache-Control": "private, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Content-Disposition": "inline" if shown else "attachment",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        known = request.if_none_match or ()
        if any(tag.value in ("*", blob.sha256) for tag in known):
            return web.Response(status=304, headers=headers)
        response = web.Response(body=blob.data, headers={**headers, "Content-Type": media_type})
        return await send(request, response, self._settings.write_timeout)

    async def metrics(self, request: web.Request) -> web.Response:
        """The engine's gauges and counters as Prometheus text."""
        # imported when asked for: what is not scraped is not loaded
        from rxstream.adapters.sinks.metrics import render_engine

        return web.Response(
            text=render_engine(self._engine),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def health(self, request: web.Request) -> web.Response:
        """Whether the process answers."""
        return respond({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """Whether an execution could be started now."""
        if self._engine.draining:
            raise Draining("the engine is draining")
        if not self._engine.log.is_open:
            raise Draining("the event log is not open", code="log_closed")
        return respond({"status": "ready"})

    async def openapi(self, request: web.Request) -> web.Response:
        """This API, described."""
        base = request.path.removesuffix("/openapi.json")
        return respond(document(base or "/"))


def put_together(folder: Traversable) -> bytes:
    """The page with its styles and scripts in it: one answer, right below any prefix."""

    def inlined(named: re.Match[bytes]) -> bytes:
        style, script = named.groups()
        if style:
            return b"<style>\n%s</style>" % (folder / style.decode()).read_bytes()
        return b"<script>\n%s</script>" % (folder / script.decode()).read_bytes()

    return _PART.sub(inlined, (folder / "index.html").read_bytes())


def content_policy(html: bytes) -> str:
    """A policy under which exactly the inline scripts in this page run."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _SCRIPT.findall(html.replace(b"\r\n", b"\n"))
    )
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {hashes or _NONE}",
            "style-src 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
