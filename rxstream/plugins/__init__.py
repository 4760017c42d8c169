"""Plugins: actions that become Streams, and what finds, describes and guards them."""

from rxstream.plugins.access import Access
from rxstream.plugins.declaring import ActionDescription, action
from rxstream.plugins.errors import ActionDenied, PluginError, UnknownAction
from rxstream.plugins.manager import Broken, PluginManager
from rxstream.plugins.plugin import LoadedPlugin, Plugin
from rxstream.plugins.running import ActionContext, CancellationToken

__all__ = [
    "Access",
    "ActionContext",
    "ActionDenied",
    "ActionDescription",
    "Broken",
    "CancellationToken",
    "LoadedPlugin",
    "Plugin",
    "PluginError",
    "PluginManager",
    "UnknownAction",
    "action",
]
