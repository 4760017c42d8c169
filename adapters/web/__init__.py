"""Graphs, executions and their events over HTTP, SSE and WebSocket, in any aiohttp application."""

from rxstream.adapters.web.mount import setup
from rxstream.adapters.web.server import Server, serve
from rxstream.adapters.web.settings import Settings

__all__ = ["Server", "Settings", "serve", "setup"]
