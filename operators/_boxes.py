"""Values that may be missing, as plain data: what stands for a missing one is never in a snapshot."""

from __future__ import annotations

from typing import Any

from rxstream.operators._mapping import MISSING

Box = tuple[()] | tuple[Any]
"""Nothing, or a value."""


def boxed(value: Any) -> Box:
    """The value in a box, or an empty one."""
    return () if value is MISSING else (value,)


def unboxed(box: Box) -> Any:
    """The value in a box, `MISSING` of an empty one."""
    return box[0] if box else MISSING
