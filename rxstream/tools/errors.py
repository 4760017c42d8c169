"""What can go wrong with a tool before or beside its own code."""

from __future__ import annotations

from rxstream.errors import ClientError, ErrorData, Kind, RxStreamError


class UnknownTool(ClientError):
    """No tool has that name, or it may not be used here; the message names what there is."""

    code = "unknown_tool"


class ToolError(RxStreamError):
    """A call of a tool ended with an error; kind and code are those of what went wrong."""

    code = "tool_failed"

    def __init__(self, name: str, error: ErrorData) -> None:
        super().__init__(f"tool {name!r}: {error['message']}", code=error["code"])
        self.kind: Kind = error["kind"]  # type: ignore[misc]  # of this one, as it was told
