"""A chat as a file: `.md` to read, `.json` the messages as a model is told them, `.jsonl` one a line."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson

from rxstream.adapters.terminal.chat.blocks import Block, Call, Note, Text
from rxstream.adapters.terminal.chat.conversation import Conversation, messages_of
from rxstream.adapters.terminal.chat.turn import Turn
from rxstream.errors import BadRequest

SUFFIXES: Final = (".md", ".json", ".jsonl")


def save(conversation: Conversation, name: str) -> Path:
    """Write it; where. Raises `BadRequest` for another kind of file, one that is there, nothing to write."""
    path = Path(name).expanduser()
    if path.suffix not in SUFFIXES:
        raise BadRequest(f"{path.name}: name a file that ends with {', '.join(SUFFIXES)}")
    if not conversation.turns:
        raise BadRequest("nothing was said yet")
    messages = [message for turn in conversation.turns for message in messages_of(turn)]
    if path.suffix == ".md":
        data = markdown(conversation).encode()
    elif path.suffix == ".json":
        data = orjson.dumps(messages, option=orjson.OPT_INDENT_2) + b"\n"
    else:
        data = b"".join(orjson.dumps(message) + b"\n" for message in messages)
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise BadRequest(f"{path} is there already: choose another name") from None
    return path


def markdown(conversation: Conversation) -> str:
    """All turns, to read."""
    return "\n".join(map(_turn, conversation.turns))


def _turn(turn: Turn) -> str:
    quoted = "\n".join(f"> {line}".rstrip() for line in turn.question.splitlines())
    parts = [quoted, *filter(None, map(_block, turn.blocks))]
    if turn.error:
        parts.append(f"*failed: {turn.error}*")
    elif turn.status in ("cancelled", "interrupted"):
        parts.append(f"*{turn.status}*")
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return block.text.strip() if block.kind == "text" else ""
    if isinstance(block, Note):
        return f"> {block.text}" if block.kind == "user" else f"*{block.text}*"
    return _call(block)


def _call(call: Call) -> str:
    asked = orjson.dumps(call.arguments).decode()
    body = f"{call.name} {asked}\n{call.result}".rstrip()
    fence = "```"
    while fence in body:
        fence += "`"
    return f"{fence}\n{body}\n{fence}"
