"""Where elements and events go: files, functions, and numbers for Prometheus."""

import rxstream.adapters.sinks._added  # noqa: F401  # shows what plugins added
from rxstream.adapters.sinks.callbacks import callback
from rxstream.adapters.sinks.clients import sse, websocket
from rxstream.adapters.sinks.files import jsonl
from rxstream.adapters.sinks.metrics import Metrics, metrics, render_engine

__all__ = ["Metrics", "callback", "jsonl", "metrics", "render_engine", "sse", "websocket"]
