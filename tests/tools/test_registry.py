"""Tools by name: finding them, allowing some, and calling one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

import rxstream as rxs
from rxstream.errors import AuthorError
from rxstream.tools import Tool, ToolContext, ToolError, ToolRegistry, UnknownTool, tool


@tool(tags=["text"])
def count(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())


@tool(tags=["text", "files"], name="files_view")
async def view(path: str, context: ToolContext) -> AsyncIterator[str]:
    """Show a file."""
    context.progress(50, path)
    yield f"content of {path}"


def shout(text: str) -> str:
    """Make a text loud."""
    if not text:
        raise ValueError("nothing to shout")
    return text.upper()


TOOLS = ToolRegistry([count, view, shout])


def names(found: list[Tool]) -> list[str]:
    return [each.name for each in found]


def test_tools_are_found_by_words_tags_and_whether_they_stream() -> None:
    assert names(TOOLS.search()) == ["count", "files_view", "shout"]
    assert names(TOOLS.search("words TEXT")) == ["count"]
    assert names(TOOLS.search("path")) == ["files_view"]
    assert names(TOOLS.search(tags="text")) == ["count", "files_view"]
    assert names(TOOLS.search(tags=["text", "files"])) == ["files_view"]
    assert names(TOOLS.search("text", streams=False)) == ["count", "shout"]


def test_what_is_not_allowed_is_not_there() -> None:
    allowed = TOOLS.only("files_*", "shout")
    assert (len(allowed), "count" in allowed, "shout" in allowed) == (2, False, True)
    assert [each.name for each in allowed.specs] == ["files_view", "shout"]
    with pytest.raises(UnknownTool, match="no tool is named 'double': there are files_view, shout"):
        allowed.get("double")
    with pytest.raises(
        AuthorError, match="no tool is allowed by 'bash': there are count, files_view"
    ):
        TOOLS.only("bash")


def test_an_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(
        UnknownTool, match="'counts', did you mean 'count'\\? there are count, files"
    ):
        TOOLS.get("counts")
    with pytest.raises(UnknownTool, match="there is none"):
        ToolRegistry().get("x")
    many = ToolRegistry([Tool(shout, name=f"shout{n}") for n in range(25)])
    with pytest.raises(UnknownTool, match="and 5 more"):
        many.get("x")


def test_two_of_one_name_what_is_no_tool_and_bad_names_are_refused() -> None:
    with pytest.raises(AuthorError, match="there are two tools named 'shout'"):
        ToolRegistry([shout, shout])
    with pytest.raises(AuthorError, match="a str is no tool"):
        ToolRegistry(["shout"])  # type: ignore[list-item]  # what is refused
    with pytest.raises(AuthorError, match=r"'a\.b' is no name of a tool"):
        Tool(shout, name="a.b")
    with pytest.raises(AuthorError, match="timeout is seconds above 0"):
        Tool(shout, timeout=0)


async def test_a_stream_of_a_call_is_a_stream_like_any_other() -> None:
    texts = TOOLS.stream("files_view", {"path": "a"}).map(lambda element: element.get("text"))
    assert [text async for text in texts] == ["content of a", "a", None]
    only_result = TOOLS.stream("files_view", {"path": "a"}, stream=False, call_id="7")
    assert [each async for each in only_result] == [
        {"type": "tool_result", "id": "7", "name": "files_view", "result": "content of a"}
    ]


async def test_an_engine_records_a_call_and_its_progress() -> None:
    @rxs.graph
    def viewing(path: str) -> rxs.Stream[object]:
        return TOOLS.stream("files_view", {"path": path}).named("view")

    async with rxs.Engine() as engine:
        execution = await engine.start(viewing.bind(path="x"))
        events = [event async for event in execution.events()]
        last = await execution.result()
    assert last["result"] == "content of x"
    progress = next(each.data for each in events if each.event_type == "step_progress")
    assert (progress["percentage"], progress["message"]) == (50.0, "x")


async def test_a_call_gives_its_value_or_raises_what_went_wrong() -> None:
    assert await TOOLS.call("shout", {"text": "hi"}) == "HI"
    with pytest.raises(ToolError, match="tool 'shout': nothing to shout") as raised:
        await TOOLS.call("shout", {"text": ""})
    assert (raised.value.kind, raised.value.code) == ("user", "ValueError")
    with pytest.raises(ToolError, match="text is missing"):
        await TOOLS.call("shout", {})
