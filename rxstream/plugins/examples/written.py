"""What a model wrote: the Python in its answer, and whether that compiles. Nothing of it is run here.

The code is nobody's, so it is looked at as text and as a syntax tree only, and never longer than a limit.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import Final

MAX_CHARACTERS: Final = 50_000
"""Of code that is compiled: the compiler's time and stack grow with it."""

_FENCE: Final = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.M | re.S)
_PYTHON: Final = frozenset({"python", "py", "python3"})


@dataclass(frozen=True)
class Code:
    """Python, and what can be said of it without running it; `error` is None when it compiles."""

    text: str
    functions: tuple[str, ...] = ()
    """Names of its functions, in their order."""
    error: str | None = None

    @property
    def tests(self) -> tuple[str, ...]:
        """Functions that test the others."""
        return tuple(name for name in self.functions if name.startswith("test"))

    def function(self, name: str | None) -> str | None:
        """The function that was asked for, or without a name the first that is no test."""
        others = [found for found in self.functions if found not in self.tests]
        if name is not None:
            return name if name in self.functions else None
        return others[0] if others else None


def code_of(answer: str) -> str:
    """The Python of an answer in Markdown: its blocks that say so, else its first block, else all of it.

    A block that was cut off goes to the end.
    """
    blocks = [(label.lower(), text) for label, text in _FENCE.findall(answer)]
    chosen = [text for label, text in blocks if label in _PYTHON]
    chosen = chosen or [text for label, text in blocks if not label][:1]
    return "\n\n".join(text.strip("\n") for text in chosen or [answer]).strip("\n") + "\n"


def compiled(text: str) -> Code:
    """Compile it, and find its functions."""
    if len(text) > MAX_CHARACTERS:
        return Code(text, error=f"it has more than {MAX_CHARACTERS} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the code, not of ours
            tree = ast.parse(text, "<written>")
            compile(tree, "<written>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return Code(text, error=f"line {error.lineno}: {error.msg}")
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        # a NUL, or nested deeper than the compiler can follow
        return Code(text, error=f"{type(error).__name__}: {error}".strip(": "))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return Code(text, tuple(node.name for node in tree.body if isinstance(node, kinds)))
