"""The text format Prometheus reads, version 0.0.4: families of samples, names checked, values escaped.

Written from https://prometheus.io/docs/instrumenting/exposition_formats/. It must not know what is
measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from rxstream.errors import AuthorError

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")


class Sample(NamedTuple):
    """One line: the family's name and a suffix, labels, a value."""

    suffix: str
    labels: Mapping[str, str]
    value: float


@dataclass
class Family:
    """All samples of one metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: list[Sample] = field(default_factory=list)

    def add(self, value: float, suffix: str = "", **labels: str) -> None:
        """Add a sample."""
        self.samples.append(Sample(suffix, labels, value))


def render(families: Iterable[Family]) -> str:
    """The text of all families that have samples. Raises `AuthorError` for a name the format forbids."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        if not _METRIC.match(family.name):
            raise AuthorError(f"{family.name!r} cannot be the name of a metric")
        lines.append(f"# HELP {family.name} {_escape_help(family.help)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        lines += [_line(family.name, sample) for sample in family.samples]
    return "".join(f"{line}\n" for line in lines)


def _line(name: str, sample: Sample) -> str:
    for label in sample.labels:
        if not _LABEL.match(label):
            raise AuthorError(f"{label!r} cannot be the name of a label")
    labels = ",".join(f'{label}="{_escape(text)}"' for label, text in sample.labels.items())
    return f"{name}{sample.suffix}{'{' + labels + '}' if labels else ''} {number(sample.value)}"


def number(value: float) -> str:
    """A value as the format writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escape(text: str) -> str:
    return _escape_help(text).replace('"', '\\"')
