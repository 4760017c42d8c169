"""What tests of streams need: a clock that jumps."""

from rxstream.testing.clock import VirtualClockLoop, run, virtual_time

__all__ = ["VirtualClockLoop", "run", "virtual_time"]
