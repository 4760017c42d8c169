"""The event reference is written from the code, and whatever is recorded is as it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from rxstream.event_data import EVENT_DATA
from rxstream.events import EventType, gap
from rxstream.models.elements import ELEMENTS
from tests.shapes import checked, hold

ROOT = Path(__file__).resolve().parent.parent


def test_the_page_is_what_the_code_says() -> None:
    script = ROOT / "scripts" / "generate_events.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_type_has_its_shape_and_its_place_on_the_page() -> None:
    assert list(EVENT_DATA) == list(EventType)
    page = (ROOT / "docs" / "events.md").read_text()
    for kind in EventType:
        assert f"\n## `{kind}`\n" in page
    for name in ELEMENTS:
        assert f"\n### `{name}`\n" in page


def test_a_gap_has_its_shape() -> None:
    hold("gap", gap("a", "e", "e:3", 7, 3).data)


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("step_start", {"more": 1}),
        ("step_error", {"error": {}, "attempt": 1, "will_retry": False}),
        ("pipeline_cancelled", {}),
    ],
)
def test_what_is_not_on_the_page_cannot_be_recorded_in_a_test(
    event_type: str, data: object
) -> None:
    with pytest.raises((AssertionError, ValueError)):
        checked(event_type, None, orjson.dumps(data))
