"""A model server that costs next to nothing, run as a process of its own: OpenAI's chat completions.

The last message is JSON: `count` tokens, so many seconds `apart` after `first` seconds, `burst` of them in
one write. If `stamped`, a token is `@ns@`, the clock when it was written, and the very first says also when
the question had come, as `#ns#`. On stdout: its port, then for each connection that was closed
before its answer had ended `{"left": ns}`. Clocks are the one that all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


def chunk(text: str) -> bytes:
    return (
        b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
        b'"delta":{"content":"' + text.encode() + b'"},"finish_reason":null}]}\n\n'
    )


END = (
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"model":"m"}\n\n'
    b'data: {"choices":[],"model":"m","usage":{"prompt_tokens":5,"completion_tokens":%d}}\n\n'
    b"data: [DONE]\n\n"
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    body = json.loads(await reader.readexactly(length))
    came = time.monotonic_ns()
    asked = json.loads(body["messages"][-1]["content"])
    writer.write(HEAD)
    left = asyncio.ensure_future(reader.read())
    left.add_done_callback(lambda _: told(left, writer))
    count, burst = asked["count"], asked.get("burst", 1)
    await asyncio.sleep(asked.get("first", 0.0))
    many = b"".join(chunk(f" word{number}") for number in range(burst))
    due = time.monotonic()
    try:
        for sent in range(0, count, burst):
            if left.done():
                return
            if not asked.get("stamped"):
                writer.write(many)
            else:
                seen = "" if sent else f"#{came}#"
                writer.write(chunk(f"{seen}@{time.monotonic_ns()}@"))
            await writer.drain()
            if asked.get("apart"):
                due += asked["apart"]
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        left.cancel()
        writer.write(END % count)
        await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def told(left: asyncio.Future[bytes], writer: asyncio.StreamWriter) -> None:
    """Somebody left in the middle of an answer."""
    if not left.cancelled():
        left.exception()
        print(json.dumps({"left": time.monotonic_ns()}), flush=True)


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # ends with whoever started it
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
