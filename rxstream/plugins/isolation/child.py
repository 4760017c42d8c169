"""The process an isolated plugin runs in: says what the plugin is, or runs one action of it.

Speaks lines of stored state (`rxstream.statecodec`) on the real stdout; what the plugin prints goes to
stderr. Ends when whoever started it is gone.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from rxstream import statecodec
from rxstream.engine.island import CURRENT
from rxstream.engine.stored_error import store_error
from rxstream.errors import InvalidParameters
from rxstream.plugins.discovery import in_file, in_module
from rxstream.plugins.performing import ActionSource
from rxstream.plugins.plugin import LoadedPlugin, instance_of

GRACE_S: Final = 2.0
"""What an action has to close what it opened when it is wanted no more."""


def main() -> None:
    """Answer the one request on stdin."""
    out = os.dup(1)
    os.dup2(2, 1)
    # not through sys.stdin, whose lock a thread would hold when this ends
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 65_536)
        if not part:
            return
        line += part
    request = statecodec.decode(line[:-1])

    def say(*message: Any) -> None:
        view = memoryview(statecodec.encode(message) + b"\n")
        while view:
            view = view[os.write(out, view) :]

    try:
        if request["do"] == "describe":
            say("described", _described(_loaded(request)))
        else:
            asyncio.run(_watched(request, say))
            say("end")
    except (asyncio.CancelledError, BrokenPipeError):
        return  # nobody wants it any more
    except InvalidParameters as error:
        say("invalid", error.message, error.detail)
    except Exception as error:  # whatever the plugin raises
        say("error", store_error(error))


async def _watched(request: dict[str, Any], say: Any) -> None:
    """Run the action while whoever asked for it is there."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # asyncio.run made it

    def watch() -> None:
        while os.read(0, 65_536):
            pass  # nothing more is said; it only ends
        # by now it may have ended by itself
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(task.cancel)
        time.sleep(GRACE_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    await _run(request, say)


def _loaded(request: dict[str, Any]) -> LoadedPlugin:
    target = request["target"]
    found = in_file(Path(target)) if request["is_file"] else in_module(target)
    offered = found.load()
    if len(offered) != 1:
        raise ValueError(f"{target} has {len(offered)} plugins: name one, as module:Class")
    return LoadedPlugin(instance_of(offered[0]), found.source)


def _described(loaded: LoadedPlugin) -> dict[str, Any]:
    by_offset = [
        name for name, each in loaded.actions.items() if getattr(each, "context", None) is not None
    ]
    return {**loaded.to_dict(), "by_offset": by_offset}


async def _run(request: dict[str, Any], say: Any) -> None:
    action = _loaded(request).action(request["action"])
    source = ActionSource(action, action.check(request["params"]))
    port = _Port(request, say)
    CURRENT.set(port)  # so that rxstream.progress may be called
    batches = source.open(port)
    try:
        async for batch in batches:
            say("items", port.take(), list(batch))
    finally:
        await batches.aclose()  # type: ignore[attr-defined]  # a Source opens an async generator


class _Port:
    """What the action may see and say: a part of its node's port, over the pipe."""

    wanted = 1

    def __init__(self, request: dict[str, Any], say: Any) -> None:
        self.execution_id = request["execution_id"]
        self.node_id = request["node_id"]
        self.start = request["start"]
        self._say = say
        self._point: Any = None

    def progress(
        self, percentage: float | None, message: str | None = None, status: str | None = "running"
    ) -> None:
        self._say("progress", percentage, message, status)

    def seek_point(self, offset: Any) -> None:
        """Of the elements that come next."""
        self._point = offset() if callable(offset) else offset

    def take(self) -> Any:
        """The seek point of the batch."""
        return self._point
