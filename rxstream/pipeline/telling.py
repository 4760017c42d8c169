"""What a step tells while it runs: that it began, failed, ended, how far it is, and the items it shows.

With streaming off only its lifecycle is told. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from rxstream.codec import Encoder
from rxstream.errors import CodecError, blame
from rxstream.events import MAX_EVENT_BYTES
from rxstream.pipeline.data import FAILED
from rxstream.pipeline.letters import letters_key

if TYPE_CHECKING:
    from rxstream.pipeline.call import StepCall
    from rxstream.pipeline.unit import StepUnit

_log = structlog.get_logger("rxstream.pipeline")

_ENVELOPE_BYTES: Final = 1_024
"""What an event may need beside the output it tells."""


class StepTelling:
    """Tells what one step of one execution does."""

    def __init__(self, unit: StepUnit) -> None:
        self._unit = unit
        self._degraded = False
        """Whether it was said that an item could not be shown."""

    def started(self) -> None:
        """The node runs now."""
        self._unit.runtime.node_started(self._unit.node)

    def failed(
        self,
        error: Exception,
        attempt: int,
        *,
        will_retry: bool = False,
        handled: Literal["fallback", "dead_letter"] | None = None,
    ) -> None:
        """An attempt failed."""
        unit = self._unit
        unit.out.counters.errors += 1
        blame(error, unit.node.id, unit.node.where)
        if not unit.runtime.ended:
            unit.runtime.watcher.node_failed(unit.node, error, attempt, will_retry, handled)

    def ended(self) -> None:
        """It is over; what is told of that is kept until its node ends."""
        unit, settings = self._unit, self._unit.settings
        assert unit.entries is not None
        entry = unit.entries.get(settings.name)
        if entry is None or entry[0] in FAILED:
            return
        how, result, _ = entry
        told: dict[str, Any] = {"output": _shown(result), "count": unit.count}
        if how in ("skipped", "fallback"):
            told[how] = True
        if settings.dead_letters is not None:
            told["dead_letters"] = len(result.get(letters_key(settings.name), ()))
        unit.out.counters.told = told

    def progress(
        self, fraction: float | None, message: str | None, status: str | None = "running"
    ) -> None:
        """How far it is; of one with `each`, how far all of it is."""
        unit, streaming = self._unit, self._unit.settings.streaming
        if not (streaming.enabled and streaming.emit_progress):
            return
        if unit.settings.each is not None:
            done = len(unit.calls) - unit.left
            fraction = (done + sum(call.fraction for call in unit.active)) / len(unit.calls)
            dead = f", {unit.dead} failed" if unit.dead else ""
            message = message or f"{done} of {len(unit.calls)}{dead}"
        percentage = None if fraction is None else fraction * 100
        unit.runtime.port(unit.node).progress(percentage, message, status)

    def show(self, call: StepCall, items: Sequence[Any]) -> None:
        """Record items; one that cannot be is left out, and that is said once."""
        unit = self._unit
        assert unit.runtime.shower is not None
        unit.change(call.index)
        refused = unit.runtime.shower.show(unit.node.id, items)
        if refused is not None and not self._degraded:
            self._degraded = True
            _log.warning("an item of a step was not shown", node=unit.node.id, why=refused.message)
            unit.say(unit.settings.name, "degraded", f"an item was not shown: {refused.message}")

    async def room(self) -> None:
        """Wait until the log has room for what is shown. Raises `LogError`."""
        unit = self._unit
        if unit.settings.streaming.enabled and unit.runtime.shower is not None:
            await unit.runtime.shower.room()


def _shown(result: Any) -> Any:
    """A result as `step_complete` tells it; null when it has no JSON form, or is too large for an event."""
    try:
        encoded = Encoder().encode(result)
    except CodecError:
        return None
    return result if len(encoded) <= MAX_EVENT_BYTES - _ENVELOPE_BYTES else None
