"""Callback APIs as sources: whoever calls back decides the pace, so a buffer and its policy stand between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from rxstream.errors import AuthorError
from rxstream.source import Emitter, Policy, Port, PushSource
from rxstream.stream import Stream, source

T = TypeVar("T")

Register = Callable[[Emitter[T]], "Callable[[], object] | None"]
"""Starts something that calls the emitter; what it returns stops it."""


class CallbackSource(PushSource[T]):
    """What somebody calls back with; see `callback`."""

    name: ClassVar[str] = "callback"
    endless = True  # who calls back may complete it, and nothing says that he will

    def __init__(self, register: Register[T], *, policy: Policy, capacity: int) -> None:
        self._register = register
        self.policy = policy
        self.capacity = 1 if policy == "latest" else capacity

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"register": self._register, "policy": self.policy, "capacity": self.capacity}

    def connect(self, emitter: Emitter[T], port: Port) -> Callable[[], None]:
        stop = self._register(emitter)

        def disconnect() -> None:
            if stop is not None:
                stop()

        return disconnect


def callback(
    register: Register[T], *, policy: Policy = "block", capacity: int = 1_024
) -> Stream[T]:
    """What a callback API tells: `register(emitter)` is called at the start of each execution.

    It hands over elements by `emitter.next(item)`, from any thread, and returns a function that stops it.
    With `policy="block"` a calling thread waits while `capacity` elements wait; on the event loop's own
    thread, where nothing may wait, a full buffer fails: choose a policy that drops. What pushes cannot be
    resumed: nobody could ask for what was told before.
    """
    if capacity < 1:
        raise AuthorError(f"callback needs a capacity of at least 1, not {capacity}")
    if policy == "coalesce":
        raise AuthorError("callback cannot coalesce: use another policy and the operator coalesce")
    return source(CallbackSource(register, policy=policy, capacity=capacity))
