"""`screenshot` gives what is really on a screen, as bytes beside the event and a sentence for the model."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

import rxstream as rxs
from rxstream import Binary
from rxstream.adapters import tools
from rxstream.adapters.tools import pictures
from rxstream.adapters.tools.screens import Area, chosen
from rxstream.adapters.tools.shaping import Crop, Making, Mark, box, target
from rxstream.codec import Encoder
from rxstream.errors import ClientError, MissingExtra
from rxstream.plugins.running import CancellationToken
from rxstream.tools import Tool, perform
from rxstream.tools.telling import told
from tests.adapters.tools import screening
from tests.adapters.tools.filing import Said, call, progress
from tests.adapters.tools.screening import HEIGHT, WIDTH, Painter

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
BLACK = (0, 0, 0)


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    if name := screening.missing():
        pytest.skip(f"missing: {name}, so no screen was captured")
    with screening.server() as display:
        yield display


@pytest.fixture
def painter(display: str) -> Iterator[Painter]:
    """The screen: a red window, and a green one within it, on black."""
    opened = Painter(display)
    opened.paint(100, 50, 400, 200, 0xFF0000)
    opened.paint(200, 100, 100, 50, 0x00FF00)
    yield opened
    opened.clear()
    opened.close()


@pytest.fixture
def tool(display: str, painter: Painter) -> Tool:
    return tools.screenshot(display)


def picture(said: Said) -> Image.Image:
    assert said.error is None, said.error
    binary = said.result["image"]
    assert isinstance(binary, Binary)
    image = Image.open(io.BytesIO(binary.data))
    assert Image.MIME[str(image.format)] == binary.media_type
    assert image.size == (said.result["width"], said.result["height"])
    return image.convert("RGB")


async def test_what_is_on_the_screen_is_in_the_picture(tool: Tool) -> None:
    image = picture(await call(tool))
    assert image.size == (WIDTH, HEIGHT)
    assert image.getpixel((99, 49)) == BLACK
    assert image.getpixel((100, 50)) == image.getpixel((499, 249)) == RED
    assert image.getpixel((200, 100)) == image.getpixel((299, 149)) == GREEN
    assert image.getpixel((500, 250)) == BLACK


async def test_a_region_is_captured_alone(tool: Tool) -> None:
    said = await call(tool, region={"left": 190, "top": 90, "width": 20, "height": 20})
    image = picture(said)
    assert image.size == (20, 20)
    assert image.getpixel((9, 9)) == RED
    assert image.getpixel((10, 10)) == GREEN
    assert said.result["captured"] == {"left": 190, "top": 90, "width": 20, "height": 20}


async def test_a_region_over_the_edge_is_cut_there(tool: Tool) -> None:
    said = await call(tool, region={"left": 1_200, "top": -10, "width": 500, "height": 30})
    assert picture(said).size == (80, 20)
    assert said.result["captured"] == {"left": 1200, "top": 0, "width": 80, "height": 20}


async def test_a_crop_keeps_a_share_and_a_scale_makes_it_smaller(tool: Tool) -> None:
    crop = {"left": 100 / 1280, "top": 50 / 720, "right": 500 / 1280, "bottom": 250 / 720}
    image = picture(await call(tool, crop=crop, scale=0.5))
    assert image.size == (200, 100)
    assert image.getpixel((10, 10)) == RED
    assert image.getpixel((75, 37)) == GREEN


@pytest.mark.parametrize(
    ("resolution", "size"),
    [("full", (1280, 720)), ("1080p", (1280, 720)), ("480p", (853, 480)), ("240p", (426, 240))],
)
async def test_a_resolution_makes_it_fit(
    tool: Tool, resolution: str, size: tuple[int, int]
) -> None:
    assert picture(await call(tool, resolution=resolution)).size == size


async def test_boxes_and_texts_are_drawn(tool: Tool) -> None:
    marks = [
        {"left": 600, "top": 300, "width": 100, "height": 60, "color": "#0000ff"},
        {"left": 900, "top": 500, "text": "look here", "color": "lime"},
    ]
    image = picture(await call(tool, marks=marks))
    assert image.getpixel((600, 300)) == image.getpixel((699, 359)) == BLUE
    assert image.getpixel((650, 330)) == BLACK
    label = image.crop((900, 500, 1050, 540)).getcolors(10_000)
    assert label is not None
    assert {(255, 255, 255), GREEN} <= {color for _, color in label}


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
async def test_each_format_is_what_it_says(tool: Tool, form: str) -> None:
    said = await call(tool, format=form)
    assert said.result["image"].media_type == f"image/{form}"
    red = picture(said).getpixel((150, 75))
    assert isinstance(red, tuple)
    assert max(abs(a - b) for a, b in zip(red, RED, strict=True)) < 10


async def test_less_quality_is_fewer_bytes(tool: Tool) -> None:
    good, bad = [await call(tool, format="jpeg", quality=quality) for quality in (95, 5)]
    assert len(bad.result["image"].data) < len(good.result["image"].data)


# --- what is said ----------------------------------------------------------------------------


async def test_the_model_is_told_a_sentence_and_the_log_gets_the_bytes_apart(tool: Tool) -> None:
    said = await call(tool, resolution="480p", format="jpeg")
    size = len(said.result["image"].data)
    assert said.brief == (
        "A screenshot of monitor 1 (1280×720 at 0,0) as 853×480 image/jpeg, "
        f"{size / 1000:.3g} KB; there is 1 monitor."
    )
    element = {"type": "tool_result", "name": "screenshot", "result": said.result, "id": "1"}
    assert "binary" not in told({**element, "brief": said.brief})
    assert len(told(element)) < 600, "without the brief it is a word, not bytes"
    encoder = Encoder()
    line = encoder.encode(element)
    assert len(line) < 1_000
    assert f'"type":"binary","media_type":"image/jpeg","size":{size}'.encode() in line
    assert list(encoder.take_blobs().values()) == [said.result["image"]]


async def test_an_execution_keeps_the_picture_beside_its_events(tool: Tool) -> None:
    @rxs.graph
    def look() -> Any:
        return rxs.source(lambda: perform(tool, {"resolution": "240p"}))

    async with rxs.Engine() as engine:
        execution = await engine.start(look)
        outputs = [e.data async for e in execution.events() if e.event_type == "step_output"]
        image = outputs[-1][-1]["result"]["image"]
        assert image["type"] == "binary"
        assert image["href"].endswith(image["sha256"])
        stored = await engine.log.blob(execution.id, image["sha256"])
    assert stored is not None
    assert Image.open(io.BytesIO(stored.data)).size == (426, 240)


def test_each_step_is_told(tool: Tool) -> None:
    told_of = progress(tool)
    assert told_of == [0, 30, 45, 65, 100]
    assert progress(tool) == [0, 30, 100], "what was made before is not made again"


async def test_it_says_live_what_it_does(tool: Tool) -> None:
    said = await call(tool)
    assert said.live.splitlines()[0] == "captured 1280×720 at 0,0 of monitor 1"
    assert said.live.splitlines()[1].startswith("encoded: png, ")


async def test_a_call_that_is_cancelled_takes_no_picture(tool: Tool) -> None:
    token = CancellationToken()
    token.cancel("not wanted")
    said = await call(tool, token)
    assert said.error is not None
    assert said.error["kind"] == "cancelled"


# --- the same again --------------------------------------------------------------------------


async def test_the_same_pixels_are_made_once(tool: Tool, painter: Painter) -> None:
    first, again = await call(tool, scale=0.5), await call(tool, scale=0.5)
    assert (first.result["cached"], again.result["cached"]) == (False, True)
    assert again.result["image"] == first.result["image"]
    assert "the same as before: png" in again.live
    other = await call(tool, scale=0.4)
    assert other.result["cached"] is False
    painter.paint(0, 0, 1, 1, 0x0000FF)
    changed = await call(tool, scale=0.5)
    assert changed.result["cached"] is False
    assert changed.result["image"] != first.result["image"]


async def test_the_quality_of_a_format_without_any_makes_no_difference(tool: Tool) -> None:
    await call(tool, quality=10)
    assert (await call(tool, quality=90)).result["cached"] is True


def test_what_was_used_least_lately_is_forgotten() -> None:
    kept = pictures.Kept(100)
    made = {name: pictures.Picture(bytes(40), "image/png", 1, 1) for name in (b"a", b"b", b"c")}
    kept.put(b"a", made[b"a"])
    kept.put(b"b", made[b"b"])
    assert kept.get(b"a") is made[b"a"]
    kept.put(b"c", made[b"c"])
    assert kept.get(b"b") is None
    assert kept.get(b"a") is made[b"a"]
    kept.put(b"large", pictures.Picture(bytes(101), "image/png", 1, 1))
    assert kept.get(b"large") is None
    assert kept.size == 80


# --- what goes wrong -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"monitor": 7}, "there is no monitor 7: give 0 for the whole desktop or 1"),
        (
            {"region": {"left": 5_000, "top": 0, "width": 9, "height": 9}},
            "the region 9×9 at 5000,0 is beside the monitor, which has 1280×720 pixels",
        ),
        ({"crop": {"left": 0.5, "right": 0.5}}, "leaves nothing"),
        ({"scale": 0.5, "resolution": "480p"}, "give either a resolution or a scale, not both"),
        ({"marks": [{"left": 0, "top": 0, "color": "reddish"}]}, "'reddish' is no color"),
        ({"format": "gif"}, "format"),
        ({"scale": 3}, "scale"),
        ({"region": {"left": 0, "top": 0, "width": 0, "height": 9}}, "region.width"),
    ],
)
async def test_what_cannot_be_captured_is_said_in_one_line(
    tool: Tool, asked: dict[str, Any], message: str
) -> None:
    error = (await call(tool, **asked)).error
    assert error is not None
    assert error["kind"] == "client"
    assert message in error["message"]
    assert "\n" not in error["message"]


async def test_without_a_display_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    error = (await call(tools.screenshot())).error
    assert error is not None
    assert (error["kind"], error["code"]) == ("world", "no_screen")
    assert error["message"] == (
        "there is no screen: DISPLAY is not set; run this in a desktop session, or under Xvfb"
    )


async def test_a_display_that_is_not_there_is_named() -> None:
    error = (await call(tools.screenshot(":64999"))).error
    assert error is not None
    assert error["message"].startswith("cannot capture the screen :64999: ")


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'rxstream\[screenshot\]'"):
        tools.screenshot()


def test_a_person_can_be_asked_first() -> None:
    assert tools.screenshot(approval=True).settings.approval is True


# --- areas and sizes, without a screen -------------------------------------------------------

DESKTOP = (Area(-1920, 0, 3840, 1200), Area(0, 0, 1920, 1080), Area(-1920, 120, 1920, 1080))


@pytest.mark.parametrize(
    ("monitor", "region", "expected"),
    [
        (0, None, Area(-1920, 0, 3840, 1200)),
        (2, None, Area(-1920, 120, 1920, 1080)),
        (2, Area(10, 20, 30, 40), Area(-1910, 140, 30, 40)),
        (2, Area(1900, 1000, 100, 100), Area(-20, 1120, 20, 80)),
        (0, Area(-5, -5, 10, 10), Area(-1920, 0, 5, 5)),
    ],
)
def test_a_region_is_relative_to_its_monitor(
    monitor: int, region: Area | None, expected: Area
) -> None:
    assert chosen(DESKTOP, monitor, region) == expected


def test_a_monitor_that_is_not_there_says_which_are() -> None:
    with pytest.raises(ClientError, match=r"no monitor 3: give 0 for the whole desktop, or 1 to 2"):
        chosen(DESKTOP, 3, None)


def test_a_screen_that_stands_upright_is_fitted_upright() -> None:
    assert target((1080, 1920), Making(resolution="720p")) == (720, 1280)
    assert target((3, 2), Making(scale=0.01)) == (1, 1)


def test_a_crop_always_keeps_a_pixel() -> None:
    assert box(Crop(left=0.9999, top=0.9999, right=1, bottom=1), (10, 10)) == (9, 9, 10, 10)


def test_what_a_format_cannot_hold_is_said() -> None:
    with pytest.raises(ClientError, match=r"cannot be made webp.*give a lower resolution"):
        pictures.encoded(Image.new("RGB", (20_000, 1)), Making(format="webp"))


def test_a_mark_beside_the_picture_is_harmless() -> None:
    marks = (Mark(left=-50, top=500, width=10, height=10, text="gone"),)
    image = Image.new("RGB", (20, 20))
    assert pictures.shaped(image, Making(marks=marks)).size == (20, 20)
