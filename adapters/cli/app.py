"""The commands of `rxstream`, and the one place where a command's ending becomes a status and a line.

Nothing heavy is imported before a command needs it, so that `--help` and completion answer at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from rxstream.adapters.cli import failure, logs
from rxstream.adapters.cli.answer import answer
from rxstream.adapters.cli.chat import chat
from rxstream.adapters.cli.graph import graph
from rxstream.adapters.cli.interruption import Interrupted, interruption
from rxstream.adapters.cli.log import log
from rxstream.adapters.cli.models import models
from rxstream.adapters.cli.plugins import plugins
from rxstream.adapters.cli.replay import replay
from rxstream.adapters.cli.run import run
from rxstream.adapters.cli.send import send
from rxstream.adapters.cli.serve import demo, serve
from rxstream.adapters.cli.watch import watch


class _Commands(click.Group):
    """Lists commands in the order they are met, and tells a lost reader from other errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            status = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            # click would end with 1; here, because it is the only place before click sees it
            raise failure.ReaderGone from error
        return status


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="rxstream", message="%(package)s %(version)s")
@click.pass_context
def rxstream(context: click.Context) -> None:
    """Run graphs of streams and watch them live.

    A TARGET names a graph: package.module:name or path/to/file.py:name.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (demo, serve, run, watch, answer, send, replay, log, graph, plugins, models, chat):
    rxstream.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    interruption.install()
    try:
        return _run(arguments)
    finally:
        interruption.restore()


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = rxstream.main(arguments, prog_name="rxstream", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "rxstream"
        failure.say(f"{error.format_message().rstrip('.')} (see {path} --help)")
        return failure.USAGE
    except click.ClickException as error:
        failure.say(error.format_message())
        return failure.USAGE
    except failure.ReaderGone:
        _silence_stdout()
        return failure.BROKEN_PIPE
    except Interrupted as interrupted:
        return interrupted.status
    except (click.Abort, KeyboardInterrupt):
        return 130
    except Exception as error:
        if logs.traces_wanted():
            traceback.print_exc()
        explained = failure.explain(error)
        failure.say(explained.message)
        return explained.status


def _silence_stdout() -> None:
    """Keep the interpreter's last flush from complaining about the reader that left."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
