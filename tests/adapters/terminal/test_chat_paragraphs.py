"""Growing Markdown is cut where a block is over, whatever the pieces it came in."""

from __future__ import annotations

import random

import pytest

from rxstream.adapters.terminal.chat.paragraphs import LONGEST, Paragraphs

TEXT = """# Rivers

A river flows
to the sea.

- one

  still one
- two

```python
def f():

    return "```"
```

| a | b |
|---|---|
| 1 | 2 |

~~~
```

~~~
The end."""

BLOCKS = [
    "# Rivers\n\n",
    "A river flows\nto the sea.\n\n",
    "- one\n\n  still one\n- two\n\n",
    '```python\ndef f():\n\n    return "```"\n```\n\n',
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n",
    "~~~\n```\n\n~~~\nThe end.",
]


def blocks(pieces: list[str]) -> list[str]:
    growing = Paragraphs()
    over = [block for piece in pieces for block in growing.feed(piece)]
    return [*over, growing.end()]


@pytest.mark.parametrize("size", [1, 2, 7, len(TEXT)])
def test_blocks_end_where_a_reader_sees_their_end(size: int) -> None:
    assert blocks([TEXT[i : i + size] for i in range(0, len(TEXT), size)]) == BLOCKS


def test_blocks_together_are_the_text_for_random_lines_and_pieces() -> None:
    chance = random.Random(3)
    for _ in range(200):
        lines = [chance.choice(["", "a", "  b", "```", "~~~", "- c"]) for _ in range(12)]
        text = "\n".join(lines)
        at = sorted(chance.randrange(len(text) + 1) for _ in range(5))
        pieces = [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]
        assert blocks(pieces) == blocks([text])
        assert "".join(blocks([text])) == text


def test_the_tail_is_what_no_block_holds_yet() -> None:
    growing = Paragraphs()
    assert growing.feed("One.\n\nTw") == ["One.\n\n"]
    assert growing.tail == "Tw"


def test_code_without_an_end_is_cut_into_code() -> None:
    line = "x" * 99 + "\n"
    growing = Paragraphs()
    over = [b for piece in ["```py\n", *[line] * 500] for b in growing.feed(piece)]
    assert len(over) >= 2
    assert all(b.startswith("```") and b.endswith("```\n") for b in over)
    assert len(growing.tail) <= LONGEST + 200
