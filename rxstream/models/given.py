"""What somebody gives to be asked of a model, checked when a graph is drawn. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rxstream.errors import AuthorError
from rxstream.models.contract import Message
from rxstream.numbers import is_number

ROLES: Final = ("system", "user", "assistant", "tool")


def messages_given(
    given: str | Sequence[Message], system: str | None = None
) -> tuple[Message, ...]:
    """Messages as models take them; a text is one of the user. Raises `AuthorError` for what is none."""
    if system is not None and not isinstance(system, str):
        raise AuthorError(f"system is a text, not {_a(system)}")
    found: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    if isinstance(given, str):
        if not given.strip():
            raise AuthorError("there is nothing to answer: the message is empty")
        return (*found, {"role": "user", "content": given})
    if not isinstance(given, Sequence) or isinstance(given, bytes | bytearray):
        raise AuthorError(f"messages are a text or a list of messages, not {_a(given)}")
    return (*found, *(_message(each, place) for place, each in enumerate(given)))


def limits_given(max_tokens: int | None, temperature: float | None) -> None:
    """Raise `AuthorError` for a length or a temperature of answers that is none."""
    if max_tokens is not None and not (is_number(max_tokens) and 1 <= max_tokens < math.inf):
        raise AuthorError(f"max_tokens is at least 1, or None, not {_short(max_tokens)}")
    if temperature is not None and not (is_number(temperature) and 0 <= temperature < math.inf):
        raise AuthorError(f"temperature is at least 0, or None, not {_short(temperature)}")


def seconds_given(name: str, seconds: float | None) -> None:
    """Raise `AuthorError` for a time that is none."""
    if seconds is not None and not (is_number(seconds) and 0 < seconds < math.inf):
        raise AuthorError(f"{name} is a number of seconds above 0, or None, not {_short(seconds)}")


def _message(given: Any, place: int) -> Message:
    if not isinstance(given, Mapping) or given.get("role") not in ROLES:
        raise AuthorError(
            f"message {place} is not one: it is {{'role': {', '.join(ROLES)}, 'content': a text or parts}}"
        )
    content = given.get("content")
    if not isinstance(content, str | list | tuple | None):
        raise AuthorError(f"the content of message {place} is neither a text nor a list of parts")
    empty = not content.strip() if isinstance(content, str) else not content
    if given["role"] == "user" and empty:
        raise AuthorError(f"message {place} of the user is empty: say something, or leave it out")
    return dict(given)


def _a(value: Any) -> str:
    return f"a {type(value).__name__}"


def _short(value: Any) -> str:
    return repr(value)[:80]
