"""What is stored of an execution itself, beside its nodes: how its graph looked, and an end that was decided.

An end that was decided is not undone by a crash: whoever goes on has only to say it again. When something has
no stored form, a graph that must be resumable fails; another runs on, and its log forgets what it stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson

from rxstream import statecodec
from rxstream.engine.cut import Cut, States
from rxstream.engine.published import Published
from rxstream.engine.stored_error import restore_error, store_error
from rxstream.graph.plan import Plan
from rxstream.log.contract import Delta

SELF: Final = ":execution"
"""Under which the execution itself is stored among its nodes; no id of a node has a colon."""


class Keeping:
    """What one execution goes on from, and what it stores of itself."""

    def __init__(self, plan: Plan, stored: States | None) -> None:
        self.nodes = dict(stored or {})
        """What its nodes go on from."""
        mine = self.nodes.pop(SELF, {})
        self.stopped = "stopped" in mine
        """Its sources were told to end."""
        self.ended = "ending" in mine
        """Its end was decided when it died."""
        self.error: BaseException | None = None
        """With what it was ending, if not well."""
        if self.ended:
            self.error = restore_error(statecodec.decode(mine["ending"]))
        self.lost: str | None = None
        """Why it cannot go on after a crash any more."""
        self._plan = plan
        self._topology_known = "topology" in mine

    def of_itself(self) -> dict[str, Delta]:
        """What goes with a cut of the nodes."""
        mine: dict[str, bytes] = {}
        if not self._topology_known:
            self._topology_known = True
            mine["topology"] = orjson.dumps(self._plan.topology)
        if self.stopped:
            mine["stopped"] = b"1"
        if self.lost is not None:
            mine["lost"] = self.lost.encode()
        return {SELF: Delta(mine)} if mine else {}

    def of_end(self, error: BaseException | None, roots: Iterable[Published]) -> dict[str, Delta]:
        """What goes with the events of an end, instead of a cut: of what is left behind nothing is needed."""
        deltas = {root.node_id: Delta({"root": root.snapshot()}) for root in roots}
        before = self.of_itself().get(SELF, Delta()).set
        deltas[SELF] = Delta({**before, "ending": statecodec.encode(store_error(error))})
        return deltas

    def give_up(self, cut: Cut, why: str) -> dict[str, Delta]:
        """What makes the log forget, because something has no stored form."""
        self.lost = why
        return cut.wiped()
