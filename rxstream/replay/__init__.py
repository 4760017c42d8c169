"""What was recorded, told again (`replay`) or fed to a graph again (`rerun`)."""

from rxstream.replay.playing import Replay, replay

__all__ = ["Replay", "replay"]
