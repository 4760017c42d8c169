"""Run inside a sandbox: facts about the host come in as JSON, what each attempt came to goes out."""

from __future__ import annotations

import json
import sys

from tests.adapters.tools.escaping import corners, network, others, reading, rights, writing
from tests.adapters.tools.escaping.trying import ATTEMPTS, Facts, outcome, refused

__all__ = ["corners", "network", "others", "reading", "rights", "writing"]


def main() -> None:
    facts = Facts(**json.loads(sys.stdin.read()))
    for name in facts.wanted:
        print(json.dumps([name, outcome(ATTEMPTS[name], facts)]), flush=True)
    for name, number in facts.bare.items():
        print(json.dumps([name, refused(number)]), flush=True)


if __name__ == "__main__":
    main()
