r"""Tool calls from the local model, which was never taught any.

Its own template leaves tools out. `TEMPLATE` is the same for a conversation without tools, and shows them in
the way that Hermes made common: a call is a JSON object within `<tool_call>`. Too small to decide whether to
call, the model is made to: behind a message of the user it makes one call (its answer begins with
`<tool_call>\n` and its grammar forbids anything else), behind a tool's result it answers in words. Who asks
with `tool_choice` "none" or "required", or `parallel_tool_calls`, is obeyed. Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rxstream.adapters.llm.openai import ChatDecoder, OpenAIChat
from rxstream.models import Element, Question

MAX_CALL_TOKENS: Final = 256
"""A call is shorter; a model of this size may go on for ever with one that is not."""
BEGINNING: Final = "<tool_call>\n"

TEMPLATE: Final = """\
{%- if messages[0].role == 'system' %}
{%- set system, rest = messages[0].content, messages[1:] %}
{%- else %}
{%- set system = 'You are a helpful AI assistant named SmolLM, trained by Hugging Face' %}
{%- set rest = messages %}
{%- endif %}
{{- '<|im_start|>system\\n' + system }}
{%- if tools %}
{{- '\\nCall a function so: <tool_call>\\n{"name": NAME, "arguments": OBJECT}\\n</tool_call>' }}
{{- '\\nFunctions:' }}
{%- for tool in tools %}{{- '\\n' + (tool.function | tojson) }}{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- for message in rest %}
{%- if message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + (message.content or '') }}
{%- for call in message.tool_calls or [] %}
{%- set given = call.function.arguments %}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- given if given is string else given | tojson }}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""


class HermesChat(OpenAIChat):
    """Chat completions of a server that has `TEMPLATE`."""

    images_of = ()

    def body(self, model: str, question: Question) -> Mapping[str, Any]:
        """The JSON of the request; one that is to be answered by a call begins the call."""
        body = dict(super().body(model, question))
        if not _calls(question):
            return {**body, "tool_choice": "none"} if question.tools else body
        limit = min(question.max_tokens or MAX_CALL_TOKENS, MAX_CALL_TOKENS)
        return {
            **body,
            "messages": [*body["messages"], {"role": "assistant", "content": BEGINNING}],
            "tool_choice": "required",
            "max_tokens": limit,
            "timings_per_token": True,  # an answer that is ended early has no usage
        }

    def decoder(self, question: Question | None = None) -> ChatDecoder:
        """A decoder for one answer, which ends with its first call unless several were asked for."""
        if question is None or not _calls(question) or question.options.get("parallel_tool_calls"):
            return ChatDecoder()
        return OneCall()


class OneCall(ChatDecoder):
    """Ends with the first call: the model would repeat it until its tokens are spent."""

    def take(self, event: str, said: dict[str, Any], found: list[Element]) -> None:
        super().take(event, said, found)
        timings = said.get("timings") or {}
        if "predicted_n" in timings:
            self.counts(
                prompt_tokens=timings["prompt_n"] + timings["cache_n"],
                completion_tokens=timings["predicted_n"],
                cached_tokens=timings["cache_n"],
            )
        if any(element["type"] == "tool_call" for element in found):
            self.last = self.whole = True
            self.finish_reason = self.finish_reason or "tool_calls"


def _calls(question: Question) -> bool:
    """Whether it is to be answered by a call."""
    if not question.tools:
        return False
    choice = question.options.get("tool_choice", "auto")
    if choice == "auto":
        return bool(question.messages) and question.messages[-1].get("role") == "user"
    return bool(choice != "none")
