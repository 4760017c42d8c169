"""How a sub-graph that is started anew reaches the unit that wraps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from rxstream.engine.island import Exit, Port

if TYPE_CHECKING:
    from rxstream.engine.runtime import Runtime


class Wrapper(Protocol):
    """A unit that starts a sub-graph (`retry`, `repeat`, `catch`)."""

    exits: list[Exit]
    out: Port
    runtime: Runtime

    def finish(self) -> None: ...

    def pass_on(self, error: BaseException) -> None: ...

    def inlet_push(self, items: Sequence[Any]) -> None: ...

    def inlet_finish(self) -> None: ...

    def inlet_fail(self, error: BaseException) -> None: ...

    def inlet_demand(self) -> int: ...


class Inlet:
    """Passes one attempt's batches straight through, with the room of what lies behind the wrapper."""

    def __init__(self, wrapper: Wrapper) -> None:
        self.wrapper = wrapper
        self.closed = False
        self.failed = False

    def push(self, items: Sequence[Any]) -> None:
        self.wrapper.inlet_push(items)

    def finish(self) -> None:
        self.closed = True
        if self.wrapper.runtime.stopping:  # no other attempt follows
            self.wrapper.finish()
        else:
            self.wrapper.inlet_finish()

    def fail(self, error: BaseException) -> None:
        self.closed = True
        self.failed = True
        if self.wrapper.runtime.stopping:
            self.wrapper.pass_on(error)
        else:
            self.wrapper.inlet_fail(error)

    def abandon(self) -> None:
        self.closed = True

    def demand(self) -> int:
        return self.wrapper.inlet_demand()

    def exits(self) -> Iterator[Exit]:
        return iter(self.wrapper.exits)
