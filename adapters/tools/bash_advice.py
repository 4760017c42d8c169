"""What is said about a command before it runs: why it cannot be one, and what a person should look at.

Advice, not a boundary: a shell can say anything in a thousand ways, so a command that matches nothing here
may do the same. What a command can reach is decided by the sandbox. It must not start anything.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 100_000
"""Bytes of a command; the system takes no argument of more than 131,071."""

_SUSPECT: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), sentence)
    for pattern, sentence in (
        (
            r"\brm\s+(-\S+\s+)*(-\w*r\w*|--recursive)\s+(-\S+\s+)*[\"']?(/|~|\$HOME|\*|\.\.?)[\"'*/]*(\s|;|&|$)",
            "deletes a whole folder: everything, the home or the work folder",
        ),
        (r"\bmkfs(\.\w+)?\b|\bwipefs\b|\bdd\b[^|;]*\bof=/dev/", "overwrites a disk"),
        (r">\s*/dev/(sd|nvme|vd|mem|kmem)", "writes to a device"),
        (
            r"\b(curl|wget)\b[^;]*\|\s*(sudo\s+)?(ba|z|da)?sh\b|\b(ba|z)?sh\s+<\(\s*(curl|wget)\b",
            "runs what it downloads",
        ),
        (r"\(\)\s*\{[^}]*\|[^}]*&[^}]*\}", "starts itself again and again"),
        (r"(^|[;&|(]\s*)(sudo|su|doas|pkexec)\b", "asks for the rights of another user"),
        (r"\bchmod\s+(-\S+\s+)*([0-7]?777|a\+\S*w)\b", "lets everybody write"),
        (r"\bgit\s+push\b[^;&|]*(--force\b|\s-f\b)", "replaces the history that others have"),
        (
            r"\bgit\s+(reset\s+--hard|clean\s+-\w*f|checkout\s+(--\s+)?\.)",
            "throws away changes that are not committed",
        ),
        (r"\b(shutdown|reboot|halt|poweroff)\b", "stops the machine"),
        (r"\bkill(all)?\s+(-\S+\s+)*-1\b|\bpkill\s+-9\b", "ends processes it did not start"),
        (r"/etc/(shadow|sudoers)|\.ssh/|\.aws/|\.netrc|\.gnupg|/proc/\d+/environ", "reads secrets"),
        (r"/proc/sys/|/sys/|sysrq-trigger", "changes the system"),
        (r"\b(base64|xxd)\b[^;]*\|\s*(ba|z|da)?sh\b|\beval\b.*\$\(", "runs what it decodes"),
    )
)


def refusal(command: str) -> str | None:
    """Why this cannot be run at all, in one sentence."""
    if not command.strip():
        return "the command is empty"
    if "\0" in command:
        return "the command contains NUL, which no command can"
    size = len(command.encode("utf-8", "surrogatepass"))
    if size > LONGEST:
        return f"the command has {size:,} bytes, more than {LONGEST:,}: write it to a file and run that"
    return None


def warnings(command: str) -> list[str]:
    """What it seems to do that a person may want to know first."""
    return [sentence for pattern, sentence in _SUSPECT if pattern.search(command)]
