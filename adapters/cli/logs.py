"""Where log records of the whole process go: stderr, for a person on a terminal, else one JSON a line.

Records of structlog and of the standard library end in the same place in the same form, with the
execution and node ids that were bound. Values whose key says they are secret are not shown.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

LEVELS: Final = ("debug", "info", "warning", "error")

_SECRET: Final = re.compile(
    r"(^|_)(secret|password|passwd|api_?key|authorization|cookie|credentials?|(access|auth|bearer|refresh)_token)$"
    r"|^token$",
    re.IGNORECASE,
)
_HIDDEN: Final = "**********"


def logging_options(command: F) -> F:
    """Give a command `-v` and `--log-level`."""
    command = click.option(
        "--log-level", type=click.Choice(LEVELS), help="Least serious log records to show."
    )(command)
    return click.option(
        "-v", "--verbose", count=True, help="Show what happens inside; twice: everything."
    )(command)


_verbosity = 0


def traces_wanted() -> bool:
    """Whether the user asked to see where an error was raised."""
    return _verbosity > 0


def configure(verbose: int = 0, level: str | None = None, *, default: str = "warning") -> None:
    """Send log records to stderr; `level` wins over `-v`, which wins over the command's default."""
    # structlog is imported here: it is not needed to print a page of help
    import structlog

    global _verbosity
    _verbosity = verbose
    chosen = level or (default, "info", "debug")[min(verbose, 2)]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        hide_secrets,
    ]
    person = sys.stderr.isatty()
    renderer: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=True)]
        if person
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = _CurrentStderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(chosen.upper())
    # what a server says of each request is not news unless somebody asked for everything
    logging.getLogger("aiohttp.access").setLevel("DEBUG" if chosen == "debug" else "WARNING")
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def hide_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace the values of keys that name a secret, also inside dicts."""
    for key in event:
        event[key] = _hide(key, event[key])
    return event


def _hide(key: object, value: Any) -> Any:
    if isinstance(key, str) and _SECRET.search(key) and value is not None:
        return _HIDDEN
    if isinstance(value, dict):
        return {inner: _hide(inner, item) for inner, item in value.items()}
    return value


class _CurrentStderr(logging.StreamHandler[Any]):
    """Writes to what `sys.stderr` is now, so that a live display can show records above itself."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        pass  # fixed: always the present stderr
