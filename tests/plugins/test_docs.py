"""What the page on plugins shows works as it is written there."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rxstream.plugins import PluginManager
from rxstream.testing import check_plugin

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the blocks of the page define, one after the other."""
    shop, *others = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert shop.startswith("# shop.py\n")
    tmp_path.joinpath("shop.py").write_text(shop)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "shop", raising=False)  # another test's of the same name
    names: dict[str, Any] = {}
    for block in others:
        exec(compile(block, str(PAGE), "exec"), names)
    yield names
    del sys.modules["shop"]


def test_the_code_of_the_page_works(space: dict[str, Any]) -> None:
    async def one(stream: Any) -> Any:
        return await stream

    assert asyncio.run(space["main"]()) == "order 2: 60"
    assert sorted(space["wrong"]) == ["colour", "count"]
    assert space["orders"]["id"] == "shop.orders"
    summed = asyncio.run(space["sums"].run({"amounts": [1, 2]}))
    assert summed["totals"] == 3
    assert asyncio.run(one(space["apart_orders"])) == 2
    assert asyncio.run(one(space["cents"])) == 375
    assert asyncio.run(one(space["whole"])) == 375
    patterns = PluginManager()
    patterns.load(space["Patterns"])
    assert asyncio.run(patterns.call("patterns.pages")) == ["row 3.0", "row 3.1"]
    assert len(asyncio.run(patterns.call("patterns.lines", {"path": str(PAGE)}))) > 100
    assert asyncio.run(patterns.call("patterns.counted", {"seconds": 0.05})) > 0
    assert asyncio.run(patterns.call("patterns.polled"))[-1] == "done"
    samples: dict[str, Any] = {
        "pages": {},
        "lines": {"path": str(PAGE)},
        "counted": {"seconds": 0.05},
        "polled": {},
    }
    check_plugin(space["Patterns"], samples)
    space["shared"].unload("money")
    assert asyncio.run(one(space["once"])) == "anything done"
    space["test_the_shop_keeps_the_contract"]()
