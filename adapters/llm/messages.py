"""Messages of `rxstream.models`, looked through once for every dialect.

Each becomes a `Said`: who says it, its parts in order, its calls. What is none of the vocabulary is an
`AuthorError` that names the message, so that no provider is asked something its user did not mean. Must
not know any provider.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from rxstream.adapters.llm.answering import OUR_ID
from rxstream.codec import Binary
from rxstream.errors import AuthorError
from rxstream.models import Message, ToolSpec

_ROLES: Final = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Text:
    """A part that is read."""

    text: str


@dataclass(frozen=True)
class Image:
    """A part that is looked at."""

    media_type: str
    data: bytes

    @property
    def base64(self) -> str:
        """Its bytes as JSON can hold them."""
        return b64encode(self.data).decode()

    @property
    def url(self) -> str:
        """Its bytes as a URL."""
        return f"data:{self.media_type};base64,{self.base64}"


@dataclass(frozen=True)
class Call:
    """A call the model made; `carry` is what its provider wants back with it."""

    id: str
    name: str
    arguments: Mapping[str, Any] | str
    carry: Any = None

    @property
    def json(self) -> str:
        """The arguments as text."""
        return self.arguments if isinstance(self.arguments, str) else encoded(self.arguments)

    @property
    def object(self) -> Mapping[str, Any]:
        """The arguments as an object; a text that is none becomes the field `text` of one."""
        return {"text": self.arguments} if isinstance(self.arguments, str) else self.arguments


@dataclass(frozen=True)
class Said:
    """One message. `call_id` and `name` are of the call a tool's message answers."""

    role: str
    parts: tuple[Text | Image, ...]
    calls: tuple[Call, ...] = ()
    call_id: str = ""
    name: str = ""

    @property
    def text(self) -> str:
        """Its text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def images(self) -> list[Image]:
        """Its images."""
        return [part for part in self.parts if isinstance(part, Image)]


def looked_through(messages: Sequence[Message], *, images_of: Sequence[str]) -> list[Said]:
    """What is said, in order. `images_of` are the roles whose images the provider takes.

    Raises `AuthorError`.
    """
    if not messages:
        raise AuthorError("a model is asked with at least one message", code="wrong_message")
    said = [_said(index, message) for index, message in enumerate(messages)]
    for index, each in enumerate(said):
        if each.images and each.role not in images_of:
            raise AuthorError(
                f"message {index} of {each.role} has an image, which this provider does not take there: "
                + ("put it into a message of user" if images_of else "describe it in words"),
                code="unsupported_content",
            )
    names = {call.id: call.name for each in said for call in each.calls}
    return [
        Said(
            each.role,
            each.parts,
            each.calls,
            each.call_id,
            each.name or names.get(each.call_id, ""),
        )
        for each in said
    ]


def parted(said: Sequence[Said]) -> tuple[str, list[Said]]:
    """The texts of the system in one, and the rest, for providers that take them apart."""
    system = "\n\n".join(each.text for each in said if each.role == "system")
    return system, [each for each in said if each.role != "system"]


def in_turns(
    said: Sequence[Said], assistant: str, parts: Callable[[Said], list[dict[str, Any]]]
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Roles and parts, where a provider knows two roles that take turns: messages of one become one."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for each in said:
        role = assistant if each.role == "assistant" else "user"
        made = parts(each)
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(made)
        elif made:
            turns.append((role, made))
    return turns


def checked(tools: Sequence[ToolSpec]) -> list[ToolSpec]:
    """The tools. Raises `AuthorError` where two have one name."""
    names = [tool.name for tool in tools]
    for name in names:
        if names.count(name) > 1:
            raise AuthorError(f"two tools are called {name[:80]!r}", code="wrong_tool")
    return list(tools)


def functions(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """The tools in the form that OpenAI gave them and others took over."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
            },
        }
        for tool in checked(tools)
    ]


def carried(call: Call, dialect: str) -> Any:
    """What that dialect gave to be carried with the call; another one's is of no use to it."""
    return call.carry.get(dialect) if isinstance(call.carry, Mapping) else None


def with_options(body: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The request with further fields: None takes one out, an object is added to one that is there."""
    for name, value in options.items():
        if value is None:
            body.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(body.get(name), dict):
            body[name] = {**body[name], **value}
        else:
            body[name] = value
    return body


def provided(identity: str) -> dict[str, str]:
    """The id of a call as a field, unless it is one of ours, which its provider does not know."""
    return {} if identity.startswith(OUR_ID) else {"id": identity}


def encoded(value: Any) -> str:
    """Its JSON. Raises `AuthorError`."""
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        raise AuthorError(f"this has no JSON form: {error}", code="wrong_message") from None


def _said(index: int, message: Message) -> Said:
    role = message.get("role")
    if role not in _ROLES:
        raise AuthorError(
            f"message {index} has the role {role!r}: it is one of {', '.join(_ROLES)}",
            code="wrong_message",
        )
    content = message.get("content")
    if content is None:
        content = ""
    if isinstance(content, str):
        parts: tuple[Text | Image, ...] = (Text(content),) if content else ()
    elif isinstance(content, Sequence) and not isinstance(content, bytes | bytearray):
        parts = tuple(_part(index, part) for part in content)
    else:
        raise AuthorError(
            f"the content of message {index} is a text or a list of parts, not {type(content).__name__}",
            code="wrong_message",
        )
    calls = tuple(_call(index, call) for call in message.get("tool_calls") or ())
    call_id = message.get("tool_call_id") or ""
    if role == "tool" and not call_id:
        raise AuthorError(
            f"message {index} of a tool does not say which call it answers: give its tool_call_id",
            code="wrong_message",
        )
    return Said(role, parts, calls, str(call_id), str(message.get("name") or ""))


def _part(index: int, part: Any) -> Text | Image:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return Text(part["text"])
    if kind == "image" and isinstance(data := part.get("data"), Binary):
        if not data.media_type.startswith("image/"):
            raise AuthorError(
                f"the image in message {index} says it is {data.media_type}: give its Binary a media "
                "type as image/png",
                code="wrong_message",
            )
        return Image(data.media_type, data.data)
    raise AuthorError(
        f'a part of message {index} is neither {{"type": "text", "text": …}} nor '
        '{"type": "image", "data": Binary}',
        code="wrong_message",
    )


def _call(index: int, call: Any) -> Call:
    if not isinstance(call, Mapping) or not isinstance(call.get("name"), str):
        raise AuthorError(
            f"a call in message {index} is not {{id, name, arguments}}", code="wrong_message"
        )
    arguments = call.get("arguments")
    if not isinstance(arguments, str | Mapping):
        arguments = {}
    return Call(str(call.get("id") or ""), call["name"], arguments, call.get("carry"))
