"""Log records go to stderr in one form, with their ids and without secrets."""

from __future__ import annotations

import json
from typing import Any

SPEAKS = """
import logging
import structlog
import rxstream

@rxstream.graph
def speaks():
    async def numbers():
        structlog.get_logger().warning("hello", api_key="hunter2", nested={"password": "hunter2"})
        logging.getLogger("mine").warning("plain %s", "words")
        yield 1
    return rxstream.source(numbers).named("numbers")
"""


def records(rxstream: Any, *arguments: str) -> list[dict[str, Any]]:
    rxstream.write("speaks.py", SPEAKS)
    running = rxstream.start("run", "speaks.py:speaks", "--jsonl", *arguments)
    assert running.end() == 0
    assert b"hunter2" not in running.err
    return [json.loads(line) for line in running.said]


def test_structlog_and_the_standard_library_speak_alike(rxstream: Any) -> None:
    hello, plain = records(rxstream, "--log-level", "warning")
    assert (hello["event"], hello["level"]) == ("hello", "warning")
    assert (plain["event"], plain["level"]) == ("plain words", "warning")
    assert hello["timestamp"].endswith("Z")


def test_secrets_are_not_shown(rxstream: Any) -> None:
    hello = records(rxstream, "--log-level", "warning")[0]
    assert (hello["api_key"], hello["nested"]) == ("**********", {"password": "**********"})


def test_the_level_can_be_chosen(rxstream: Any) -> None:
    assert records(rxstream) == []
    levels = {record["level"] for record in records(rxstream, "-v")}
    assert levels == {"info", "warning"}
    assert "debug" in {record["level"] for record in records(rxstream, "-vv")}


def test_records_of_an_execution_carry_its_id(rxstream: Any) -> None:
    told = [r for r in records(rxstream, "-v") if r["event"].startswith("execution ")]
    assert len(told) == 2
    assert len({record["execution_id"] for record in told}) == 1
