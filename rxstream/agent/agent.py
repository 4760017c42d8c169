"""`agent`: turns of a model and its tools as one Stream of elements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rxstream.agent.history import History
from rxstream.agent.settings import APPROVAL_S, CONCURRENCY, TURNS, AgentSettings
from rxstream.agent.unit import AgentUnit
from rxstream.errors import AuthorError
from rxstream.models import Budget, Element, Message, Model, open_model
from rxstream.models.given import limits_given, messages_given, seconds_given
from rxstream.operator import OperatorSpec
from rxstream.stream import Stream
from rxstream.tools import Limits, Tool, ToolRegistry
from rxstream.tools.registry import registry_of


def agent(
    messages: str | Sequence[Message],
    *,
    model: str | Model = "local:smollm2",
    tools: ToolRegistry | Iterable[Tool | Callable[..., Any]] = (),
    system: str | None = None,
    budget: Budget | None = None,
    history: History | int | None = None,
    stream_tools: bool = True,
    stay: bool = False,
    concurrency: int = CONCURRENCY,
    approval_timeout: float | None = APPROVAL_S,
    tool_timeout: float | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    options: Mapping[str, Any] | None = None,
    model_options: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
) -> Stream[Element]:
    """Ask a model, make the calls it wants, tell it the results, until it has answered.

        rxs.agent("how many words has notes.txt?", tools=[count_words])

    The elements are those of the model and the tools, as they come: `token reasoning tool_call tool_output
    tool_result`, a `turn` behind each answer, a `message` where one that was sent joins, and at last `done`
    with the text, the usage of all answers, `timings` and `turns`. A tool that does not exist, wrong
    arguments, a refusal and a failure are results the model is told.

    `budget` is 25 turns unless it says otherwise; one that is spent ends the stream with `BudgetSpent`.
    `history` is how many tokens of the conversation the model is shown, `max_tokens` of each answer. Without
    `stream_tools` tools show nothing while they run, and the model is told the same. With `stay` it waits
    behind `done`, and where there is nothing to answer yet, for messages (`Execution.send`), until it is
    stopped. At most `concurrency` calls run at once, each for at most `tool_timeout` seconds.
    `approval_timeout` is how many seconds a person may take to agree to a call. `options` are fields of the
    request, `model_options` go to the provider.

    It goes on after a crash: nothing is shown twice, and no call that may have effects is made twice.
    Raises `AuthorError` for messages, a model, tools, a budget or a history that are none.
    """
    given = messages_given(messages, system)
    if not stay and all(each["role"] == "system" for each in given):
        raise AuthorError(
            "there is nothing to answer: give a message, or stay=True to wait for one"
        )
    if not isinstance(concurrency, int) or concurrency < 1:
        raise AuthorError(f"concurrency is at least 1, not {concurrency!r}")
    if not isinstance(budget, Budget | None):
        raise AuthorError(f"a budget is a rxstream.models.Budget, not a {type(budget).__name__}")
    limits_given(max_tokens, temperature)
    seconds_given("approval_timeout", approval_timeout)
    seconds_given("tool_timeout", tool_timeout)
    open_model(model, **(model_options or {}))  # one that nobody knows is said now
    made = AgentSettings(
        messages=given,
        model=model,
        tools=registry_of(tools),
        budget=budget or Budget(turns=TURNS),
        history=history if isinstance(history, History) else History(history),
        stream_tools=stream_tools,
        stay=stay,
        concurrency=concurrency,
        approval_timeout=approval_timeout,
        tool_timeout=tool_timeout,
        max_tokens=max_tokens,
        temperature=temperature,
        options=dict(options or {}),
        model_options=dict(model_options or {}),
        limits=limits or Limits(),
    )
    spec = OperatorSpec(
        "agent",
        "source",
        make=lambda: AgentUnit(made),
        arguments=made.arguments(),
        told=True,
        resumable=True,
    )
    return Stream(spec)
