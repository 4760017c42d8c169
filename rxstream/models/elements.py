"""The shapes of what models, tools and agents say: one for each `type`, with the meaning of every key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from rxstream.errors import ErrorData


class Token(TypedDict):
    """A piece of the answer's text."""

    type: Literal["token"]
    text: Annotated[str, "as it came"]


class Reasoning(TypedDict):
    """A piece of what the model thinks before it answers, where its provider tells."""

    type: Literal["reasoning"]
    text: Annotated[str, "as it came"]


class ToolCall(TypedDict):
    """The model calls a tool; told once its arguments are complete."""

    type: Literal["tool_call"]
    id: Annotated[str, "what the result is given to"]
    name: Annotated[str, "the tool"]
    arguments: Annotated[Any, "the object the model gave; its text where it is not a JSON object"]
    carry: NotRequired[Annotated[Any, "opaque: given back to the provider with the call"]]


class ToolOutput(TypedDict):
    """Live output of a tool that runs, or how far it is."""

    type: Literal["tool_output"]
    id: Annotated[str, "the call"]
    channel: Annotated[str, "`stdout`, `stderr`, `progress`, or a word of the tool's own"]
    text: Annotated[str, "the output, or what the tool does"]
    percentage: NotRequired[Annotated[float | None, "0 to 100, with channel `progress`"]]


class ToolResult(TypedDict):
    """A call is over: with a result, or with an error."""

    type: Literal["tool_result"]
    id: Annotated[str, "the call"]
    name: Annotated[str, "the tool"]
    result: NotRequired[Annotated[Any, "what the tool gave"]]
    brief: NotRequired[Annotated[str, "what the model is told instead of the result"]]
    error: NotRequired[
        Annotated[ErrorData, "`{kind, code, message}`; code `unknown` after a crash"]
    ]


class Restarted(TypedDict):
    """The answer begins anew; what came of it before does not count."""

    type: Literal["restarted"]
    message: Annotated[str, "why"]


class Error(TypedDict):
    """The answer failed; the stream fails with the same error behind it."""

    type: Literal["error"]
    kind: Annotated[str, "whose fault: `author user world client cancelled timeout`"]
    message: Annotated[str, "what happened and what to do"]
    retryable: Annotated[bool, "whether asking again may help"]
    code: NotRequired[Annotated[str, "which error"]]


class Turn(TypedDict):
    """An agent's model has answered; its calls may still run, and their results begin the next turn."""

    type: Literal["turn"]
    turn: Annotated[int, "1, 2, 3 …"]
    usage: Annotated[Mapping[str, Any] | None, "of this answer, as in `done`"]
    timings: Annotated[Mapping[str, Any], "of this answer, as in `done`"]
    finish_reason: Annotated[str | None, "as in `done`, or `cancelled`"]
    history: Annotated[
        Mapping[str, Any] | None,
        "how much of the conversation the model was shown: `strategy`, `messages` of `messages_before`, "
        "about `tokens` of `tokens_before`",
    ]


class JoinedMessage(TypedDict):
    """A message that was sent while the agent worked has joined the conversation."""

    type: Literal["message"]
    role: Annotated[Literal["user"], "a person"]
    content: Annotated[str, "its text"]


class Done(TypedDict):
    """The last element of every whole answer; an agent has one at its end, that sums up all its turns."""

    type: Literal["done"]
    text: Annotated[str, "the whole text"]
    usage: Annotated[
        Mapping[str, Any] | None,
        "`prompt_tokens`, `completion_tokens`, `cached_tokens`, `reasoning_tokens`, as far as known",
    ]
    timings: Annotated[
        Mapping[str, Any], "`first_token_ms`, `duration_ms`, `tokens_per_second`, as far as known"
    ]
    finish_reason: Annotated[
        str | None, "`stop`, `length`, `tool_calls`, `content_filter`, or the provider's own word"
    ]
    turns: NotRequired[Annotated[int, "answers of the model, of an agent"]]
    metadata: NotRequired[Annotated[Mapping[str, Any], "the model, malformed lines, attempts, …"]]


ELEMENTS: Final[Mapping[str, Any]] = {
    "token": Token,
    "reasoning": Reasoning,
    "tool_call": ToolCall,
    "tool_output": ToolOutput,
    "tool_result": ToolResult,
    "restarted": Restarted,
    "error": Error,
    "turn": Turn,
    "message": JoinedMessage,
    "done": Done,
}
"""The shape of each element by its `type`."""
