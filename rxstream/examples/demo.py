"""What `rxstream demo` runs: this machine, a file and a language model, live and side by side.

Three real sources, each put through a few operators whose names Rx users know, five of the results
published. Nothing is simulated: where a part is missing, its branch says so and the others go on.
"""

from __future__ import annotations

import re
import sysconfig
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import psutil
from pydantic import Field

import rxstream as rxs
from rxstream.adapters import sources
from rxstream.adapters.llm import chat

SAMPLE_S: Final = 0.5
"""Seconds between two looks at the machine."""

TICK_S: Final = 0.05
"""Seconds between two pages of the file."""

READING: Final = 0.6
"""The part of the run in which the file is read."""

LINE_BYTES: Final = 48
"""What a line of text has, about; decides how many lines make a page."""

WORD: Final = re.compile(r"[a-z]{6,}")


@rxs.graph
def demo(
    seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0,
    file: str | None = None,
    prompt: str = "Tell me a short story about a river that learns to count.",
    model: str = "local:smollm2",
) -> dict[str, rxs.Stream[Any]]:
    """This machine, the words of a file and a language model, live.

    `file` is any text; without it, the documentation that comes with Python is read. The model is
    fetched on first use; without it the rest goes on. Ends by itself after about `seconds`.
    """
    path = file or python_documentation()

    # 1. this machine, twice a second, and its mean over two seconds
    clock = sources.interval(SAMPLE_S).named("clock")
    machine = clock.take(max(1, int(seconds / SAMPLE_S))).map(look).named("machine")
    load = machine.map(cpu_of).buffer_with_count(4, 2).map(mean).named("load")

    # 2. a file, a page at each tick: zip takes one of each, so the ticks set the pace, and since only
    #    so many pages may wait, the reading of the file is held back to it
    lines = sources.lines(path, errors="replace").named("file")
    pages = lines.buffer_with_count(lines_in_a_page(path, seconds)).block(2)
    pace = sources.interval(TICK_S).named("pace")
    words = rxs.zip(pages, pace).starmap(words_of).named("words")
    top = words.scan(count, Counter[str]()).sample(SAMPLE_S).map(ranking).named("top_words")
    speed = words.buffer_with_time(1.0).map(total).named("words_per_second")

    # 3. a language model; when it cannot be had, its last element says why and the rest goes on
    question = chat(prompt, model=model, max_tokens=400, temperature=0.7).named("model")
    answer = question.catch(rxs.empty().named("no_model")).named("answer")
    tokens = answer.filter(is_token).buffer_with_time(1.0).map(len).named("tokens_per_second")

    # together: the latest of each, and what is worth a line
    pulse = rxs.combine_latest(load, speed, tokens.start_with(0)).starmap(reading)
    news = rxs.merge(
        load.filter(lambda cpu: cpu > 80).throttle_first(10.0).map(busy),
        top.filter(bool).map(first).distinct_until_changed().map(leading),
        answer.filter(lambda element: not is_token(element)).map(closing),
    )
    return {"answer": answer, "machine": machine, "top_words": top, "pulse": pulse, "news": news}


def python_documentation() -> str:
    """A long text every Python has: the topics of its `help()`, else its longest module."""
    library = Path(sysconfig.get_path("stdlib"))
    topics = library / "pydoc_data" / "topics.py"
    if topics.is_file():
        return str(topics)
    return str(max(library.glob("*.py"), key=lambda module: module.stat().st_size))


def lines_in_a_page(path: str, seconds: float) -> int:
    """So many that the file ends when `READING` of the run is over; 1 where there is no file."""
    try:
        size = Path(path).stat().st_size
    except OSError:
        return 1  # the node that reads it says what is wrong, by its name
    return max(1, round(size / LINE_BYTES / (READING * seconds / TICK_S)))


def look(_tick: int) -> dict[str, float]:
    """This machine now: processor and memory in percent, processes in number."""
    return {
        "cpu": psutil.cpu_percent(),
        "memory": psutil.virtual_memory().percent,
        "processes": len(psutil.pids()),
    }


def cpu_of(seen: Mapping[str, float]) -> float:
    """The processor's part of what was seen."""
    return seen["cpu"]


def mean(values: Sequence[float]) -> float:
    """The mean, to one decimal."""
    return round(sum(values) / len(values), 1)


def words_of(page: Sequence[str], _tick: int) -> list[str]:
    """The long words of some lines, in small letters."""
    return WORD.findall("\n".join(page).lower())


def count(counted: Counter[str], words: Sequence[str]) -> Counter[str]:
    """How often each word was met; a new Counter, because what was emitted never changes."""
    return counted + Counter(words)


def ranking(counted: Counter[str]) -> list[tuple[str, int]]:
    """The eight most frequent words."""
    return counted.most_common(8)


def first(ranked: Sequence[tuple[str, int]]) -> str:
    """The most frequent word."""
    return ranked[0][0]


def total(pages: Sequence[Sequence[str]]) -> int:
    """How many words some pages have."""
    return sum(map(len, pages))


def is_token(element: Mapping[str, Any]) -> bool:
    """Whether the model has said a piece of text."""
    return bool(element["type"] == "token")


def reading(cpu: float, words: int, tokens: int) -> dict[str, float]:
    """The three sources in three numbers."""
    return {"cpu": cpu, "words": words, "tokens": tokens}


def busy(cpu: float) -> str:
    """What is said of a busy machine."""
    return f"The machine is busy: {cpu} % over two seconds."


def leading(word: str) -> str:
    """What is said of a word that overtook the others."""
    return f"The most frequent long word is now “{word}”."


def closing(element: Mapping[str, Any]) -> str:
    """What is said of the model when it has ended."""
    if element["type"] == "error":
        return f"No model: {element['message']}."
    rate = element["timings"].get("tokens_per_second")
    return f"The model has answered{f', {rate:.0f} tokens a second' if rate else ''}."
