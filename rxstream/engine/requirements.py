"""What an execution asks of the queue: whose it is, what it uses, what it waits for; checked and kept.

It is kept in the record's `detail`, so that what waits in a durable log waits again after a restart with all
it asked for. Nothing here waits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rxstream.engine.scheduling import Request
from rxstream.errors import InvalidParameters
from rxstream.log.contract import ExecutionRecord
from rxstream.numbers import is_count

MAX_USER: Final = 200
"""Characters a user's name may have."""

MAX_NAMES: Final = 64
"""Executions that one may wait for, and resources it may name."""

_DETAIL: Final = "asks"


@dataclass(frozen=True)
class Requirements:
    """What was asked for, beside the priority."""

    user: str = ""
    resources: Mapping[str, int] = field(default_factory=dict)
    after_success: tuple[str, ...] = ()
    after_end: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: ExecutionRecord) -> Requirements:
        """What the execution of a record asked for."""
        asks = record.detail.get(_DETAIL, {})
        return cls(
            asks.get("user", ""),
            asks.get("resources", {}),
            tuple(asks.get("after_success", ())),
            tuple(asks.get("after_end", ())),
        )

    def detail(self) -> dict[str, Any]:
        """What a record keeps of it; nothing when nothing was asked."""
        asks = {
            "user": self.user,
            "resources": dict(self.resources),
            "after_success": list(self.after_success),
            "after_end": list(self.after_end),
        }
        asked = {name: value for name, value in asks.items() if value}
        return {_DETAIL: asked} if asked else {}

    def request(
        self,
        execution_id: str,
        priority: int,
        after_success: Collection[str] = (),
        after_end: Collection[str] = (),
    ) -> Request:
        """The same for the scheduler; `after_…` are those that have not ended."""
        return Request(
            execution_id,
            self.user,
            priority,
            self.resources,
            frozenset(after_success),
            frozenset(after_end),
        )


def check(asked: Mapping[str, Any], totals: Mapping[str, int]) -> Requirements:
    """Read the fields `user`, `resources`, `after_success`, `after_end`; None is not given.

    Raises `InvalidParameters` with an entry for each that cannot be, as more of a resource than there is.
    """
    wrong: list[dict[str, str]] = []
    user = asked.get("user") or ""
    if not isinstance(user, str) or len(user) > MAX_USER:
        wrong.append(_wrong("user", f"a string of at most {MAX_USER} characters"))
    after = {}
    for name in ("after_success", "after_end"):
        ids = asked.get(name)
        ids = () if ids is None else ids
        if (
            isinstance(ids, str)
            or not isinstance(ids, Collection)
            or len(ids) > MAX_NAMES
            or not all(isinstance(one, str) for one in ids)
        ):
            wrong.append(_wrong(name, f"a list of at most {MAX_NAMES} ids of executions"))
        else:
            after[name] = tuple(dict.fromkeys(ids))
    resources = asked.get("resources")
    resources = {} if resources is None else resources
    if not isinstance(resources, Mapping):
        wrong.append(_wrong("resources", "an object of whole numbers by name"))
    else:
        problem = unavailable(resources, totals)
        if problem:
            wrong.append(
                {"name": "resources", "message": problem, "expected": f"at most {listed(totals)}"}
            )
    if wrong:
        raise InvalidParameters(
            "; ".join(f"{one['name']}: {one['message']}" for one in wrong), detail=wrong
        )
    return Requirements(user, dict(resources), **after)


def unavailable(amounts: Mapping[Any, Any], totals: Mapping[str, int]) -> str | None:
    """Why these amounts can never be had, if so."""
    for name, amount in amounts.items():
        if name not in totals:
            return f"no resource is named {str(name)[:80]!r}: there is {listed(totals)}"
        if not is_count(amount):
            return f"{name} is {str(amount)[:40]}: it must be a whole number from 1"
        if amount > totals[name]:
            return f"{amount} {name} can never be had: there is {listed(totals)}"
    return None


def _wrong(name: str, expected: str) -> dict[str, str]:
    return {"name": name, "message": f"it must be {expected}", "expected": expected}


def listed(totals: Mapping[str, int]) -> str:
    """Amounts as people read them."""
    return ", ".join(f"{amount} {name}" for name, amount in sorted(totals.items())) or "none"
