"""A text is measured and summed up by a model, a person approves, and then it is published.

    rxstream run rxstream.examples.review:pipeline -p data.file=notes.md --log events.db

A tool measures how readable the text is while a model writes a summary, token by token. Then the terminal
asks whether to publish. Kill it while it waits and give the same command again: the model is not asked again,
the person is. What is published is a file, written once.

`-p data.model=PROVIDER:NAME` asks another model than the small one that runs here, `-p data.out=PATH` writes
elsewhere. Without a file a short text is reviewed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from rxstream import Pipeline, Result, Step, Streaming
from rxstream.models import Question, open_model
from rxstream.tools import perform, tool

MODEL: Final = "local:smollm2"
SUMMARY: Final = "Sum the text up in one short sentence."
CHARACTERS: Final = 4_000
"""What of a text a small model is shown."""

TEXT: Final = """\
A river was the town's calendar. In spring it carried ice and timber, in summer children, in autumn the
the leaves of every village above. When the dam was built the river stopped telling the time, and the town
bought a clock.
"""


@tool
def readability(text: str) -> dict[str, Any]:
    """Measure a text: words, sentences, reading ease (Flesch), the longest sentence, doubled words."""
    sentences = [each.split() for each in re.split(r"[.!?]+", text) if each.strip()]
    words = re.findall(r"[^\W\d_]+", text.lower())
    if not words:
        raise ValueError("there is no text to measure")
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", word))) for word in words)
    ease = 206.835 - 1.015 * len(words) / len(sentences) - 84.6 * syllables / len(words)
    return {
        "words": len(words),
        "sentences": len(sentences),
        "ease": round(min(100.0, max(0.0, ease)), 1),
        "longest": max(map(len, sentences)),
        "doubled": sorted({a for a, b in pairwise(words) if a == b}),
    }


async def text(data: dict[str, Any]) -> dict[str, Any]:
    """The text that is reviewed."""
    file = data.get("file")
    return {"text": await asyncio.to_thread(Path(file).read_text) if file else TEXT}


async def figures(data: dict[str, Any]) -> AsyncIterator[Any]:
    """Let the tool measure it."""
    arguments = {"text": data["text"]}
    yield {"type": "tool_call", "id": "1", "name": readability.name, "arguments": arguments}
    async for batch in perform(readability, arguments, call_id="1"):
        for element in batch:
            yield element
    if "error" in element:
        raise ValueError(element["error"]["message"])
    yield Result({"figures": element["result"]})


async def summary(data: dict[str, Any]) -> AsyncIterator[Any]:
    """Let the model sum it up. At temperature 0 it says the same, should it be asked again after a crash."""
    messages = [{"role": "user", "content": f"{data['text'][:CHARACTERS]}\n\n{SUMMARY}"}]
    question = Question(messages, max_tokens=80, temperature=0)
    async for batch in open_model(data.get("model", MODEL)).answer(question):
        for element in batch:
            yield element
    yield Result({"summary": element["text"].strip()})


class Approval(Step):
    """Asks a person, who sees what the tool and the model found."""

    async def run(self, data: dict[str, Any]) -> dict[str, Any]:
        told = "\n".join(f"  {name}: {value}" for name, value in data["figures"].items())
        return {"approved": await self.ask(bool, f"{data['summary']}\n{told}\n  publish it?")}


async def publish(data: dict[str, Any]) -> dict[str, Any]:
    """Write the text below its summary, whole or not at all."""
    out = Path(data.get("out", "published.md"))
    part = out.with_name(f"{out.name}.part")
    part.write_text(f"> {data['summary']}\n\n{data['text']}")
    part.replace(out)
    return {"published": str(out), "summary": data["summary"], "ease": data["figures"]["ease"]}


pipeline = Pipeline(
    "review",
    description="A text is measured, summed up, approved and published.",
    streaming=Streaming(enabled=True, flush_interval_ms=0),
    resumable=True,
    result="publish",
)
pipeline.add(text)
pipeline.add(figures, after="text")
pipeline.add(summary, after="text", retry=2)
pipeline.add(Approval, after=["figures", "summary"])
pipeline.add(publish, after="approval", when="approved")
