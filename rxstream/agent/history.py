"""What of a long conversation a model is shown: strategies by name, and tokens before and after. Pure.

    drop_oldest      leaves out the oldest exchanges, whole ones
    shorten_results  first shortens results of tools, oldest first, then does the same

System messages and the last message of a person always stay, and a result of a tool stays with its call.
Tokens are estimated from the text; what the model said an earlier question had been corrects the estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import orjson

from rxstream.errors import AuthorError
from rxstream.models import Message, ToolSpec
from rxstream.tools.telling import shortened

Strategy = Literal["drop_oldest", "shorten_results"]
Count: TypeAlias = Callable[[Sequence[Message]], float]
"""How many tokens messages are."""

_CHARACTERS: Final = 4.0
"""Of a token, about."""
_MESSAGE: Final = 4
"""Tokens of a message beside its text."""
_PICTURE: Final = 1_000
"""Tokens of a picture, about."""
_SHORT: Final = 200
"""Characters of a result that was shortened."""
_LEAST: Final = 0.25
_MOST: Final = 16.0
"""How far off an estimate can be; a model that says more than that counts something else."""


@dataclass(frozen=True)
class Shown:
    """What a model is shown, and how many tokens that is; of it all, and of what is left."""

    messages: Sequence[Message]
    strategy: Strategy
    before: int
    after: int
    whole: int
    """Messages there are."""

    @property
    def trimmed(self) -> bool:
        """Whether something was left out or shortened."""
        return self.after < self.before or len(self.messages) < self.whole

    def describe(self) -> dict[str, Any]:
        """As a `turn` element tells it."""
        return {
            "strategy": self.strategy,
            "messages_before": self.whole,
            "messages": len(self.messages),
            "tokens_before": self.before,
            "tokens": self.after,
        }


@dataclass(frozen=True)
class History:
    """How many tokens of messages a model is shown at most, and by which strategy; None is all.

        >>> from rxstream.agent import History
        >>> history = History(tokens=12)
        >>> words = [{"role": "user", "content": "word " * 8}, {"role": "user", "content": "and now?"}]
        >>> [each["content"] for each in history.shown(words).messages]
        ['and now?']

    `count` counts the tokens of messages, where somebody knows better than an estimate.
    """

    tokens: int | None = None
    strategy: Strategy = "drop_oldest"
    count: Count | None = None

    def __post_init__(self) -> None:
        if self.strategy not in get_args(Strategy):
            known = ", ".join(get_args(Strategy))
            raise AuthorError(f"no strategy is named {self.strategy!r}: there are {known}")
        if self.tokens is not None and self.tokens < 1:
            raise AuthorError(f"a history of {self.tokens} tokens is none: give a number above 0")

    def corrected(self, factor: float, prompt: float, shown: Shown) -> float:
        """How many times its estimate a question is, now that a model has said what the last one was."""
        if self.count is not None or not prompt or not shown.after:
            return factor
        return min(max(factor * prompt / shown.after, _LEAST), _MOST)

    def shown(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), factor: float = 1.0
    ) -> Shown:
        """What of the messages is shown beside what is told of the tools, which counts too.

        `factor` is how many times its estimate a question was.
        """
        count = self.count or (lambda each: factor * estimate(each))
        beside = factor * sum(map(_told, tools))
        before = count(messages)
        kept = messages
        if self.tokens is not None and before + beside > self.tokens:
            limit = self.tokens - beside
            if self.strategy == "shorten_results":
                kept = _with_short_results(kept, limit, count)
            kept = _without_oldest(kept, limit, count)
        after = before if kept is messages else count(kept)
        sizes = round(before + beside), round(after + beside)
        return Shown(kept, self.strategy, *sizes, len(messages))


def estimate(messages: Sequence[Message]) -> float:
    """About how many tokens messages are."""
    return sum(_MESSAGE + _size(each) / _CHARACTERS for each in messages)


def _told(tool: ToolSpec) -> float:
    shape = orjson.dumps(dict(tool.parameters), default=str)
    return _MESSAGE + (len(tool.name) + len(tool.description) + len(shape)) / _CHARACTERS


def _size(message: Message) -> float:
    content = message.get("content") or ""
    if isinstance(content, str):
        size: float = len(content)
    else:
        size = sum(
            len(part["text"]) if "text" in part else _PICTURE * _CHARACTERS for part in content
        )
    calls = message.get("tool_calls") or ()
    return size + sum(len(call["name"]) + _written(call["arguments"]) for call in calls)


def _written(arguments: Any) -> int:
    return len(arguments if isinstance(arguments, str) else orjson.dumps(arguments))


def _with_short_results(messages: Sequence[Message], limit: float, count: Count) -> list[Message]:
    found = list(messages)
    for place, message in enumerate(found):
        text = message.get("content")
        if message["role"] != "tool" or not isinstance(text, str) or len(text) <= _SHORT:
            continue
        found[place] = {**message, "content": shortened(text, _SHORT)}
        if count(found) <= limit:
            break
    return found


def _without_oldest(messages: Sequence[Message], limit: float, count: Count) -> Sequence[Message]:
    """Leave out exchanges from the oldest on: a person's message and all up to the next one.

    Of the last exchange, which is under way, answers with the results of their calls.
    """
    groups = _groups(messages)
    sizes = [count(group) for group in groups]
    total = sum(sizes)
    last = max((n for n, group in enumerate(groups) if group[0]["role"] == "user"), default=-1)
    kept = [True] * len(groups)
    for place, group in enumerate(groups):
        if total <= limit:
            break
        newest = place == len(groups) - 1
        if group[0]["role"] != "system" and place != last and not newest:
            kept[place] = False
            total -= sizes[place]
    if all(kept):
        return messages
    _take_along(groups, kept, last)
    return [each for group, stays in zip(groups, kept, strict=True) if stays for each in group]


def _take_along(groups: Sequence[Sequence[Message]], kept: list[bool], last: int) -> None:
    """Leave out answers whose question was left out, so that none comes first."""
    asked = False
    for place, group in enumerate(groups):
        if group[0]["role"] == "user":
            asked = asked or kept[place]
        elif group[0]["role"] != "system" and place < last and not asked:
            kept[place] = False


def _groups(messages: Sequence[Message]) -> list[list[Message]]:
    """Messages that cannot be parted: an answer and the results of its calls."""
    groups: list[list[Message]] = []
    for message in messages:
        if message["role"] == "tool" and groups:
            groups[-1].append(message)
        else:
            groups.append([message])
    return groups
