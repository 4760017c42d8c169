"""What a chat costs while it answers, and what it holds: the pipeline alone, and with its screen.

Each way runs in a process of its own (`python -m tests.benchmarks.chat WAY RATE COUNT`) with a scripted model
that says so many tokens a second; the screen is textual's without a terminal, drawn as it is with one. CPU is
that of the process from the first token to the last, as a share of a core; memory is what is resident when
all is shown and nothing runs, less what was before the question.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from rxstream.adapters.terminal.chat import History, Session
from rxstream.adapters.terminal.chat.answering import Models
from rxstream.models import Element
from tests.benchmarks.harness import Row, interleave, spread
from tests.benchmarks.memory import resident

WORDS = ["The", "river", "flows", "on", "**and**", "on,", "past", "`towns`", "to", "the", "sea."]
PARAGRAPH = 60
"""Tokens of one; about what a model writes."""


def tokens(count: int) -> list[str]:
    """So many tokens of about five characters, in paragraphs of Markdown."""
    said = []
    for number in range(count):
        end = "\n\n" if number % PARAGRAPH == PARAGRAPH - 1 else " "
        said.append(WORDS[number % len(WORDS)] + end)
    return said


class Paced:
    """A model that says so many tokens a second; its CPU until the first and the last is kept."""

    name = "scripted:paced"

    def __init__(self, rate: float, count: int) -> None:
        self.rate = rate
        self.count = count
        self.cpu_s = self.wall_s = 0.0

    async def answer(
        self, question: Any, delivered: Any = None, tell: Any = None
    ) -> AsyncIterator[Sequence[Element]]:
        loop = asyncio.get_running_loop()
        cpu, begun = time.process_time(), loop.time()
        for number, text in enumerate(tokens(self.count)):
            await asyncio.sleep(begun + number / self.rate - loop.time())
            yield [{"type": "token", "text": text}]
        self.cpu_s, self.wall_s = time.process_time() - cpu, loop.time() - begun
        yield [{"type": "done", "text": "", "usage": {"completion_tokens": self.count}}]


class Asking(Models):
    """Asks that model, as a chat asks any other."""

    def __init__(self, model: Paced) -> None:
        super().__init__()
        self._model = model

    def opened(self, model: str) -> Any:
        return self._model


async def alone(model: Paced) -> None:
    """Nobody but the model: what its pauses cost."""
    async for _ in model.answer(None):
        pass


async def piped(model: Paced) -> None:
    """The agent, the engine, the log and the fold: a chat without a screen."""
    with tempfile.TemporaryDirectory() as folder:
        async with Session(Path(folder) / "chat.db", Asking(model), "x:y") as session:
            session.ask("Tell me about rivers.")
            await session.wait()


async def shown(model: Paced) -> float:
    """The same on the screen; how many MiB it grew."""
    from rxstream.adapters.terminal.chat.screen import ChatScreen

    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            path = Path(folder) / "chat.db"
            session = Session(path, Asking(model), "x:y")
            await stack.enter_async_context(session)
            app = ChatScreen(session, History())
            pilot = await stack.enter_async_context(app.run_test(size=(100, 40)))
            await pilot.pause()
            # what any answer needs once is not what this one holds
            model.count, count = PARAGRAPH, model.count
            session.ask("Warm up.")
            await session.wait()
            await pilot.pause()
            model.count = count
            gc.collect()
            before = resident()
            session.ask("Tell me about rivers.")
            await session.wait()
            await pilot.pause()
            gc.collect()
            return resident() - before


WAYS = {"alone": alone, "piped": piped, "shown": shown}


def run(way: str, rate: float, count: int) -> dict[str, float]:
    """One way in a process of its own."""
    command = [sys.executable, "-m", __name__, way, str(rate), str(count)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def share(way: str, rate: float, count: int) -> float:
    """Percent of a core."""
    return 100 * run(way, rate, count)["share"]


def measure(short: bool) -> list[Row]:
    """CPU at two rates; memory of ten thousand tokens."""
    rounds, seconds, held = (2, 2, 2_000) if short else (3, 5, 10_000)
    lines = []
    names = {
        "alone": "the scripted model alone (floor)",
        "piped": "agent, engine, SQLite log, fold",
        "shown": "the same, and the screen",
    }
    for rate in (100, 200):
        ways = {name: partial(share, way, rate, rate * seconds) for way, name in names.items()}
        samples = interleave(ways, rounds)
        figure = f"CPU of a chat at {rate} tokens/s"
        model = samples[names["alone"]]
        for name, costs in samples.items():
            lines.append(Row(figure, name, spread(costs), "% of a core"))
        for way, name in (("piped", "of that ours"), ("shown", "of that ours and the screen's")):
            added = [a - b for a, b in zip(samples[names[way]], model, strict=True)]
            cost = spread(added)
            asked = rate == 100 and way == "piped"
            reached = cost.median < 2 or not asked
            lines.append(
                Row(figure, name, cost, "% of a core", wanted="< 2" if asked else "", held=reached)
            )
    grown = interleave({"": lambda: run("shown", 2_000, held)["mib"]}, rounds)[""]
    cost = spread(grown)
    lines.append(
        Row(
            f"memory of {held:,} tokens",
            "in the log, held and on the screen",
            cost,
            "MiB above idle",
            wanted="< 10",
            held=cost.median < 10,
        )
    )
    return lines


if __name__ == "__main__":
    from tests.benchmarks.harness import quiet

    _model = Paced(float(sys.argv[2]), int(sys.argv[3]))
    with quiet():
        _mib = asyncio.run(WAYS[sys.argv[1]](_model))
    print(json.dumps({"share": _model.cpu_s / _model.wall_s, "mib": _mib or 0.0}))
