"""What a re-run found is told in lines that fit and colours that say the same again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rxstream.adapters.cli.difference import text
from rxstream.replay import Difference, Ending, OutputDiff, Rerun

DONE = Ending("pipeline_complete")

SAME = OutputDiff("out", "out", 3, 0, 0, 0, 0, ())

FOUND = Rerun("e1", "g", {"numbers": 3}, (), (), {"out": SAME}, DONE, DONE)


def differing(*differences: Difference, **counts: Any) -> Rerun:
    return replace(FOUND, outputs={"out": replace(SAME, differences=differences, **counts)})


def told(found: Rerun, *, colour: bool = False, every: bool = True) -> list[str]:
    return text(found, colour=colour, every=every).splitlines()


def test_each_kind_has_a_sign_and_on_a_terminal_a_colour() -> None:
    found = differing(
        Difference(0, "changed", 1, 2),
        Difference(1, "missing", "a", None),
        Difference(1, "added", None, [None]),
        changed=1,
        missing=1,
        added=1,
    )
    assert told(found)[:3] == ["~ out[0] 1 → 2", '- out[1] "a"', "+ out[1] [null]"]
    assert told(found, colour=True)[0] == "\x1b[33m~ out[0] 1 → 2\x1b[0m"
    assert told(found, every=False) == ["out: 3 same, 1 changed, 1 missing, 1 added"]


def test_long_elements_are_shown_from_where_they_part() -> None:
    alike = "x" * 500
    line = told(differing(Difference(0, "changed", alike + "old", alike + "new"), changed=1))[0]
    assert line.endswith('old" → …' + "x" * 40 + 'new"')
    assert len(line) < 250


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    found = differing(Difference(0, "missing", "\x1b[2J\u202e", None), missing=1)
    assert "\x1b" not in told(found)[0]


def test_what_is_not_shown_is_counted() -> None:
    found = differing(Difference(0, "missing", 1, None), missing=2_000)
    assert told(found)[1] == "out: 1,999 more differences"


def test_what_was_special_is_said() -> None:
    failed = Ending("pipeline_error", {"code": "x", "message": "no\nmore"})
    assert "ending: failed (no more) in the record, completed now" in told(
        replace(FOUND, recorded=failed)
    )
    cut = told(replace(FOUND, recorded=Ending(None), live=("a", "b"), left_out=("s",)))
    assert cut[1:] == [
        "the record was cut short: what an end would have brought is not compared",
        "ran for real: a, b",
        "left out: s",
    ]
    assert told(replace(FOUND, outputs={}))[0].startswith("nothing is published but")
    renamed = replace(FOUND, outputs={"out": replace(SAME, node="map_1", same=0, beyond=2)})
    assert told(renamed) == ["out (map_1 in the record): 2 after the end of the record"]
