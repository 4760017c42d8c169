"""What the tests of agents share: the real local model, and what makes the sandbox of `bash`."""

from tests.adapters.llm.real import fetched, running
from tests.adapters.tools.conftest import boundary

__all__ = ["boundary", "fetched", "running"]
