"""What is said of a call: its elements, and what a model is told of its result. Pure.

    tool_output {id, channel, text}     progress: channel "progress", and a percentage or null
    tool_result {id, name, result, brief?}  or  {id, name, error: {kind, code, message}}

Every text has a limit, and what is left out is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

import orjson
from pydantic import BaseModel

from rxstream.codec import Binary, Encoder
from rxstream.errors import CodecError, ErrorData, classify
from rxstream.models.contract import Element
from rxstream.tools.running import ToolResult


@dataclass(frozen=True)
class Limits:
    """How much one call may say."""

    output: int = 1_000_000
    """Characters of live output; more is not shown, and that is said once."""
    result: int = 262_144
    """Bytes of JSON of a result; a longer text is shortened, anything else is an error."""
    told: int = 50_000
    """Characters of a result that a model is told."""


LIMITS: Final = Limits()

PIECE: Final = 32_768
"""Characters of one `tool_output`, at most."""

_BYTES_A_CHARACTER: Final = 6
"""In JSON, at most: a control character is `\\u0000`."""


def output(call_id: str, text: str, channel: str) -> Element:
    """A piece of live output."""
    return {"type": "tool_output", "id": call_id, "channel": channel, "text": text}


def progress(call_id: str, percentage: float | None, message: str | None) -> Element:
    """How far a call is."""
    if percentage is not None:
        percentage = min(100.0, max(0.0, percentage))
    return {**output(call_id, message or "", "progress"), "percentage": percentage}


def failure(call_id: str, name: str, error: BaseException) -> Element:
    """The `tool_result` of a call that failed."""
    said: dict[str, Any] = dict(classify(error))
    detail = getattr(error, "detail", None)
    if said["kind"] == "client" and isinstance(detail, list):
        said["detail"] = detail[:20]
    return {"type": "tool_result", "id": call_id, "name": name, "error": said}


def success(call_id: str, name: str, result: ToolResult, limits: Limits) -> Element:
    """The `tool_result` of a call that ended well; an error where its value cannot be shown."""
    value = result.value
    if isinstance(value, str):
        value = shortened(clean(value), limits.result // _BYTES_A_CHARACTER)
    encoder = Encoder()
    try:
        encoded = encoder.encode(value)
        # plain data, that whoever keeps it can store; a `Binary` stays one
        value = _plain(value) if encoder.take_blobs() else orjson.loads(encoded)
    except CodecError as error:
        return failure(call_id, name, error)
    size = len(encoded)
    if size > limits.result:
        said = f"the result is {size} bytes of JSON, over the limit of {limits.result}"
        return failure(call_id, name, CodecError(said, code="result_too_large"))
    made = {"type": "tool_result", "id": call_id, "name": name, "result": value}
    if result.brief is not None:
        made["brief"] = shortened(clean(result.brief), limits.told)
    return made


def told(element: Mapping[str, Any], limits: Limits = LIMITS) -> str:
    """What a model is told of a `tool_result`: the brief, the text, or JSON; never bytes of a `Binary`."""
    error: ErrorData | None = element.get("error")
    if error is not None:
        return shortened(f"error ({error['code']}): {error['message']}", limits.told)
    if "brief" in element:
        return str(element["brief"])
    value = element.get("result")
    if not isinstance(value, str):
        value = orjson.dumps(orjson.loads(Encoder().encode(_named(value)))).decode()
    return shortened(value, limits.told)


def shortened(text: str, most: int) -> str:
    """A text with its middle left out, if it is longer than that."""
    if len(text) <= most:
        return text
    half = max(1, most // 2 - 32)
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def clean(text: str) -> str:
    """A text that can be encoded: what is no character is `?`."""
    if text.isascii():
        return text
    return text.encode(errors="replace").decode()


def _plain(value: Any) -> Any:
    if isinstance(value, Binary):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, BaseModel):
        return _plain(dict(value))
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return orjson.loads(Encoder().encode(value))


def _named(value: Any) -> Any:
    """A value with a word for each `Binary`."""
    if isinstance(value, Binary):
        return f"[{value.media_type}, {len(value.data)} bytes]"
    if isinstance(value, Mapping):
        return {key: _named(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_named(each) for each in value]
    return value
