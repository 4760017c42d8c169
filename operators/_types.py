"""The type variables of this package: `A` is what goes in, `B` what comes out, `K` a key, `S` a state."""

from __future__ import annotations

from typing import TypeVar

from typing_extensions import TypeVarTuple

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
K = TypeVar("K")
S = TypeVar("S")
V = TypeVar("V")
Ts = TypeVarTuple("Ts")
