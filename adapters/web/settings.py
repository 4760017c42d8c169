"""Every limit of the web endpoints in one place, with the value used when nothing is said.

Times are seconds and sizes are bytes. Tests make the times short; nothing else should need to change.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How much one client may take, and how long it may take over it."""

    max_body_bytes: int = 1024 * 1024
    """A request body; larger is answered 413."""

    max_message_bytes: int = 64 * 1024
    """A message a client sends over a WebSocket; larger closes it with 1009."""

    max_limit: int = 1_000
    """The largest `limit` of a page."""

    default_limit: int = 100
    """The `limit` of a page when none is asked for."""

    max_wait: float = 60.0
    """The longest a poll may wait for an event."""

    max_poll_bytes: int = 4 * 1024 * 1024
    """A poll's answer stops growing here; one event always fits."""

    page_bytes: int = 256 * 1024
    """About how much of the log one stream holds while it writes; one event always fits."""

    write_bytes: int = 64 * 1024
    """Frames are joined into one write up to this size."""

    read_timeout: float = 30.0
    """How long a request body may take to arrive."""

    write_timeout: float = 30.0
    """How long a client may take over what was written before it is given up."""

    close_timeout: float = 0.5
    """How long a closing WebSocket waits for its client when there is a hurry."""

    idle_timeout: float = 75.0
    """How long `serve` keeps a connection that asks for nothing, or never finishes asking."""

    heartbeat: float = 9.0
    """A quiet stream says this often that it lives: an SSE comment, a WebSocket ping."""

    stale_timeout: float = 45.0
    """A WebSocket client that said nothing this long, not even a pong, is gone."""

    max_streams: int = 2_000
    """SSE and WebSocket connections, and polls that wait, at one time; more are answered 429."""

    max_subscriptions: int = 64
    """Streams one multiplexed WebSocket may follow at one time."""

    allowed_hosts: tuple[str, ...] = ()
    """Names beside the loopback ones that `Host` may say; `"*"` is any, which invites DNS rebinding."""

    allowed_origins: tuple[str, ...] = ()
    """Origins beside this server's own that may change something, as `https://host:port`."""


DEFAULTS = Settings()
