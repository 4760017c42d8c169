"""Where elements come from: files, processes, the network, timers, callbacks and other threads.

Files (`lines`, `read_bytes`, `tail`), `interval`, and `http` where asked for, know their place, so a graph of
them goes on after a crash with each element exactly once. Programs, WebSockets, callbacks and channels do
not, and a graph of them is not resumable.
"""

import rxstream.adapters.sources._added  # noqa: F401  # shows what plugins added
from rxstream.adapters.sources.bodies import http
from rxstream.adapters.sources.callbacks import callback
from rxstream.adapters.sources.channel import Channel, ChannelStatistics
from rxstream.adapters.sources.events import events
from rxstream.adapters.sources.files import lines, read_bytes
from rxstream.adapters.sources.processes import subprocess
from rxstream.adapters.sources.tailing import tail
from rxstream.adapters.sources.timers import interval
from rxstream.adapters.sources.websockets import websocket

__all__ = [
    "Channel",
    "ChannelStatistics",
    "callback",
    "events",
    "http",
    "interval",
    "lines",
    "read_bytes",
    "subprocess",
    "tail",
    "websocket",
]
