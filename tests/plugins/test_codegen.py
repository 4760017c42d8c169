"""A model writes a function, right or wrong, and what it wrote is compiled and tested in the sandbox."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import rxstream as rxs
from rxstream.adapters.tools.sandbox import Sandbox
from rxstream.errors import InvalidParameters, WorldError
from rxstream.pipeline import Pipeline, Streaming, action_step
from rxstream.plugins import PluginManager
from rxstream.plugins.examples import trying
from rxstream.plugins.examples.codegen import CodeGen
from rxstream.plugins.examples.trying import Tried
from rxstream.plugins.examples.written import MAX_CHARACTERS, code_of, compiled
from rxstream.testing import check_plugin, crash_everywhere, virtual_time
from tests.plugins.saying import Saying, markdown

ADD = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return a - b\n"
TEST = "assert add(2, 3) == 5"
OWN_TEST = "\ndef test_add():\n    assert add(1, 1) == 2\n"


async def elements(said: str | Saying, **params: Any) -> list[Any]:
    """All that the action gives for what a model says."""
    model = Saying(markdown(said)) if isinstance(said, str) else said
    plugins = PluginManager()
    plugins.load(CodeGen(lambda name: model))
    stream = plugins.stream("codegen.write", {"description": "adds", **params})
    return [item async for item in stream]


def checks(items: list[Any]) -> dict[str, Any]:
    """Whether each check passed."""
    return {item["check"]: item["passed"] for item in items if item["type"] == "checked"}


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sandbox here."""

    def start(*args: Any, **more: Any) -> Any:
        raise WorldError("no sandbox on this machine", code="no_sandbox")

    monkeypatch.setattr(Sandbox, "start", start)


class TestAnswer:
    @virtual_time
    async def test_the_models_elements_come_first_then_the_checks_then_the_result(
        self, untried: None
    ) -> None:
        items = await elements(ADD)
        kinds = [item["type"] for item in items]
        assert kinds[:2] == ["token", "token"]
        assert kinds[kinds.index("done") :] == ["done", *["checked"] * 3, "written"]
        text = "".join(item["text"] for item in items if item["type"] == "token")
        assert text == markdown(ADD)
        assert items[-1] == {"type": "written", "name": "add", "code": ADD, "passed": None}

    @virtual_time
    async def test_what_came_before_an_answer_began_anew_does_not_count(
        self, untried: None
    ) -> None:
        before = [
            {"type": "reasoning", "text": "hm"},
            {"type": "token", "text": "def wrong"},
            {"type": "restarted", "message": "it broke off"},
        ]
        items = await elements(Saying(markdown(ADD), before))
        assert [item["type"] for item in items[:3]] == ["reasoning", "token", "restarted"]
        assert items[-1]["code"] == ADD

    @virtual_time
    async def test_the_model_is_asked_for_the_name_and_the_test(self, untried: None) -> None:
        model = Saying(markdown(ADD))
        await elements(model, name="add", test=TEST, max_tokens=99, temperature=0.5)
        [(question, delivered)] = model.asked
        said = question.messages[1]["content"]
        assert said.startswith("adds\n\nCall the function add.\n\nIt has to pass this test:")
        assert TEST in said
        assert (question.max_tokens, question.temperature, delivered) == (99, 0.5, None)

    @virtual_time
    async def test_leaving_it_lets_go_of_the_model(self, untried: None) -> None:
        model = Saying(markdown(ADD))
        plugins = PluginManager()
        plugins.load(CodeGen(lambda name: model))
        first = plugins.stream("codegen.write", {"description": "adds"}).take(1)
        assert (await first)["type"] == "token"
        assert (len(model.asked), model.open) == (1, 0)

    @pytest.mark.parametrize(
        ("params", "said"),
        [
            ({}, "description is missing"),
            ({"description": "x", "name": "a b"}, "name: string should match"),
            ({"description": "x", "max_tokens": 0}, "max_tokens: input should be greater"),
            ({"description": "x", "seconds": 100}, "seconds: input should be less"),
        ],
    )
    def test_parameters_have_limits(self, params: Any, said: str) -> None:
        plugins = PluginManager()
        plugins.load(CodeGen)
        with pytest.raises(InvalidParameters, match=said):
            plugins.stream("codegen.write", params)

    async def test_a_model_that_nobody_knows_is_said(self) -> None:
        plugins = PluginManager()
        plugins.load(CodeGen)
        with pytest.raises(Exception, match="'nobody:x' names no model: write one of"):
            await plugins.call("codegen.write", {"description": "x", "model": "nobody:x"})


class TestChecks:
    async def test_right_code_passes_the_test_that_is_given(self, boundary: str) -> None:
        items = await elements(ADD, test=TEST)
        assert checks(items) == {"compiles": True, "defines": True, "test": True}
        assert items[-1] == {"type": "written", "name": "add", "code": ADD, "passed": True}

    async def test_wrong_code_does_not(self, boundary: str) -> None:
        items = await elements(WRONG, test=TEST)
        assert items[-1]["passed"] is False
        test = items[-2]
        assert (test["check"], test["message"]) == ("test", "AssertionError")

    async def test_the_models_own_tests_are_run(self, boundary: str) -> None:
        assert (await elements(ADD + OWN_TEST))[-1]["passed"] is True
        assert (await elements(WRONG + OWN_TEST))[-1]["passed"] is False
        later = ADD + "async def test_later():\n    assert add(1, 1) == 3\n"
        assert (await elements(later))[-1]["passed"] is False

    async def test_a_test_that_is_given_counts_instead(self, boundary: str) -> None:
        misled = ADD + OWN_TEST.replace("2", "3")
        assert (await elements(misled))[-1]["passed"] is False
        assert (await elements(misled, test=TEST))[-1]["passed"] is True
        failing = "def test_it():\n    assert add(1, 1) == 3"
        assert (await elements(ADD, test=failing))[-1]["passed"] is False

    @virtual_time
    async def test_without_a_test_or_a_sandbox_nothing_is_run(self, untried: None) -> None:
        items = await elements(ADD)
        assert items[-2]["message"].startswith("there is no test")
        items = await elements(ADD, test=TEST)
        assert items[-2]["message"] == "it was not run: no sandbox on this machine"
        assert items[-1]["passed"] is None

    @pytest.mark.parametrize(
        ("code", "params", "said"),
        [
            ("def add(:", {}, {"compiles": False}),
            ("x = 1", {}, {"compiles": True, "defines": False}),
            (ADD, {"name": "plus"}, {"compiles": True, "defines": False}),
        ],
    )
    @virtual_time
    async def test_what_is_no_such_function_is_not_run(
        self, code: str, params: Any, said: Any
    ) -> None:
        items = await elements(code, **params)
        assert checks(items) == said
        assert items[-1]["passed"] is False

    async def test_what_it_printed_is_told(self, boundary: str) -> None:
        items = await elements("def add(a, b):\n    print('adds')\n    return a + b\n", test=TEST)
        assert items[-2]["output"] == "adds"


class TestSandbox:
    @pytest.mark.parametrize(
        ("code", "said"),
        [
            ("import os\nos._exit(0)\n", "it left the test with status 0"),
            ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
            ("while True:\n    pass\n", "it was ended for its use of time"),
            ("print('x' * 1_000_000)\n", "it printed more than 262144 bytes"),
            ("x = bytearray(1 << 30)\n", "MemoryError"),
            ("open('/etc/rxstream', 'w')\n", "OSError: .*Read-only file system"),
            (
                "import socket\nsocket.create_connection(('127.0.0.1', 1), 1)\n",
                "refused|unreachable",
            ),
            ("import rxstream\n", "No module named 'rxstream'"),
        ],
    )
    async def test_code_that_does_something_else_does_not_pass(
        self, boundary: str, code: str, said: str
    ) -> None:
        found = await trying.tried(ADD + code, TEST, 2 if "while" in code else 30)
        assert found.passed is False
        assert re.search(said, found.message)

    async def test_where_no_python_starts_nothing_is_said_of_the_code(
        self, boundary: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trying, "_PYTHON", "/nowhere/python")
        found = await trying.tried(ADD, TEST, 5)
        assert found.passed is None
        assert re.search("Python did not start in the sandbox: .*not found", found.message)

    async def test_it_sees_nothing_of_the_host(self, boundary: str, tmp_path: Path) -> None:
        tmp_path.joinpath("secret").write_text("x")
        test = (
            f"import os\nassert not os.path.exists({str(tmp_path)!r})\nassert 'HOME' in os.environ"
        )
        assert await trying.tried(ADD, test, 30) == Tried(True, "the test passed")


class TestCode:
    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            ("x = 1", "x = 1\n"),
            ("```\nx = 1\n```\n```\ny = 1\n```", "x = 1\n"),
            ("a\n```python\nx = 1\n```\nb\n```py\ny = 2\n```", "x = 1\n\ny = 2\n"),
            ("```sh\nls\n```\n```Python\nx = 1\n```", "x = 1\n"),
            ("```python\nx = 1", "x = 1\n"),
            ("```python\nx = '`'\n```", "x = '`'\n"),
            ("", "\n"),
        ],
    )
    def test_is_found_in_an_answer(self, answer: str, code: str) -> None:
        assert code_of(answer) == code

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("x = (", r"line 1: '\(' was never closed"),
            ("return 1", "line 1: 'return' outside function"),
            ("x = '\0'", "null bytes"),
            ("x = " + "-" * 20_000 + "1", "^(RecursionError|MemoryError)"),
            ("#" * (MAX_CHARACTERS + 1), "it has more than 50000 characters"),
        ],
    )
    def test_that_does_not_compile_says_why(self, text: str, said: str) -> None:
        assert re.search(said, compiled(text).error or "")

    def test_that_would_only_warn_compiles_silently(self) -> None:
        assert compiled(r"x = '\d' is '\d'").error is None


SAMPLE: dict[str, Any] = {"description": "adds", "test": TEST}


def test_it_keeps_the_contract(untried: None) -> None:
    check_plugin(CodeGen(lambda name: Saying(markdown(ADD))), {"write": SAMPLE})


def test_a_crash_anywhere_changes_nothing(untried: None) -> None:
    model = Saying(markdown(ADD))
    plugins = PluginManager()
    plugins.load(CodeGen(lambda name: model))

    @rxs.graph(resumable=True)
    def writes() -> Any:
        return plugins.stream("codegen.write", SAMPLE)

    assert crash_everywhere(writes) > 5
    assert any(delivered for _, delivered in model.asked)

    pipeline = Pipeline("p", streaming=Streaming(True, flush_interval_ms=0), resumable=True)
    pipeline.add(action_step("codegen.write", SAMPLE, plugins=plugins))
    assert crash_everywhere(pipeline.graph) > 5


@pytest.mark.timeout(300)
async def test_a_real_model_writes_something_and_it_is_checked(model: str) -> None:
    plugins = PluginManager()
    plugins.load(CodeGen)
    params = {"description": "Add two numbers.", "name": "add", "model": model, "max_tokens": 60}
    items = [item async for item in plugins.stream("codegen.write", params)]
    kinds = [item["type"] for item in items]
    done = kinds.index("done")
    assert set(kinds[:done]) == {"token"}
    assert items[done]["text"] == "".join(item["text"] for item in items[:done])
    assert items[done + 1]["check"] == "compiles"
    assert kinds[-1] == "written"
