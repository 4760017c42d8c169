"""Who may ask without authentication: this machine's own programs, and pages this server serves.

A page on another site can make a browser send requests here, so a request that changes something or
opens a WebSocket must come from our own origin. It can also point its own name at 127.0.0.1, after
which it *is* our origin, so `Host` must be a name we know. Programs send no `Origin` and are trusted.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

from rxstream.adapters.web.errors import Forbidden
from rxstream.adapters.web.settings import Settings

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def check(request: web.Request, settings: Settings) -> None:
    """Raise `Forbidden` unless the request's `Host` and `Origin` may ask for this."""
    host = request.headers.get("Host")
    if host is not None:
        _check_host(host, settings)
    origin = request.headers.get("Origin")
    upgrade = "websocket" in request.headers.get("Upgrade", "").lower()
    if origin is not None and (upgrade or request.method not in _SAFE_METHODS):
        _check_origin(origin, host or "", settings)


def _check_host(host: str, settings: Settings) -> None:
    name = _split(f"//{host}")[0]
    allowed = {entry.lower() for entry in settings.allowed_hosts}
    if name is None or not ("*" in allowed or is_loopback(name) or name in allowed):
        raise Forbidden(
            f"{host[:80]!r} is not a name of this server: add it to Settings.allowed_hosts if it is",
            code="forbidden_host",
        )


def _check_origin(origin: str, host: str, settings: Settings) -> None:
    if origin.lower() in {entry.lower().rstrip("/") for entry in settings.allowed_origins}:
        return
    scheme = origin.partition(":")[0].lower()
    default = _DEFAULT_PORTS.get(scheme)
    name, port = _split(origin)
    own_name, own_port = _split(f"//{host}")
    same = name is not None and default is not None and name == own_name
    if not same or (port or default) != (own_port or default):
        raise Forbidden(
            f"a page of {origin[:80]!r} may not do this: add it to Settings.allowed_origins if it may",
            code="forbidden_origin",
        )


def _split(address: str) -> tuple[str | None, int | None]:
    """Host name in lower case and port; `(None, None)` of what is no address."""
    try:
        parts = urlsplit(address)
        return parts.hostname, parts.port
    except ValueError:
        return None, None
