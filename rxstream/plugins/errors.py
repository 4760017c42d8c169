"""What can go wrong with plugins, on the branches of `rxstream.errors`.

A plugin that cannot be taken is its author's fault; an action that is not there, or not allowed, is the
fault of whoever asked for it.
"""

from __future__ import annotations

from rxstream.errors import AuthorError, ClientError


class PluginError(AuthorError):
    """A plugin cannot be loaded as it is; the message says which, and what to change."""

    code = "bad_plugin"


class UnknownAction(ClientError):
    """No loaded plugin has that action; the message names those there are."""

    code = "unknown_action"


class ActionDenied(ClientError):
    """The rules of access do not allow that action."""

    code = "action_denied"
