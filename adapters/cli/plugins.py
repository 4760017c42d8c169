"""`rxstream plugins`: which plugins there are and what they can do, and a new one to begin with.

The list goes to stdout, what is broken to stderr too, and then the status is 1. What a plugin prints while it
is imported goes to stderr.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rxstream.adapters.cli import failure, logs, stdout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rxstream.plugins import ActionDescription, PluginManager


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print everything that is known, as JSON.")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Look into this folder too.",
)
@click.option(
    "--module", "modules", multiple=True, metavar="NAME", help="Look into this module too."
)
@logs.logging_options
@click.pass_context
def plugins(
    context: click.Context,
    as_json: bool,
    folders: tuple[Path, ...],
    modules: tuple[str, ...],
    verbose: int,
    log_level: str | None,
) -> int | None:
    """List plugins and what they can do, or begin a new one."""
    if context.invoked_subcommand is not None:
        return None
    # what is broken is told below, on a line each
    logs.configure(verbose, log_level, default="error")
    with stdout.reserved() as descriptor:
        from rxstream.plugins import PluginManager

        found = PluginManager()
        found.discover(folders=folders, modules=modules)
        text = _json(found) if as_json else "".join(f"{line}\n" for line in _lines(found))
        stdout.write_all(descriptor, text.encode(errors="replace"))
    for broken in found.broken.values():
        failure.say(f"plugin {broken.name} is broken, from {broken.source}: {broken.message}")
    return failure.FAILED if found.broken else failure.DONE


@plugins.command()
@click.argument("name")
@click.option(
    "--into",
    metavar="PATH",
    default=".",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder the new one is made in.",
)
def new(name: str, into: Path) -> int:
    """Begin a plugin called NAME: a folder with its code, a test that passes, and what installs it."""
    from rxstream.adapters.cli import scaffold

    for path in scaffold.write(name, into):
        click.echo(path)
    return failure.DONE


def _json(found: PluginManager) -> str:
    import orjson

    broken = [
        {"name": each.name, "source": each.source, "error": each.message}
        for each in found.broken.values()
    ]
    data = {"plugins": [each.to_dict() for each in found.plugins.values()], "broken": broken}
    return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n"


def _lines(found: PluginManager) -> Iterator[str]:
    from rxstream.adapters.terminal.text import one_line

    for plugin in found.plugins.values():
        yield one_line(_described(f"{plugin.name} {plugin.version}", plugin.description), 200)
        for each in plugin.actions.values():
            yield f"  {one_line(_signature(each.description), 200)}"
        for kind in ("operators", "sources", "sinks"):
            names = ", ".join(sorted(plugin.extensions(kind)))
            if names:
                yield f"  {kind}: {one_line(names, 200)}"
    if not found.plugins:
        yield "no plugins"


def _signature(action: ActionDescription) -> str:
    required = action.parameters.get("required", ())
    properties: dict[str, Any] = action.parameters.get("properties", {})
    names = ", ".join(name if name in required else f"{name}=…" for name in properties)
    marks = [
        word
        for word, is_so in (
            ("streams", action.streaming),
            ("resumable", action.resumable),
            ("idempotent", action.idempotent),
        )
        if is_so
    ]
    marks += [f"needs {amount} {name}" for name, amount in action.resources.items()]
    said = f"{action.id}({names})"
    if marks:
        said += f" [{', '.join(marks)}]"
    return _described(said, action.description)


def _described(said: str, description: str) -> str:
    return f"{said}: {description}" if description else said
