"""`codegen`: a model writes a function from a description, and what it wrote is checked.

The model's elements come as it gives them; behind them one `checked` for each thing that was looked at, and
`written`, which is the result. Code that does not pass is a result and no error. After a crash the answer
goes on behind what was shown, as far as the model's provider can.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated, Any, Final, Literal

from pydantic import Field
from typing_extensions import TypedDict

from rxstream.models import Delivered, Model, Question, open_model
from rxstream.models.elements import Done, Reasoning, Restarted, Token
from rxstream.plugins import ActionContext, Plugin, action
from rxstream.plugins.examples.trying import tried
from rxstream.plugins.examples.written import Code, code_of, compiled

_TASK: Final = (
    "You write Python functions. Answer with one Markdown block of Python and no other text. In it write the "
    "function, and behind it a function without arguments, whose name begins with test_, that tests it with "
    "assert. Use nothing but the standard library."
)

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class Checked(TypedDict):
    """One thing that was looked at; `passed` is None where that could not be done."""

    type: Literal["checked"]
    check: Literal["compiles", "defines", "test"]
    passed: bool | None
    message: str
    output: str


class Written(TypedDict):
    """The result: `passed` is false if a check failed, and None if no test was run."""

    type: Literal["written"]
    name: str | None
    code: str
    passed: bool | None


class CodeGen(Plugin):
    """Lets a model write code, and checks it.

    Give it a function to have models of your own: `CodeGen(lambda name: mine)`.
    """

    version = "1.0"
    tags = ("model",)

    def __init__(self, models: Callable[[str], Model] = open_model) -> None:
        self._models = models

    @action(resumable=True, returns="last")
    async def write(
        self,
        context: ActionContext,
        description: Annotated[str, Field(min_length=1, max_length=8_000)],
        name: Name | None = None,
        test: Annotated[str, Field(max_length=20_000)] | None = None,
        model: str = "local:smollm2",
        max_tokens: Annotated[int, Field(ge=1, le=8_192)] = 512,
        temperature: Annotated[float, Field(ge=0, le=2)] = 0.0,
        seconds: Annotated[float, Field(gt=0, le=60)] = 10.0,
    ) -> AsyncIterator[Token | Reasoning | Restarted | Done | Checked | Written]:
        """A Python function as a model writes it, compiled and tested in the sandbox.

        `test` is Python that is run behind it: assertions, or functions named `test…`; without one the
        model's own are run, `seconds` at most. Nothing is run where there is no sandbox.
        """
        place = context.start or {"text": "", "reasoning": "", "checks": None}
        text = place["text"]
        if place["checks"] is None:
            question = Question(
                [
                    {"role": "system", "content": _TASK},
                    {"role": "user", "content": _request(description, name, test)},
                ],
                max_tokens=max_tokens,
                temperature=temperature,
            )
            delivered = Delivered(text, place["reasoning"])
            answer: Any = self._models(model).answer(question, delivered or None, context.progress)
            async with aclosing(answer):
                async for batch in answer:
                    for element in batch:
                        place = _behind(place, element)
                        context.seek_point(place)
                        yield element
            text = place["text"]
        context.progress(None, "checks what was written")
        count = 0
        async for checked in _checks(compiled(code_of(text)), name, test, seconds):
            count += 1
            if count > (place["checks"] or 0):
                context.seek_point({**place, "checks": count})
                yield checked


def _request(description: str, name: str | None, test: str | None) -> str:
    said = [description]
    if name is not None:
        said.append(f"Call the function {name}.")
    if test is not None:
        said.append(f"It has to pass this test:\n```python\n{test.strip()}\n```")
    return "\n\n".join(said)


def _behind(place: dict[str, Any], element: dict[str, Any]) -> dict[str, Any]:
    """Where the answer is behind an element, as plain data."""
    kind = element["type"]
    if kind in ("token", "reasoning"):
        known = "text" if kind == "token" else kind
        return {**place, known: place[known] + element["text"]}
    if kind == "restarted":
        return {**place, "text": "", "reasoning": ""}
    return {**place, "text": element["text"], "checks": 0} if kind == "done" else place


async def _checks(
    code: Code, name: str | None, test: str | None, seconds: float
) -> AsyncIterator[Checked | Written]:
    wanted = code.function(name)
    yield _checked("compiles", code.error is None, code.error or "it compiles")
    if code.error is None:
        missing = "it defines no function" + (f" {name}" if name else "")
        yield _checked("defines", wanted is not None, f"it defines {wanted}" if wanted else missing)
    passed: bool | None = False
    if wanted is not None:
        if test is None and not code.tests:
            passed = None
            yield _checked(
                "test", None, "there is no test: give one, or ask a model that writes one"
            )
        else:
            found = await tried(code.text, test or "", seconds)
            passed = found.passed
            yield _checked("test", passed, found.message, found.output)
    yield Written(type="written", name=wanted, code=code.text, passed=passed)


def _checked(
    check: Literal["compiles", "defines", "test"],
    passed: bool | None,
    message: str,
    output: str = "",
) -> Checked:
    return Checked(type="checked", check=check, passed=passed, message=message, output=output)
