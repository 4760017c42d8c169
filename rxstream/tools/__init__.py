"""Tools: typed functions that a model may call, whose output is live."""

from rxstream.tools.actions import from_action, from_plugin
from rxstream.tools.calling import perform
from rxstream.tools.declaring import Tool, tool
from rxstream.tools.errors import ToolError, UnknownTool
from rxstream.tools.registry import ToolRegistry
from rxstream.tools.running import CannotStream, Output, ToolContext, ToolResult
from rxstream.tools.telling import Limits

__all__ = [
    "CannotStream",
    "Limits",
    "Output",
    "Tool",
    "ToolContext",
    "ToolError",
    "ToolRegistry",
    "ToolResult",
    "UnknownTool",
    "from_action",
    "from_plugin",
    "perform",
    "tool",
]
