"""What was recorded, told again (`replay`) or fed to a graph again (`rerun`)."""

from rxstream.replay.comparing import Difference
from rxstream.replay.playing import Replay, replay
from rxstream.replay.rerunning import rerun
from rxstream.replay.result import Ending, OutputDiff, Rerun

__all__ = ["Difference", "Ending", "OutputDiff", "Replay", "Rerun", "replay", "rerun"]
