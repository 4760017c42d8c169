"""A tool that cannot stream, or whose streaming fails before any side effect, is called the plain way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from rxstream.errors import AuthorError
from rxstream.tools import CannotStream, Tool, ToolResult, tool
from tests.tools.calls import elements, error, result, shown

CALLED: list[str] = []


def fetching(raises: Exception, **settings: Any) -> Tool:
    """A tool whose streaming fails after one piece, and its plain variant."""
    CALLED.clear()

    @tool(name="fetch", **settings)
    async def fetch(page: str) -> AsyncIterator[Any]:
        CALLED.append("streaming")
        if isinstance(raises, CannotStream):
            raise raises
        yield "half"
        raise raises

    @fetch.plain
    def whole(page: str) -> str:
        CALLED.append("plain")
        return f"all of {page}"

    return fetch


async def test_a_tool_that_says_it_cannot_stream_is_called_the_plain_way() -> None:
    found = await elements(fetching(CannotStream("no pipe")), {"page": "x"})
    assert CALLED == ["streaming", "plain"]
    assert shown(found, "progress") == "goes on without streaming: no pipe"
    assert found[-1]["result"] == "all of x"


async def test_an_idempotent_tool_whose_streaming_fails_is_called_the_plain_way() -> None:
    found = await elements(fetching(OSError("cut"), idempotent=True), {"page": "x"})
    assert (shown(found), found[-1]["result"]) == ("half", "all of x")


async def test_a_tool_that_may_have_had_effects_is_not_called_again() -> None:
    found = await error(fetching(OSError("cut")), {"page": "x"})
    assert found["message"] == "cut"
    assert CALLED == ["streaming"]


async def test_where_streaming_is_off_the_plain_variant_is_called() -> None:
    assert (await result(fetching(OSError("cut")), {"page": "x"}, stream=False))[
        "result"
    ] == "all of x"
    assert CALLED == ["plain"]


async def test_a_tool_without_a_plain_variant_that_cannot_stream_fails() -> None:
    @tool
    async def only() -> AsyncIterator[str]:
        raise CannotStream("no terminal")
        yield ""

    assert (await error(only))["message"] == "no terminal"


def test_a_plain_variant_must_be_one() -> None:
    @tool
    async def live(page: str) -> AsyncIterator[Any]:
        yield ToolResult(page)

    with pytest.raises(AuthorError, match="must take what the tool takes"):
        live.plain(lambda other: other)
    with pytest.raises(AuthorError, match="a function that returns its result"):
        live.plain(live.function)

    @tool
    def dead(page: str) -> str:
        return page

    with pytest.raises(AuthorError, match="of a tool that yields"):
        dead.plain(dead.function)
