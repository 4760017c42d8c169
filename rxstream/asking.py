"""How code inside a node asks a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, overload

from rxstream.engine.asking import CALL, put
from rxstream.engine.island import CURRENT
from rxstream.errors import AuthorError

T = TypeVar("T")


@overload
async def ask(kind: type[T], message: str, *, timeout: float | None = None) -> T: ...


@overload
async def ask(kind: Any, message: str, *, timeout: float | None = None) -> Any: ...


async def ask(kind: Any, message: str, *, timeout: float | None = None) -> Any:
    """Ask a question and wait until somebody has answered it.

        async def publish(text):
            if await rxstream.ask(bool, f"publish {text!r}?", timeout=3600):
                ...

        rxstream.of("draft").map_async(publish)

    `kind` is the type of the answer: its JSON Schema goes with the question (`input_requested`), an answer
    that does not fit is refused, and the function gets one that does as that type. The execution is `waiting`
    meanwhile. A question can be answered once: by `Execution.answer`, over HTTP or over a WebSocket. It
    survives a restart: the function is called again, and what it asks then is the same question.

    Raises `ExecutionTimeout` when nobody answers within `timeout` seconds, `AuthorError` outside a function
    that was given to `map_async` or another asynchronous operator of an execution.
    """
    call, port = CALL.get(), CURRENT.get()
    asker = getattr(port, "asker", None)
    if call is None or port is None or asker is None:
        raise AuthorError(
            "ask() was called where nobody can be asked: await it in a function given to map_async, of a "
            "graph that an engine runs"
        )
    expires_at = None if timeout is None else datetime.now(UTC) + timedelta(seconds=timeout)
    return await put(asker, port.node_id, call, kind, message, expires_at)
