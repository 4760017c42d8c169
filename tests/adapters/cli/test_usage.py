"""Wrong usage is one line and status 2; help is quick to ask for."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run"], "Missing argument 'TARGET' (see rxstream run --help)"),
        (["fly"], "No such command 'fly' (see rxstream --help)"),
        (["serve", "a:b", "--port", "70000"],
         "Invalid value for '--port': 70000 is not in the range 0<=x<=65535 "
         "(see rxstream serve --help)"),
        (["graph", "a:b", "--format", "png"],
         "Invalid value for '--format': 'png' is not one of 'mermaid', 'json', 'svg' "
         "(see rxstream graph --help)"),
        (["watch", "x", "--url", "localhost"], "--url localhost: write it as http://HOST:PORT"),
        (["models", "fetch", "gpt"], "no local model is called 'gpt': known are smollm2"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line(rxstream: Any, arguments: list[str], line: str) -> None:
    assert rxstream.run(*arguments) == (2, "", [f"rxstream: {line}"])


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_goes_to_stdout(rxstream: Any, arguments: list[str]) -> None:
    running = rxstream.start_anew(*arguments)
    assert (running.end(), running.said) == (0, [])
    out = running.out.decode()
    for command in ("demo", "serve", "run", "watch", "log", "graph", "plugins", "models"):
        assert f"\n  {command} " in out


def test_no_server_is_one_line(rxstream: Any) -> None:
    status, out, said = rxstream.run("watch", "x", "--url", "http://127.0.0.1:1")
    assert (status, out) == (1, "")
    assert said == [
        "rxstream: no server answers at http://127.0.0.1:1 (Connection refused): "
        "start one with rxstream serve, or say where it is with --url"
    ]


def test_models_are_listed_for_programs(rxstream: Any) -> None:
    status, out, said = rxstream.run("models", "list")
    assert (status, said) == (0, [])
    assert out.splitlines()[0].split("\t")[0] == "smollm2"


def test_providers_are_listed_with_their_keys(
    rxstream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k-secret")
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    status, out, said = rxstream.run("models", "providers")
    told = {line.split("\t")[0]: line.split("\t")[1] for line in out.splitlines()}
    assert (status, said, "k-secret" in out) == (0, [], False)
    assert told["openai"] == "OPENAI_API_KEY is set"
    assert told["gemini"] == "GEMINI_API_KEY is not set"
    assert told["local"] == "-"


def test_the_command_line_itself_imports_nothing_heavy() -> None:
    code = (
        "import sys, rxstream; before = set(sys.modules); import rxstream.adapters.cli\n"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    loaded = set(eval(found.stdout))
    assert not loaded & {
        "aiohttp",
        "apsw",
        "asyncio.runners",
        "pydantic",
        "reactivex",
        "rich",
        "structlog",
    }
