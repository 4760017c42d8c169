"""What a reader puts together of the elements it is shown."""

from __future__ import annotations

from collections.abc import Iterable

from rxstream.models import Element


class Reader:
    """Puts an answer together, and begins anew where it is told to."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.calls: list[Element] = []
        self.restarts = 0
        self.done: Element | None = None

    def read(self, elements: Iterable[Element]) -> Reader:
        for element in elements:
            assert self.done is None, "nothing follows an end"
            kind = element["type"]
            if kind == "token":
                self.text += element["text"]
            elif kind == "reasoning":
                self.reasoning += element["text"]
            elif kind == "tool_call":
                assert element not in self.calls
                self.calls.append(element)
            elif kind == "restarted":
                assert not self.calls, "a tool may run"
                self.text = self.reasoning = ""
                self.restarts += 1
            elif kind == "done":
                self.done = element
        return self
