"""What tests of streams need: a clock that jumps, marbles, faults, models that say a script, what is left."""

from rxstream.testing import marbles
from rxstream.testing.clock import VirtualClockLoop, run, virtual_time
from rxstream.testing.crashes import Difference, JournalLog, crash_everywhere
from rxstream.testing.demand import Demand
from rxstream.testing.faults import InjectedFault, SlowSink, fails, fails_each, flaky
from rxstream.testing.marbles import Recording, record
from rxstream.testing.models import ScriptedModel, call
from rxstream.testing.plugins import check_plugin
from rxstream.testing.released import assert_released
from rxstream.testing.sources import ABORT, Aborted, TestingSource

__all__ = [
    "ABORT",
    "Aborted",
    "Demand",
    "Difference",
    "InjectedFault",
    "JournalLog",
    "Recording",
    "ScriptedModel",
    "SlowSink",
    "TestingSource",
    "VirtualClockLoop",
    "assert_released",
    "call",
    "check_plugin",
    "crash_everywhere",
    "fails",
    "fails_each",
    "flaky",
    "marbles",
    "record",
    "run",
    "virtual_time",
]
