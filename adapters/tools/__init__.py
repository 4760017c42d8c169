"""Tools that touch the world: commands, files, the screen, the web."""

from rxstream.adapters.tools.bash import bash
from rxstream.adapters.tools.fileset import files
from rxstream.adapters.tools.http import http_get
from rxstream.adapters.tools.sandbox import Finished, Limits, Sandbox
from rxstream.adapters.tools.screenshots import screenshot

__all__ = ["Finished", "Limits", "Sandbox", "bash", "files", "http_get", "screenshot"]
