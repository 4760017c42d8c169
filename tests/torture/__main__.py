"""`python -m tests.torture [--kills N] [--seed S] [--shape NAME] [--json]`: kill, go on, compare."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from tests.torture.campaign import ORDERS, OUTSIDE, Result, Torture, again
from tests.torture.failpoints import POINTS
from tests.torture.nursery import Nursery
from tests.torture.sabotage import CONTROLS
from tests.torture.shapes import SHAPES

parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
parser.add_argument("--kills", type=int, default=100, metavar="N", help="at least so many (100)")
parser.add_argument("--seed", type=int, default=0, metavar="S", help="chooses when and where (0)")
parser.add_argument(
    "--shape",
    action="append",
    metavar="NAME",
    help=f"of {', '.join(SHAPES)}, or random_N for a graph that chance draws (all but those)",
)
parser.add_argument(
    "--sabotage", choices=list(CONTROLS), metavar="NAME", help=f"of {', '.join(CONTROLS)}"
)
parser.add_argument("--again", type=Path, metavar="FOLDER", help="a kept log's kills once more")
parser.add_argument("--folder", type=Path, help="where logs are kept (a temporary one)")
parser.add_argument("--json", action="store_true", help="figures as JSON")


def text(result: Result) -> str:
    """The tables."""
    head = ("shape", "logs", "kills", "lives", "events", "seen", "mismatches", "seconds")
    rows = [
        (r.shape, r.campaigns, r.kills, r.lives, r.events, r.seen, r.mismatches, f"{r.seconds:.1f}")
        for r in result.rows.values()
    ]
    lines = ["".join(f"{cell!s:>12}" for cell in row) for row in (head, *rows)]
    lines += [f"{name:>12} cannot go on: {why}" for name, why in result.absent.items()]
    lines.append("")
    for point in (*POINTS, OUTSIDE):
        lines.append(f"{point:>24} {result.killed[point]:>5} kills")
    watched = ", ".join(f"{n} by {who}" for who, n in sorted(result.watched.items()))
    lines.append(
        f"\n{result.kills} kills in {result.seconds:.0f} s, {result.rests} lives at rest; watched: {watched}."
    )
    for mismatch in result.mismatches:
        lines.append(f"\nMISMATCH in {mismatch.shape}, seed {mismatch.seed}: {mismatch.folder}")
        lines += [f"  {said}" for said in mismatch.complaints]
    return "\n".join(lines)


def figures(result: Result) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "kills": result.kills,
        "seconds": round(result.seconds, 1),
        "shapes": {name: asdict(row) for name, row in result.rows.items()},
        "absent": result.absent,
        "killed": dict(result.killed),
        "watched": dict(result.watched),
        "rests": result.rests,
        "mismatches": [{**asdict(m), "folder": str(m.folder)} for m in result.mismatches],
    }


def main() -> int:
    given = parser.parse_args()
    unknown = [n for n in given.shape or () if n not in SHAPES and not n.startswith("random_")]
    if unknown:
        parser.error(f"no shape is named {unknown[0]!r}: there are {', '.join(SHAPES)}, random_N")
    folder = Path(tempfile.mkdtemp(prefix="torture-", dir=given.folder))
    with Nursery() as nursery:
        if given.again is not None:
            said = again(nursery, given.again / ORDERS, folder)
            print("\n".join(said) or "no difference this time")
            return 1 if said else 0
        torture = Torture(
            nursery,
            folder,
            kills=given.kills,
            seed=given.seed,
            shapes=given.shape or (),
            sabotage=given.sabotage,
        )
        result = torture.run()
    print(orjson.dumps(figures(result)).decode() if given.json else text(result))
    if not result.mismatches:
        shutil.rmtree(folder)
    return 1 if result.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
