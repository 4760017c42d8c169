"""The page in a real browser: what runs is seen live, and no broken wire loses any of it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from rxstream.adapters.web import setup
from rxstream.engine import Engine, Execution
from rxstream.log import MemoryLog
from tests.browser import parts
from tests.browser.parts import Window, Wire, sees, sequences, text_of_talk, until

WORDS = [f"word{i} " for i in range(40)]


async def started(engine: Engine, *words: str, **params: Any) -> Execution:
    feed = parts.new_feed()
    for word in words:
        feed.put_nowait(word)
    return await engine.start(parts.talk, params or None)


def say(*words: str | dict[str, str] | Exception | None) -> None:
    for word in words:
        parts.FEED.put_nowait(word)


async def shows(page: Page, text: str) -> None:
    await until(lambda: _same(page, text))


async def _same(page: Page, text: str) -> bool:
    return await text_of_talk(page) == text


async def complete(page: Page, execution: Execution) -> bool:
    """Whether the page holds every event of the execution, once and in order."""
    last = [event.sequence async for event in execution.events()][-1]
    assert last is not None
    return await sequences(page) == list(range(1, last + 1))


async def test_what_happens_is_seen_while_it_happens(
    engine: Engine, wire: Wire, window: Window
) -> None:
    execution = await started(engine, "Once ", "upon ")
    page = await window.open(wire.url)
    await sees(page, "#title", "talk")
    await sees(page, "#status", "running")
    await sees(page, "#link", "live · WebSocket")
    await shows(page, "Once upon ")
    say("a time")
    await shows(page, "Once upon a time")
    await expect(page.locator("[data-node]")).to_have_count(2)
    await expect(page.locator('[data-node="answer"]')).to_have_attribute("data-state", "running")
    await expect(page.get_by_role("progressbar", name="answer")).to_have_attribute(
        "aria-valuenow", "3"
    )
    await sees(page, '[data-output="machine"] .value .now >> nth=1', "42")
    say(None)
    await sees(page, "#status", "completed")
    await sees(page, "#link", "ended · everything was read")
    await expect(page.locator('[data-node="answer"]')).to_have_attribute("data-state", "completed")
    assert await complete(page, execution)


async def test_an_answer_that_begins_anew_is_shown_from_its_beginning(
    engine: Engine, wire: Wire, window: Window
) -> None:
    await started(engine, "Twice ", "upon ")
    page = await window.open(wire.url)
    await shows(page, "Twice upon ")
    say({"type": "reasoning", "text": "not so"})
    await sees(page, ".thought summary", "thoughts · 6 characters")
    say({"type": "restarted", "message": "the model said something else"}, "Once ")
    await shows(page, "Once ")


async def test_a_page_that_was_killed_shows_everything_when_it_is_opened_again(
    engine: Engine, wire: Wire, window: Window
) -> None:
    execution = await started(engine, *WORDS[:20])
    page = await window.open(wire.url)
    await shows(page, "".join(WORDS[:20]))
    address = page.url
    assert execution.id in address
    await page.context.close()
    say(*WORDS[20:], None)
    await execution.wait()
    again = await window.open(address)
    await shows(again, "".join(WORDS))
    await sees(again, "#status", "completed")
    assert await complete(again, execution)


@pytest.mark.parametrize(
    ("blocked", "name"),
    [
        ((), "live · WebSocket"),
        ((b"GET /ws",), "live · SSE"),
        ((b"GET /ws", b"GET /stream/"), "live · polling"),
    ],
)
async def test_cut_connections_lose_nothing(
    engine: Engine, wire: Wire, window: Window, blocked: tuple[bytes, ...], name: str
) -> None:
    wire.blocked = blocked
    execution = await started(engine, WORDS[0])
    page = await window.open(wire.url)
    await sees(page, "#link", name)
    chance = random.Random(1)
    for i, word in enumerate(WORDS[1:], 1):
        say(word)
        if i % 13 == 0:
            await until(lambda: _cut(wire))
            await page.wait_for_timeout(chance.randrange(30))
    await shows(page, "".join(WORDS))
    say(None)
    await sees(page, "#status", "completed")
    assert await complete(page, execution)
    await expect(page.locator("#gap")).to_be_hidden()


async def _cut(wire: Wire) -> bool:
    return wire.cut() > 0


async def test_a_server_that_is_away_is_said_and_waited_for(
    engine: Engine, wire: Wire, window: Window
) -> None:
    await started(engine, "before ")
    page = await window.open(wire.url)
    await shows(page, "before ")
    wire.down = True
    wire.cut()
    await expect(page.locator("#link")).to_have_attribute("data-state", "waiting")
    await expect(page.locator("#link")).to_contain_text("reconnecting in")
    now = page.get_by_role("button", name="Reconnect now")
    await expect(now).to_be_visible()
    say("meanwhile ")
    wire.down = False
    # as a click, which would wait for a button that goes when the page has reconnected by itself
    await page.locator("#again").dispatch_event("click")
    await shows(page, "before meanwhile ")
    say(None)
    await sees(page, "#status", "completed")


async def test_a_line_that_died_in_silence_is_noticed_and_replaced(
    engine: Engine, wire: Wire, window: Window
) -> None:
    await started(engine, "before ")
    page = await window.open(wire.url)
    await page.clock.install()
    await page.reload()
    await shows(page, "before ")
    wire.swallow()
    say("unseen ")
    await page.clock.run_for(40_000)
    await page.clock.resume()
    await shows(page, "before unseen ")
    say(None)
    await sees(page, "#status", "completed")


async def test_a_server_that_died_is_found_again_with_everything_seen(
    tmp_path: Path, window: Window
) -> None:
    log = tmp_path / "events.db"
    async with Engine(log, graphs=parts.GRAPHS) as engine, parts.served(engine) as url:
        execution = await started(engine, *WORDS)
        page = await window.open(url)
        await shows(page, "".join(WORDS))
    port = int(url.rsplit(":", 1)[1])
    async with Engine(log, graphs=parts.GRAPHS) as engine, parts.served(engine, port):
        await expect(page.locator("#link")).to_have_text("ended · everything was read")
        await shows(page, "".join(WORDS))
        record = await engine.record(execution.id)
        await sees(page, "#status", record.status)


async def test_a_failure_is_shown_as_text_and_nothing_from_outside_becomes_markup(
    engine: Engine, wire: Wire, window: Window
) -> None:
    hostile = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'
    await started(engine, hostile, title=hostile)
    say(ValueError(hostile))
    page = await window.open(wire.url)
    await sees(page, "#status", "failed")
    await expect(page.locator("#error")).to_contain_text(hostile)
    await shows(page, hostile)
    assert await page.evaluate("window.hit") is None
    assert await page.locator("main img").count() == 0


async def test_what_the_log_no_longer_keeps_is_said(window: Window) -> None:
    log = MemoryLog(ring_events=100)
    async with Engine(log, graphs=parts.GRAPHS) as engine, parts.served(engine) as url:
        execution = await engine.start(parts.numbers, {"n": 1_000})
        await execution.wait()
        page = await window.open(url)
        await expect(page.locator("#gap")).to_contain_text("no longer kept")
        await sees(page, "#status", "completed")


async def test_many_events_stay_few_in_the_document(
    engine: Engine, wire: Wire, window: Window
) -> None:
    execution = await engine.start(parts.numbers, {"n": 24_000})
    page = await window.open(wire.url)
    await sees(page, "#status", "completed")
    await sees(page, "#count", "24,004 events")
    assert await page.locator("#rows .ev").count() < 60
    assert await page.evaluate("run.events.length") <= 22_000
    await expect(page.locator("#events-note")).to_contain_text("no longer held here")
    assert execution.status == "completed"


async def test_a_graph_is_started_and_cancelled_by_hand(
    engine: Engine, wire: Wire, window: Window
) -> None:
    parts.new_feed()
    page = await window.open(wire.url)
    await expect(page.locator("#nothing")).to_be_visible()
    await page.get_by_role("button", name="Start talk").click()
    await sees(page, "#status", "running")
    await page.get_by_role("button", name="Cancel").click()
    await sees(page, "#status", "cancelled")
    await expect(page.locator("#runs li")).to_have_count(1)


async def test_a_wrong_parameter_is_named_at_its_field(
    engine: Engine, wire: Wire, window: Window
) -> None:
    page = await window.open(wire.url)
    item = page.locator(".startable", has_text="numbers")
    await item.get_by_role("button", name="Start numbers").click()
    field = item.locator("input[name=n]")
    await expect(field).to_be_focused()
    await field.fill("2.5")
    await field.evaluate("(input) => { input.step = 'any'; }")  # as an older browser would let pass
    await field.press("Enter")
    await expect(item.get_by_role("alert").first).to_contain_text("integer")
    await field.fill("3")
    await field.press("Enter")
    await sees(page, "#status", "completed")
    await expect(page.locator("#params")).to_have_text("n=3")


async def test_events_are_filtered_paused_and_opened_by_keyboard(
    engine: Engine, wire: Wire, window: Window
) -> None:
    await started(engine, "one", "two")
    page = await window.open(wire.url)
    await shows(page, "onetwo")
    await page.get_by_role("button", name="Pause").click()
    say("three")
    await expect(page.locator("#events-note")).to_contain_text("paused")
    await shows(page, "onetwothree")
    assert await page.locator(".ev:visible", has_text="three").count() == 0
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator(".ev:visible .sum", has_text="three")).to_have_count(1)
    await page.locator('[data-node="machine"]').focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#by-node")).to_have_value("machine")
    await expect(page.locator(".ev:visible .step", has_text="answer")).to_have_count(0)
    await page.locator("#list").focus()
    await page.keyboard.press("Home")
    await expect(page.locator("#detail")).to_contain_text('"event_type": "step_start"')
    say(None)
    await sees(page, "#status", "completed")


async def test_a_drawing_goes_from_left_to_right_without_boxes_upon_each_other(
    wire: Wire, window: Window
) -> None:
    chance = random.Random(3)
    nodes = [{"id": f"n{i}", "operator": "map", "kind": "operator"} for i in range(60)]
    for i, node in enumerate(nodes):
        some = chance.sample(range(i), min(i, chance.randrange(1, 4)))
        node["inputs"] = [f"n{k}" for k in some]  # type: ignore[assignment]  # JSON in the making
    page = await window.open(wire.url)
    drawn = await page.evaluate(
        """(nodes) => [...layout(nodes).boxes.values()].map(
          ({ node, inputs, x, y, width, height }) => ({ id: node.id, inputs, x, y, width, height }))""",
        nodes,
    )
    boxes = {box["id"]: box for box in drawn}
    for box in drawn:
        for other in (boxes[name] for name in box["inputs"]):
            assert other["x"] + other["width"] <= box["x"]
    ordered = sorted(drawn, key=lambda box: box["y"])
    for i, box in enumerate(ordered):
        for below in ordered[i + 1 :]:
            beside = (
                below["x"] >= box["x"] + box["width"] or box["x"] >= below["x"] + below["width"]
            )
            assert beside or below["y"] >= box["y"] + box["height"]


async def test_unnamed_operators_are_drawn_inside_the_node_they_lead_to(
    wire: Wire, window: Window
) -> None:
    page = await window.open(wire.url)
    chain: list[dict[str, Any]] = [
        {"id": "file", "operator": "lines", "kind": "source", "inputs": []},
        {"id": "map_1", "operator": "map", "kind": "operator", "inputs": ["file"]},
        {"id": "scan_1", "operator": "scan", "kind": "operator", "inputs": ["map_1"]},
        {"id": "words", "operator": "map", "kind": "operator", "inputs": ["scan_1"]},
    ]
    groups = await page.evaluate(
        "(nodes) => grouped(nodes).map((g) => [g.node.id, g.members.map((m) => m.operator), g.inputs])",
        chain,
    )
    assert groups == [["file", ["lines"], []], ["words", ["map", "scan", "map"], ["file"]]]


async def test_an_execution_that_is_not_there_is_said(wire: Wire, window: Window) -> None:
    page = await window.open(f"{wire.url}/#execution=nobody")
    await expect(page.locator("#trouble")).to_contain_text("cannot be followed")
    await sees(page, "#link", "cannot be followed")


async def test_it_works_below_a_prefix(engine: Engine, window: Window) -> None:
    app = web.Application()
    setup(app, engine, prefix="/deep/rx")
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await started(engine, "below", title="x")
        say(None)
        page = await window.open(f"http://127.0.0.1:{runner.addresses[0][1]}/deep/rx/")
        await sees(page, "#status", "completed")
        await shows(page, "below")
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
async def test_it_fits_narrow_and_wide_screens_in_light_and_dark(
    engine: Engine, wire: Wire, window: Window, scheme: str, width: int
) -> None:
    await started(engine, *WORDS)
    size = {"width": width, "height": 800}
    page = await window.open(wire.url, viewport=size, color_scheme=scheme)
    await shows(page, "".join(WORDS))
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    paper = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) > 382) == (scheme == "light")
    say(None)
    await sees(page, "#status", "completed")
