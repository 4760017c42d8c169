"""Plugins that do real work, installed with rxstream, to use and to copy from."""

from rxstream.plugins.examples.codegen import CodeGen
from rxstream.plugins.examples.data import Data
from rxstream.plugins.examples.monitoring import Monitor

__all__ = ["CodeGen", "Data", "Monitor"]
