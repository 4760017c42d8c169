"""Names of parameters in test ids, the same in each process."""

from __future__ import annotations

import re
from typing import Any


def stable(value: Any) -> str:
    """How a value shows itself, without where it is in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
