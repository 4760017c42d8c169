"""The command line: `rxstream`, also `python -m rxstream`."""

from rxstream.adapters.cli.app import main

__all__ = ["main"]
