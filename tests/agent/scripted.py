"""What agents say, looked at in a few words; their model is `rxstream.testing.ScriptedModel`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rxstream.models import Element
from rxstream.testing import ScriptedModel as Scripted
from rxstream.testing import call as calls
from rxstream.testing.models import Line

__all__ = ["Line", "Scripted", "calls", "kinds", "results", "text_of"]


def kinds(elements: Sequence[Element]) -> list[str]:
    """What came, by type, with repetitions as one."""
    found: list[str] = []
    for each in elements:
        if not found or found[-1] != each["type"]:
            found.append(each["type"])
    return found


def text_of(elements: Sequence[Element]) -> str:
    """All tokens."""
    return "".join(each["text"] for each in elements if each["type"] == "token")


def results(elements: Sequence[Element]) -> dict[str, Any]:
    """Results of calls by id; of one that failed the code."""
    return {
        each["id"]: each["error"]["code"] if "error" in each else each["result"]
        for each in elements
        if each["type"] == "tool_result"
    }
