"""What an execution asks is answered on the page, and an agent is told there what nobody asked for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from rxstream.engine import Engine
from tests.browser import parts, people
from tests.browser.parts import Window, Wire, sees

DOCS = Path(__file__).parents[2] / "docs" / "web.md"


@pytest.fixture
async def asking() -> AsyncIterator[Engine]:
    async with Engine(graphs=people.GRAPHS) as opened:
        yield opened


async def test_an_object_is_given_by_keyboard_and_the_question_goes_for_everybody(
    asking: Engine, window: Window
) -> None:
    execution = await asking.start(people.ordering)
    async with parts.served(asking) as url:
        page, other = await window.open(url), await window.open(url)
        form = page.get_by_role("form", name="how much tea?")
        await expect(form.locator(".left")).to_contain_text("min")
        await expect(page).to_have_title("(1) ordering · rxstream")
        name = form.get_by_label("name")
        await name.focus()
        await page.keyboard.type("Ada")
        await page.keyboard.press("Tab")
        await page.keyboard.type("11")
        await form.get_by_label("size").select_option("S")
        await form.get_by_label("express").check()
        await form.get_by_label("tags").fill('["a", ')
        await name.press("Enter")
        await expect(form.get_by_role("alert").filter(has_text="not JSON")).to_have_count(1)
        await form.get_by_label("tags").fill('["a"]')
        await name.press("Enter")
        amount = form.get_by_label("amount")
        await expect(amount).to_have_attribute("aria-invalid", "true")
        await expect(amount).to_be_focused()
        await expect(form.get_by_role("alert").filter(has_text="equal to 10")).to_have_count(1)
        await other.get_by_label("name").fill("Bob")
        await amount.fill("3")
        await amount.press("Enter")
        for each in (page, other):
            await expect(each.locator("form.question")).to_have_count(0)
            await sees(each, "#status", "completed")
            await expect(each.locator("#main")).to_be_focused()
        assert await execution.result() == {
            "name": "Ada",
            "amount": 3,
            "size": "S",
            "express": True,
            "tags": ["a"],
        }


async def test_a_question_outlives_the_server_and_is_answered_with_a_click(
    tmp_path: Path, window: Window
) -> None:
    log = tmp_path / "events.db"
    async with Engine(log, graphs=people.GRAPHS) as engine:
        async with parts.served(engine) as url:
            execution = await engine.start(people.publishing)
            page = await window.open(url)
            await expect(page.get_by_role("form", name="publish it?")).to_be_visible()
        yes = page.get_by_role("button", name="Yes")
        await yes.click()
        alert = page.locator("form.question [role=alert]")
        await expect(alert).to_have_text("The server does not answer.")
        await engine.drain()
    port = int(url.rsplit(":", 1)[1])
    async with Engine(log, graphs=people.GRAPHS) as engine, parts.served(engine, port):
        await parts.until(lambda: reconnected(page))
        await expect(alert).to_have_text("")
        await parts.until(lambda: is_asked(engine, execution.id))
        await yes.click()
        await sees(page, "#status", "completed")
        await expect(page.locator("form.question")).to_have_count(0)
        await expect(page.locator("#main")).to_be_focused()
        assert await engine.execution(execution.id).result() == "yes"


async def test_one_of_a_few_choices_is_a_button_and_the_result_of_a_pipeline_is_shown(
    asking: Engine, window: Window
) -> None:
    await asking.start(people.shipping.graph)
    async with parts.served(asking) as url:
        page = await window.open(url)
        await page.get_by_role("button", name="hold").click()
        await sees(page, "#status", "completed")
        await expect(page.locator("#result .now")).to_have_text(["hold", "1,790"])


async def test_what_an_agent_does_is_shown_in_its_order_and_steered(
    asking: Engine, window: Window
) -> None:
    execution = await asking.start(people.assistant)
    async with parts.served(asking) as url:
        page = await window.open(url)
        waits = page.locator(".call", has_text="wait")
        await expect(waits.locator(".heard")).to_have_text("still here\n")
        assert await blocks(page) == [
            "Let me look.",
            "look done x is there\nand it is old\n",
            "fail failed no disk",
            "Meanwhile x.",
            "Now wait.",
            "wait running still here\n",
        ]
        await expect(page.locator(".call[data-state=failed] .gave")).to_have_text("no disk")
        await expect(said(page).locator("b")).to_have_text("while")
        picture = page.locator(".call[data-state=done] img")
        await expect(picture).to_have_js_property("naturalWidth", 1)
        message = page.get_by_label("Message to agent")
        await message.fill("be quick")
        await message.press("Enter")
        await expect(page.locator(".joining li")).to_have_text("joins the next turn: be quick")
        await expect(message).to_have_value("")
        await page.get_by_role("button", name="Cancel the call of wait").click()
        await expect(page.locator(".bubble")).to_contain_text("be quick")
        await expect(page.locator(".joining li")).to_have_count(0)
        await expect(waits).to_have_attribute("data-state", "cancelled")
        await expect(said(page).last).to_have_text("Well.")
        await message.fill("go on")
        await page.get_by_role("button", name="Send").click()
        await expect(said(page).last).to_have_text("And on")
        await page.get_by_role("button", name="Stop answering").click()
        await expect(page.get_by_role("button", name="Stop answering")).to_be_hidden()
        await page.get_by_role("button", name="Stop", exact=True).click()
        await sees(page, "#status", "cancelled")
        await expect(message).to_be_hidden()
    assert execution.ended


async def reconnected(page: Page) -> bool:
    await page.locator("#again").dispatch_event("click")
    return await page.locator("#link").get_attribute("data-state") == "live"


async def is_asked(engine: Engine, execution_id: str) -> bool:
    return bool(engine.execution(execution_id).questions)


async def test_what_the_documents_follow_with_loses_nothing_over_a_cut_line(
    engine: Engine, wire: Wire, window: Window
) -> None:
    [code] = re.findall(r"```js\n(.*?)```", DOCS.read_text(), re.DOTALL)
    feed = parts.new_feed()
    execution = await engine.start(parts.talk)
    page = await window.open(wire.url)
    soon = code.replace("1000", "20")
    begun = f"() => {{ {soon}; window.seen = []; follow({execution.id!r}, (e) => seen.push(e)); }}"
    await page.evaluate(begun)
    for count in (120, 240):  # more than a window each
        for word in range(120):
            feed.put_nowait(str(word))
        await parts.until(partial(has_seen, page, count))
        wire.cut()
    feed.put_nowait(None)
    await execution.wait()
    stored = [event.sequence async for event in execution.events()]
    await parts.until(lambda: has_seen(page, len(stored)))
    assert await page.evaluate("seen.map((event) => event.sequence)") == stored


async def has_seen(page: Page, count: int) -> bool:
    return bool(await page.evaluate("seen.length") >= count)


def said(page: Page) -> Locator:
    return page.locator(".talk > .said")


async def blocks(page: Page) -> list[str]:
    """What the card shows from top to bottom: texts, and calls with their state and output."""
    found: list[str] = await page.evaluate(
        """() => {
          const text = (node, part) => node.querySelector(part).textContent;
          const gave = (node) => text(node, ".heard") || text(node, ".result");
          const call = (node) => [text(node, "b"), node.dataset.state, gave(node)];
          return [...document.querySelectorAll(".talk > .said, .talk > .call")].map(
            (node) => node.dataset.call === undefined ? node.textContent : call(node).join(" "));
        }"""
    )
    return found
