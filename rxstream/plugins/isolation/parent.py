"""`Isolated`: a plugin whose every run has a process of its own, with the API of any other plugin.

A run that crashes, leaks or hangs ends as that run's failure. It is no sandbox: the process has the rights of
this one. Elements, parameters and seek points must be plain data, as for a checkpoint, and a message at most
a megabyte.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from rxstream import statecodec
from rxstream.engine.stored_error import restore_error
from rxstream.errors import InvalidParameters, WorldError
from rxstream.plugins import ActionContext, ActionDescription, Plugin, PluginError
from rxstream.plugins.isolation.child import GRACE_S
from rxstream.plugins.plugin import Performable

_LINE_BYTES: Final = 1024 * 1024
_DESCRIBE_S: Final = 60.0
_COMMAND: Final = (sys.executable, "-m", "rxstream.plugins.isolation")


class Isolated(Plugin):
    """The plugin of a module (`module:Class`) or of a file's `Path`, never imported here.

        plugins.load(Isolated("shop:Shop"))

    A process is started to ask what it is, and one for each run: about half a second each. Types of
    parameters are checked there, before the action starts; names here. Raises `PluginError`.
    """

    def __init__(self, target: str | Path) -> None:
        self._target = {"target": str(target), "is_file": isinstance(target, Path)}
        described = _describe(self._target)
        # one class stands for all of them, so what they say of themselves is each object's own
        self.__dict__.update(
            {key: described[key] for key in ("name", "version", "description", "tags")}
        )
        self._actions: dict[str, Performable] = {
            each["action"]: _IsolatedAction(
                self._target, each, each["action"] in described["by_offset"]
            )
            for each in described["actions"]
        }

    def provided(self) -> Mapping[str, Performable]:
        """The actions it has there."""
        return self._actions


class _IsolatedAction:
    """One action, as it was described."""

    def __init__(
        self, target: Mapping[str, Any], described: Mapping[str, Any], by_offset: bool
    ) -> None:
        self._target = target
        fields = {key: value for key, value in described.items() if key not in ("id", "action")}
        self.description = ActionDescription(
            **{**fields, "name": described["action"], "tags": tuple(described["tags"])}
        )
        self.streams = self.description.streaming
        self.context = "context" if by_offset else None

    def check(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Names only. Raises `InvalidParameters`."""
        schema = self.description.parameters
        known = schema.get("properties", {})
        wrong = [(name, f"{name} is not a parameter") for name in params if name not in known]
        wrong += [(n, f"{n} is missing") for n in schema.get("required", ()) if n not in params]
        if wrong:
            detail = [
                {"name": name, "message": said, "expected": "a parameter of the action"}
                for name, said in wrong
            ]
            raise InvalidParameters("; ".join(said for _, said in wrong), detail=detail)
        return dict(params)

    async def start(self, values: Mapping[str, Any], context: ActionContext) -> Any:
        """An iterator of its elements, or its value."""
        elements = self._elements(values, context)
        if self.streams:
            return elements
        try:
            return await anext(elements)
        finally:
            await elements.aclose()  # type: ignore[attr-defined]  # it is a generator

    async def _elements(
        self, values: Mapping[str, Any], context: ActionContext
    ) -> AsyncIterator[Any]:
        request = {
            **self._target,
            "do": "run",
            "action": self.description.name,
            "params": dict(values),
            "start": context.start if self.context else None,
            "execution_id": context.execution_id,
            "node_id": context.node_id,
        }
        encoded = statecodec.encode(request) + b"\n"
        process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
            env=_environment(),
            start_new_session=True,
        )
        assert process.stdin is not None  # both were asked for
        assert process.stdout is not None
        try:
            process.stdin.write(encoded)
            while True:
                try:
                    line = await process.stdout.readline()
                except ValueError as error:
                    raise WorldError(
                        f"{self.description.id} said more than {_LINE_BYTES} bytes at once",
                        code="too_long",
                    ) from error
                if not line.endswith(b"\n"):
                    status = await process.wait()
                    raise WorldError(
                        f"the process of {self.description.id} ended with status {status}",
                        code="plugin_died",
                    )
                kind, *said = statecodec.decode(line[:-1])
                if kind == "items":
                    point, items = said
                    for item in items:
                        if self.context:
                            context.seek_point(point)
                        yield item
                elif kind == "progress":
                    context.progress(*said)
                elif kind == "invalid":
                    raise InvalidParameters(said[0], detail=said[1])
                elif kind == "error":
                    raise restore_error(said[0]) or WorldError("it failed")
                else:
                    return
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let it close what it opened, else end it with what it started, and wait until it has gone."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(_gone(process), GRACE_S)
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await _gone(process)


async def _gone(process: asyncio.subprocess.Process) -> None:
    """Wait for its end. What it still says is read: a full pipe would hold it, and asyncio's `wait`."""
    assert process.stdout is not None  # it was asked for
    while await process.stdout.read(_LINE_BYTES):
        pass
    await process.wait()


def _describe(target: Mapping[str, Any]) -> dict[str, Any]:
    request = statecodec.encode({**target, "do": "describe"}) + b"\n"
    with subprocess.Popen(
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
    ) as process:
        assert process.stdin is not None  # both were asked for
        assert process.stdout is not None
        timer = threading.Timer(_DESCRIBE_S, process.kill)
        timer.start()
        try:
            process.stdin.write(request)
            process.stdin.flush()
            line = process.stdout.readline()
        finally:
            timer.cancel()
            process.kill()
    if not line.endswith(b"\n"):
        raise PluginError(f"the process of {target['target']} ended before it said what it is")
    kind, said = statecodec.decode(line[:-1])
    if kind == "error":
        error = restore_error(said)
        raise PluginError(f"{target['target']} cannot be loaded: {error}") from error
    found: dict[str, Any] = said
    return found


def _environment() -> dict[str, str]:
    path = [entry for entry in sys.path if entry]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
