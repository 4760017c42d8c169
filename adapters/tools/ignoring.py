"""Which names a walk leaves out: dot-files and what `.gitignore` files say, or nothing; and globs of names.

A pattern is git's, nearer files win over those further up, and what is below an ignored folder is never
looked at. Patterns come from files and from models, so each look has a limit of time. Must not know files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from re import DOTALL
from re import Pattern as Plain
from re import compile as plain
from typing import Final

import regex
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from rxstream.errors import ClientError

MAX_RULES: Final = 5_000
"""Lines of one `.gitignore` that count."""
_SECONDS: Final = 0.5
"""One pattern may look at one name so long."""
_BRACES: Final = 64
_BRACED: Final = plain(r"\{([^{}]*)\}")
_HARMLESS: Final = 3
"""Asterisks that cannot make a pattern slow, which Python's own and faster matcher may have."""


class SlowPattern(ClientError):
    """A pattern of names takes too long."""

    code = "slow_pattern"


@dataclass(frozen=True)
class Rule:
    """One line of a `.gitignore`."""

    pattern: Plain[str] | regex.Pattern[str]
    ignores: bool

    def names(self, path: str) -> bool:
        """Whether it is about this path, relative to the file's folder; that of a folder ends with `/`."""
        if isinstance(self.pattern, Plain):
            return self.pattern.match(path) is not None
        try:
            return self.pattern.match(path, timeout=_SECONDS, concurrent=True) is not None
        except TimeoutError:
            raise SlowPattern(
                f"the pattern of names {self.pattern.pattern[:80]!r} takes too long: "
                "use fewer asterisks, or look at everything, ignored or not"
            ) from None


@dataclass(frozen=True)
class Rules:
    """The lines that hold in one folder: those of its own file, then those from further up."""

    above: Rules | None
    folder: str
    """Where the file lies, relative to the root: empty, or ending with `/`."""
    lines: tuple[Rule, ...]

    def ignore(self, path: str) -> bool:
        """Whether a path relative to the root is left out; that of a folder ends with `/`."""
        rules: Rules | None = self
        while rules is not None:
            below = path[len(rules.folder) :]
            for rule in reversed(rules.lines):  # the last line that names it decides
                if rule.names(below):
                    return rule.ignores
            rules = rules.above
        return False


def read_rules(text: str, folder: str, above: Rules | None) -> Rules:
    """What a `.gitignore` in a folder says. A line that cannot be read says nothing, as in git."""
    lines = text.splitlines()[:MAX_RULES]
    return Rules(above, folder, tuple(rule for line in lines if (rule := _rule(line)) is not None))


class Globs:
    """What names are wanted: a pattern as in `.gitignore`, with `{a,b}`. Raises `ClientError`."""

    def __init__(self, glob: str) -> None:
        rules = [_rule(each) for each in _expanded(glob)]
        if None in rules or any(rule and not rule.ignores for rule in rules):
            raise ClientError(
                f"{glob[:80]!r} is no pattern of names: give one such as *.py, src/**/*.ts or *.{{c,h}}"
            )
        self._rules = [rule for rule in rules if rule is not None]

    def want(self, path: str) -> bool:
        """Whether a file, relative to the folder that is searched, is wanted."""
        return any(rule.names(path) for rule in self._rules)


@lru_cache(maxsize=2_048)
def _rule(line: str) -> Rule | None:
    try:
        found, ignores = GitIgnoreSpecPattern.pattern_to_regex(line)
    except ValueError:
        return None
    if found is None or ignores is None:
        return None
    if line.count("*") <= _HARMLESS:
        return Rule(plain(str(found), DOTALL), ignores)
    return Rule(regex.compile(str(found), regex.DOTALL), ignores)


def _expanded(glob: str) -> Iterator[str]:
    """`*.{c,h}` is `*.c` and `*.h`."""
    waiting, count = [glob], 0
    while waiting:
        each = waiting.pop()
        count += 1
        if count > _BRACES:
            raise ClientError(f"{glob[:80]!r} stands for more than {_BRACES} patterns of names")
        if found := _BRACED.search(each):
            before, after = each[: found.start()], each[found.end() :]
            waiting.extend(f"{before}{part}{after}" for part in found[1].split(","))
        else:
            yield each
