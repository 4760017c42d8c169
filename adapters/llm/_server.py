"""The child process that holds a local model: xllamacpp's HTTP server on a loopback port.

Reads one line of JSON from stdin (its settings), writes one line of JSON to stdout (its address or
its error), and then lives exactly as long as its parent: it ends when stdin closes or when it is
adopted by another process. In a process of its own the model can be killed at any moment, also
while it evaluates a long prompt and listens to nobody. Imports nothing of rxstream, so it starts
quickly.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import sys
from typing import Any


def main() -> None:
    """Serve until the parent is gone."""
    parent = os.getppid()
    settings = json.loads(sys.stdin.buffer.readline())
    try:
        server = _start(settings)
        said = {"url": server.listening_address}
    except Exception as error:  # whatever the library raises has to reach the parent as a line
        said = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    # a fork of the parent may hold the pipe open for ever, so the parent is looked at too
    while "url" in said and os.getppid() == parent:
        ready, _, _ = select.select([sys.stdin], [], [], 1.0)
        if ready and not os.read(sys.stdin.fileno(), 1024):
            break
    os._exit(0)  # the library's own way out waits for the answer under way


def _start(settings: dict[str, Any]) -> Any:
    # by name: the extension module has no types
    xllamacpp = importlib.import_module("xllamacpp")

    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = {settings["name"]}
    params.n_ctx = settings["n_ctx"]
    params.n_parallel = settings["n_parallel"]
    params.cpuparams.n_threads = settings["n_threads"]
    params.cpuparams_batch.n_threads = settings["n_threads"]
    params.n_threads_http = 2 + 2 * settings["n_parallel"]
    params.cache_ram_mib = 0  # its default lets old prompts take 8 GiB
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [settings["api_key"]]  # other users of this machine reach loopback too
    params.chat_template = settings["template"]
    params.ui = False
    params.verbosity = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
