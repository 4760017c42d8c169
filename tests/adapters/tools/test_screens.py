"""Screens that are not one monitor of many colors."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from rxstream import Binary
from rxstream.adapters import tools
from tests.adapters.tools import screening
from tests.adapters.tools.filing import Said, call
from tests.adapters.tools.screening import Painter

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture(scope="module")
def divided() -> Iterator[str]:
    """A screen of 300×200 whose left half is one monitor, and whose right one another that begins lower."""
    if name := screening.missing():
        pytest.skip(f"missing: {name}, so no screen was captured")
    with screening.server(300, 200) as display:
        painter = Painter(display)
        try:
            if not painter.divide((0, 0, 150, 200), (150, 50, 150, 150)):
                pytest.skip("missing: libXrandr, so only one monitor was captured")
            painter.paint(0, 0, 150, 200, 0xFF0000)
            painter.paint(150, 0, 150, 200, 0x00FF00)
            yield display
        finally:
            painter.close()


def colors(said: Said) -> set[object]:
    binary = said.result["image"]
    assert isinstance(binary, Binary)
    image = Image.open(io.BytesIO(binary.data)).convert("RGB")
    return {color for _, color in image.getcolors() or []}


async def test_each_monitor_is_captured_alone(divided: str) -> None:
    tool = tools.screenshot(divided)
    first, second, both = [await call(tool, monitor=number) for number in (1, 2, 0)]
    assert (colors(first), colors(second), colors(both)) == ({RED}, {GREEN}, {RED, GREEN})
    assert (second.result["width"], second.result["height"]) == (150, 150)
    assert second.result["captured"] == {"left": 150, "top": 50, "width": 150, "height": 150}
    assert second.result["monitors"][:2] == [first.result["captured"], second.result["captured"]]


async def test_a_region_stays_within_its_monitor(divided: str) -> None:
    region = {"left": -40, "top": -40, "width": 60, "height": 60}
    said = await call(tools.screenshot(divided), monitor=2, region=region)
    assert said.result["captured"] == {"left": 150, "top": 50, "width": 20, "height": 20}
    assert colors(said) == {GREEN}


async def test_a_region_beside_its_monitor_is_refused(divided: str) -> None:
    region = {"left": 160, "top": 0, "width": 9, "height": 9}
    error = (await call(tools.screenshot(divided), monitor=1, region=region)).error
    assert error is not None
    assert "is beside the monitor, which has 150×200 pixels" in error["message"]


async def test_a_screen_of_few_colors_says_how_to_have_more() -> None:
    if name := screening.missing():
        pytest.skip(f"missing: {name}, so no screen was captured")
    with screening.server(64, 64, depth=16) as display:
        error = (await call(tools.screenshot(display))).error
    assert error is not None
    assert "start its X server with one of them" in error["message"]
