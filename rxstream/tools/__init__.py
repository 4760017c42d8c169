"""Tools: typed functions that a model may call, whose output is live."""

from rxstream.tools.declaring import Tool, tool
from rxstream.tools.running import Output, ToolContext, ToolResult

__all__ = ["Output", "Tool", "ToolContext", "ToolResult", "tool"]
