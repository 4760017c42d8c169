"""WebSocket clients on plain sockets, run as a process of its own, so that they cost the server nothing.

A line of JSON on stdin says where to connect and how many to each path; `"connected"` is answered when all
are, and a list of latencies when all were closed by the server. An element says when it was made in `"at"`,
nanoseconds of the clock that all processes of a machine share. As thin as can be: the client is not what is
measured.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time

AT = re.compile(rb'(?:"at":|@)(\d+)')


def connected(host: str, port: int, path: str) -> socket.socket:
    """A socket after the upgrade; what came with the upgrade's answer is left to be read."""
    client = socket.create_connection((host, port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += client.recv(1)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return client


def read_all(clients: list[socket.socket]) -> list[float]:
    """Read every client to its end; seconds each element was on its way."""
    selector = selectors.DefaultSelector()
    for opened in clients:
        selector.register(opened, selectors.EVENT_READ)
    left = len(clients)
    arrived: list[tuple[int, bytes]] = []
    while left:
        for key, _ in selector.select():
            client = key.fileobj
            assert isinstance(client, socket.socket)
            data = client.recv(262_144)
            now = time.monotonic_ns()
            # a close frame, unfragmented, is the last thing a server says
            if not data or closes(data):
                selector.unregister(client)
                client.close()
                left -= 1
            arrived.append((now, data))
    return [(now - int(at)) / 1e9 for now, data in arrived for at in AT.findall(data)]


def closes(data: bytes) -> bool:
    """Whether the last frame is a close; ASCII has no such byte, and no event here is anything else."""
    start = data.rfind(b"\x88", -130)
    return 0 <= start < len(data) - 1 and len(data) - start - 2 == data[start + 1]


def main() -> None:
    for line in sys.stdin:
        wanted = json.loads(line)
        opened = [
            connected(wanted["host"], wanted["port"], path)
            for path in wanted["paths"]
            for _ in range(wanted["count"])
        ]
        print('"connected"', flush=True)
        print(json.dumps(read_all(opened)), flush=True)


if __name__ == "__main__":
    main()
