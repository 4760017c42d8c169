"""The tool `bash`: a command in a sandbox, its output as it comes, and how it ended.

The sandbox is the boundary, and without one the tool is not made unless the host's owner says so in code.
A command that fails, or is ended by a limit, is a result that the model reads, not an error. Must not know
which model asks.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from pydantic import Field

from rxstream.adapters.sources.child import STDERR, STDOUT
from rxstream.adapters.tools import sandbox_bwrap
from rxstream.adapters.tools.bash_advice import LONGEST, refusal, warnings
from rxstream.adapters.tools.bash_output import Ends, Percentage, Spoken
from rxstream.adapters.tools.sandbox import Limits, Sandbox, unboxed
from rxstream.adapters.tools.sandbox_running import Ended, Running
from rxstream.errors import AuthorError, ClientError
from rxstream.tools import Output, Tool, ToolContext, ToolResult
from rxstream.tools.declaring import Approval

_CHANNELS: Final = {STDOUT: "stdout", STDERR: "stderr"}
_WHY: Final[Mapping[str, str]] = {
    "time": "it took longer than {seconds:g} s",
    "cpu": "it took more than {cpu_seconds:g} s of the processors' time",
    "memory": "its processes took more than {memory:,} bytes of memory",
    "processes": "it had more than {processes:,} processes",
    "growth": "it added more than {growth:,} bytes to the folders it may write to",
    "file_size": "one of its files would have had more than {file_size:,} bytes",
    "disk": "less than {spare_disk:,} bytes were free on the disk",
    "cancelled": "it was cancelled",
}


def bash(
    workdir: str | os.PathLike[str] | None = None,
    *,
    sandbox: Sandbox | None = Sandbox(),  # noqa: B008 - it is frozen
    allow_unsandboxed: bool = False,
    limits: Limits | None = None,
    approval: Approval | None = None,
    name: str = "bash",
) -> Tool:
    """A tool that runs commands in `workdir`, the only folder they may write to.

    `approval` says which commands a person agrees to first: all, none, or those a function of the arguments
    gives a question for. Left out it is those that look dangerous, and all without a sandbox. What is agreed
    to is the one command that was shown.

    `sandbox=None, allow_unsandboxed=True` runs commands with all rights of this process. Raises `WorldError`,
    which says what to install, on a machine without a sandbox.
    """
    if sandbox is None and not allow_unsandboxed:
        raise AuthorError(
            "bash without a sandbox lets a model do all that you may: "
            "if that is meant, say sandbox=None, allow_unsandboxed=True"
        )
    if sandbox is not None:
        sandbox_bwrap.found()
        sandbox = replace(sandbox, work=sandbox.work if workdir is None else workdir)
        sandbox = sandbox if limits is None else replace(sandbox, limits=limits)
    shell = _Bash(sandbox, workdir, sandbox.limits if sandbox else limits or Limits())
    if approval is None:
        approval = True if sandbox is None else _asks_about_warnings
    return Tool(
        shell.run,
        name=name,
        description=shell.description,
        approval=_asks_always if approval is True else approval,
    )


class _Bash:
    def __init__(
        self, sandbox: Sandbox | None, workdir: str | os.PathLike[str] | None, limits: Limits
    ) -> None:
        self._sandbox = sandbox
        self._workdir = workdir
        self._limits = limits

    @property
    def description(self) -> str:
        """What a model is told: what there is, and what there is not."""
        said = "Run a command in bash and see its output."
        if self._sandbox is None:
            return said
        where = "the work folder" if self._sandbox.work is not None else "/tmp, which is empty"
        network = "" if self._sandbox.network else " There is no network."
        return (
            f"{said} It starts in {where} and can write only there and in /tmp.{network} "
            "Each call is a new shell; whatever it leaves running is ended."
        )

    async def run(
        self,
        command: Annotated[str, Field(description="What bash runs", max_length=LONGEST)],
        context: ToolContext,
        timeout: Annotated[
            float | None, Field(description="Seconds it may take, if less than the limit", gt=0)
        ] = None,
    ) -> AsyncIterator[Output | ToolResult]:
        if why := refusal(command):
            raise ClientError(why, code="bad_command")
        heard = _Heard(self._limits, timeout)
        async with self._start(command, timeout) as running:
            forget = context.token.when_cancelled(running.stop_from_anywhere)
            try:
                while (chunk := await running.read()) is not None:
                    for said in heard.take(*chunk):
                        yield said
                    if heard.percentage is not None:
                        context.progress(heard.percentage)
                for said in heard.rest():
                    yield said
                ended = await running.wait()
            finally:
                forget()
        yield heard.result(ended, warnings(command))

    def _start(self, command: str, timeout: float | None) -> Running:
        # not a login shell, and no start-up file: nobody's settings are part of what was agreed to
        argv = ["bash", "--noprofile", "--norc", "-c", command]
        if self._sandbox is not None:
            return self._sandbox.start(argv, timeout=timeout)
        return unboxed(argv, self._workdir, self._limits, {}, timeout=timeout)


class _Heard:
    """What a command has said so far."""

    def __init__(self, limits: Limits, timeout: float | None) -> None:
        seconds = limits.seconds if timeout is None else min(timeout, limits.seconds)
        self._limits = replace(limits, seconds=seconds)
        self._room = limits.output
        self._bytes = {STDOUT: 0, STDERR: 0}
        self._dropped = 0
        self._spoken = {STDOUT: Spoken(), STDERR: Spoken()}
        self._progress = {STDOUT: Percentage(), STDERR: Percentage()}
        self._ends = Ends()
        self.percentage: float | None = None
        """The percentage that the last chunk said anew."""

    def take(self, fd: int, data: bytes) -> list[Output]:
        self.percentage = None
        self._bytes[fd] += len(data)
        said = []
        if self._room:
            kept = data if len(data) <= self._room else data[: self._room]
            self._room -= len(kept)
            said = self._said(fd, self._spoken[fd].take(kept))
            if len(kept) == len(data):
                return said
        elif self._dropped:
            self._dropped += len(data)
            return said
        self._dropped += self._bytes[STDOUT] + self._bytes[STDERR] - self._limits.output
        note = f"\n[more than {self._limits.output:,} bytes of output: the rest is not kept]\n"
        return [*said, Output(note, "notice")]

    def rest(self) -> list[Output]:
        """What was the beginning of a character and never became one."""
        return [
            each
            for fd, spoken in self._spoken.items()
            for each in self._said(fd, spoken.take(b"", True))
        ]

    def _said(self, fd: int, text: str) -> list[Output]:
        if not text:
            return []
        self.percentage = self._progress[fd].take(text)
        self._ends.take(text)
        return [Output(text, _CHANNELS[fd])]

    def result(self, ended: Ended, warned: list[str]) -> ToolResult:
        output = str(self._ends)
        value: dict[str, Any] = {
            "exit_code": ended.exit_code,
            "signal": ended.signal,
            "ended_by": ended.ended_by,
            "truncated": self._dropped > 0,
            "duration_ms": ended.duration_ms,
            "stdout_bytes": self._bytes[STDOUT],
            "stderr_bytes": self._bytes[STDERR],
            "dropped_bytes": self._dropped,
            "warnings": warned,
            "output": output,
        }
        first = [f"exit code {ended.exit_code}"]
        if ended.ended_by is not None:
            first.append("ended because " + _WHY[ended.ended_by].format_map(vars(self._limits)))
        elif ended.signal is not None:
            first.append(f"ended by {ended.signal}")
        if self._dropped:
            first.append(f"{self._dropped:,} bytes of output beyond the limit were thrown away")
        if not output.strip():
            first.append("no output")
        return ToolResult(value, brief=f"[{'; '.join(first)}]\n{output}".rstrip("\n"))


def _asks_always(arguments: Mapping[str, Any]) -> str:
    """The question shows the command as it is: another command is another question."""
    command = str(arguments.get("command", ""))
    warned = "".join(f"\nIt {each}." for each in warnings(command))
    return f"Run this command?\n{command}{warned}"


def _asks_about_warnings(arguments: Mapping[str, Any]) -> str | None:
    return _asks_always(arguments) if warnings(str(arguments.get("command", ""))) else None
