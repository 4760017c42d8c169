"""What counts as a number where somebody gives one: a truth, which Python has as a whole number, does not."""

from __future__ import annotations


def is_count(value: object) -> bool:
    """Whether it is a whole number from 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_number(value: object) -> bool:
    """Whether it is a number, an endless one or none (`nan`) included."""
    return isinstance(value, int | float) and not isinstance(value, bool)
