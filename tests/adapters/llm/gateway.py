"""llm-rosetta: a gateway that we did not write; it puts Gemini's wire format before the real local model."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rxstream.adapters.llm import LocalEndpoint

_CHILD = """
import json, logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
from llm_rosetta.gateway import GatewayConfig, create_app
create_app(GatewayConfig(json.loads(sys.stdin.readline()))).run("127.0.0.1", 0)
"""


@contextmanager
def before(endpoint: LocalEndpoint) -> Iterator[str]:
    """The address of a gateway to a local model."""
    if importlib.util.find_spec("llm_rosetta") is None:
        pytest.skip("missing: llm-rosetta (the extra `test`)")
    upstream = {"api_key": endpoint.api_key, "base_url": endpoint.base_url}
    settings = {
        "providers": {"openai_chat": upstream},
        "models": {endpoint.model: "openai_chat"},
        "server": {"host": "127.0.0.1", "port": 0, "open_on_no_keys": True},
    }
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(json.dumps(settings), file=process.stdin, flush=True)
            said = next(line for line in process.stdout if line.startswith("Serving on"))
            yield f"http://{said.split()[-1]}"
        finally:
            process.kill()
