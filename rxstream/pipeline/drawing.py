"""How the steps of a pipeline become the nodes of one graph: its input, a node a step, and its ending.

All names are known to be there and in an order that goes in no circle. Nothing is run here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rxstream.indexed import indexed
from rxstream.operator import OperatorSpec
from rxstream.pipeline.data import INPUT
from rxstream.pipeline.ending import Ending
from rxstream.pipeline.letters import DeadLetters, with_letters
from rxstream.pipeline.member import Family
from rxstream.pipeline.policy import ONCE, Retry, Streaming
from rxstream.pipeline.settings import StepSettings, When
from rxstream.pipeline.step import Step
from rxstream.pipeline.unit import StepUnit
from rxstream.stream import Stream

NO_FALLBACK: Final = object()


@dataclass(frozen=True)
class Added:
    """A step as it was added to a pipeline."""

    step: Step
    after: tuple[str, ...]
    when: When | None
    each: str | None
    concurrency: int
    retry: Retry
    timeout: float | None
    fallback: Any
    dead_letters: DeadLetters | None
    checkpoint: bool
    where: str

    @property
    def resumable(self) -> bool:
        """Whether whatever it calls may be called again."""
        return self.step.resumable and getattr(self.fallback, "resumable", True)

    @property
    def resources(self) -> dict[str, int]:
        """The most a call of it holds, its fallback's included."""
        fallback: Mapping[str, int] = getattr(self.fallback, "resources", {})
        return dict(Counter(self.step.resources) | Counter(fallback))

    def arguments(self) -> dict[str, Any]:
        """What the graph shows."""
        said = {
            **(self.step._arguments or {"step": type(self.step).__name__}),
            "when": self.when,
            "each": self.each,
            "retry": None if self.retry is ONCE else self.retry.attempts,
            "timeout": self.timeout,
            "checkpoint": self.checkpoint or None,
        }
        letters = self.dead_letters
        if letters is not None:
            said |= {"dead_letters": letters.most or True, "share": letters.share}
        if self.each is not None:
            said["concurrency"] = self.concurrency
        return {name: value for name, value in said.items() if value is not None}

    def settings(
        self,
        name: str,
        streaming: Streaming,
        order: Sequence[str],
        undoing: bool,
        family: Family,
    ) -> StepSettings:
        """What its unit reads."""
        return StepSettings(
            name=name,
            step=self.step,
            when=self.when,
            each=self.each,
            concurrency=self.concurrency,
            retry=self.retry,
            timeout=self.timeout,
            has_fallback=self.fallback is not NO_FALLBACK,
            fallback=self.fallback,
            falls_back_to_step=isinstance(self.fallback, Step),
            dead_letters=self.dead_letters,
            sends_letters=self.dead_letters is not None and self.dead_letters.to is not None,
            checkpoint=self.checkpoint,
            streaming=streaming,
            order=order,
            undoing=undoing,
            family=family,
        )

    def stream(
        self,
        name: str,
        settings: StepSettings,
        inputs: Sequence[Stream[Any]],
        data: dict[str, Any],
    ) -> Stream[Any]:
        """Its node, and what its dead letters go to."""
        spec = OperatorSpec(
            "step",
            "unit",
            make=lambda: StepUnit(settings),
            arguments=self.arguments(),
            resumable=self.resumable,
            resources=self.resources,
            by_call=True,
        )
        stream = Stream[Any](spec, inputs, self.where).named(name)
        if self.dead_letters is None or not settings.sends_letters:
            return stream
        return with_letters(stream, self.dead_letters, name, data)


def drawn(
    steps: Mapping[str, Added],
    order: Sequence[str],
    data: dict[str, Any],
    streaming: Streaming,
    result: str | None,
) -> Stream[Any]:
    """Draw the steps, given in an order in which each is behind those it comes after; for this input."""
    family = Family()
    undoing = any(
        callable(getattr(step, "compensate", None))
        for added in steps.values()
        for step in (added.step, added.fallback)
    )
    given, _ = indexed([{INPUT: ("input", data, None)}], repeatable=False)
    first = Stream[Any](
        OperatorSpec(
            "input",
            "source",
            make=lambda: given,
            arguments={"data": data},
            resumable=True,
            quiet=True,
        )
    )
    settings = {
        name: added.settings(name, streaming, order, undoing, family)
        for name, added in steps.items()
    }
    streams: dict[str, Stream[Any]] = {}
    before: dict[str, frozenset[str]] = {}
    for name in order:
        after = dict.fromkeys(steps[name].after)
        before[name] = frozenset({INPUT, *after}).union(*(before[other] for other in after))
        inputs = [streams[other] for other in after] or [first]
        streams[name] = steps[name].stream(name, settings[name], inputs, data)
    read = {other for added in steps.values() for other in added.after}
    ending = Stream[Any](
        OperatorSpec(
            "result",
            "unit",
            make=lambda: Ending(settings, before, order, family, result),
            resumable=True,
            quiet=True,
        ),
        [streams[name] for name in order if name not in read],
        steps[order[-1]].where,
    )
    return ending if "result" in steps else ending.named("result")
