"""What tests of streams need: a clock that jumps."""

from rxstream.testing.clock import VirtualClockLoop, run

__all__ = ["VirtualClockLoop", "run"]
