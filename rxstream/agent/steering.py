"""What may be sent to an agent that works, understood and checked. Pure.

"a text"                                     the same as
{"type": "message", "content": "a text"}     joins the next turn as a message of a person
{"type": "cancel_call", "id": ID}            stops one call of a tool; the model is told, and goes on
{"type": "cancel_turn"}                      stops the answer that is coming and its calls
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rxstream.agent.call import AgentCall
from rxstream.errors import BadRequest

MOST: Final = 100_000
"""Characters of a message."""

_KINDS: Final = {
    "message": {"content"},
    "cancel_call": {"id", "reason"},
    "cancel_turn": {"reason"},
}


def understood(value: Any, calls: Sequence[AgentCall]) -> dict[str, Any]:
    """What was sent, as it is kept. Raises `BadRequest` for what means nothing here."""
    if isinstance(value, str):
        value = {"type": "message", "content": value}
    if not isinstance(value, Mapping) or value.get("type") not in _KINDS:
        raise BadRequest(
            "an agent is sent a text, or an object with the type message, cancel_call or cancel_turn"
        )
    kind = value["type"]
    strange = sorted(value.keys() - _KINDS[kind] - {"type"})
    if strange:
        raise BadRequest(f"the field {strange[0][:80]!r} is not known in a {kind}")
    if kind == "message":
        return {"type": kind, "content": _content(value.get("content"))}
    reason = value.get("reason", "a person cancelled it")
    if not isinstance(reason, str):
        raise BadRequest("reason must be a text")
    if kind == "cancel_turn":
        return {"type": kind, "reason": reason[:500]}
    running = [call.id for call in calls if call.state != "done"]
    if value.get("id") not in running:
        known = f"there are {', '.join(running)}" if running else "there is none"
        raise BadRequest(f"no call {str(value.get('id'))[:80]!r} is under way: {known}")
    return {"type": kind, "reason": reason[:500], "id": value["id"]}


def _content(content: Any) -> str:
    if not isinstance(content, str) or not content.strip():
        raise BadRequest("the content of a message must be a text that says something")
    if len(content) > MOST:
        raise BadRequest(f"a message has {len(content)} characters: at most {MOST} are possible")
    return content
