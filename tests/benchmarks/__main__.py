"""`python -m tests.benchmarks [NAME …] [--short]`: measure, and print one table in Markdown."""

from __future__ import annotations

import argparse
import os
import platform

from tests.benchmarks import FIGURES
from tests.benchmarks.harness import table

parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FIGURES)}")
parser.add_argument("--short", action="store_true", help="few rounds: does it work at all")


def main() -> None:
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in FIGURES]
    if unknown:
        parser.error(f"no figure is named {unknown[0]!r}: there are {', '.join(FIGURES)}")
    busy = os.getloadavg()[0]
    lines = [row for name in given.names or FIGURES for row in FIGURES[name](given.short)]
    print(table(lines))
    # what else ran is part of what was measured
    print(
        f"\nPython {platform.python_version()}, {os.cpu_count()} cores, "
        f"load average {busy:.1f} before, {os.getloadavg()[0]:.1f} after."
    )


main()
