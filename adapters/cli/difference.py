"""What a re-run found, in lines for a person: a line for each difference, then one for each output.

`-` is what was recorded and does not come now, `+` what comes and was not, `~` what is another. Colours only
say the same again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import orjson

from rxstream.adapters.terminal.text import one_line

if TYPE_CHECKING:
    from rxstream.replay import Difference, Ending, OutputDiff, Rerun

_WIDE: Final = 200
"""Characters of an element that are shown."""

_CONTEXT: Final = 40
"""Characters of what is alike that are shown before what is not."""

_RED: Final = "31"
_GREEN: Final = "32"
_YELLOW: Final = "33"


def text(found: Rerun, *, colour: bool, every: bool) -> str:
    """The lines; with `every` each difference that was kept."""
    return "".join(f"{line}\n" for line in _lines(found, colour, every))


def _lines(found: Rerun, colour: bool, every: bool) -> Iterator[str]:
    for output in found.outputs.values():
        if every:
            for difference in output.differences:
                yield _paint(*_difference(output.name, difference), colour)
            hidden = output.changed + output.missing + output.added - len(output.differences)
            if hidden:
                yield f"{output.name}: {hidden:,} more differences"
        verdict = _GREEN if output.equal else _RED
        yield _paint(_summary(output), verdict, colour)
    if not found.outputs:
        yield "nothing is published but the recorded inputs, so there was nothing to compare"
    if not found.same_ending:
        before, now = _ending(found.recorded), _ending(found.ended)
        yield _paint(f"ending: {before} in the record, {now} now", _RED, colour)
    if found.cut_short:
        yield "the record was cut short: what an end would have brought is not compared"
    if found.live:
        yield f"ran for real: {', '.join(found.live)}"
    if found.left_out:
        yield f"left out: {', '.join(found.left_out)}"


def _difference(output: str, difference: Difference) -> tuple[str, str]:
    place = f"{output}[{difference.index}]"
    expected, got = _element(difference.expected), _element(difference.got)
    if difference.kind == "changed":
        expected, got = _from_where_they_part(difference.expected, difference.got)
    if difference.kind == "missing":
        return f"- {place} {expected}", _RED
    if difference.kind == "added":
        return f"+ {place} {got}", _GREEN
    return f"~ {place} {expected} → {got}", _YELLOW


def _element(value: Any) -> str:
    return one_line(orjson.dumps(value).decode(), _WIDE)


def _from_where_they_part(expected: Any, got: Any) -> tuple[str, str]:
    """Long elements that begin alike, without most of what is alike."""
    before, now = (one_line(orjson.dumps(value).decode(), 100_000) for value in (expected, got))
    pairs = enumerate(zip(before, now, strict=False))
    alike = next((at for at, (one, other) in pairs if one != other), min(len(before), len(now)))
    if alike > _CONTEXT and max(len(before), len(now)) > _WIDE:
        skipped = alike - _CONTEXT
        before, now = f"…{before[skipped:]}", f"…{now[skipped:]}"
    return one_line(before, _WIDE), one_line(now, _WIDE)


def _summary(output: OutputDiff) -> str:
    counts = [
        f"{count:,} {word}"
        for count, word in (
            (output.same, "same"),
            (output.changed, "changed"),
            (output.missing, "missing"),
            (output.added, "added"),
            (output.beyond, "after the end of the record"),
        )
        if count
    ]
    renamed = "" if output.node == output.name else f" ({output.node} in the record)"
    return f"{output.name}{renamed}: {', '.join(counts) or 'no elements'}"


def _ending(ending: Ending) -> str:
    if ending.error:
        return one_line(f"failed ({ending.error.get('message')})", _WIDE)
    return (
        (ending.event_type or "running").removeprefix("pipeline_").replace("complete", "completed")
    )


def _paint(line: str, colour: str, wanted: bool) -> str:
    return f"\x1b[{colour}m{line}\x1b[0m" if wanted else line
