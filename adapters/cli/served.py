"""One execution on a server, over plain requests: what is known of it, and answers to what it asks.

Every way in which a server refuses or is not there becomes one line that says what to do.
"""

from __future__ import annotations

import os
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson

from rxstream.adapters.cli.failure import FAILED, USAGE, Failure

TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30)
"""A server says something every ten seconds at least, so thirty of silence are a dead connection."""

LOST: Final = (aiohttp.ClientError, OSError, TimeoutError)

_REFUSAL_BYTES: Final = 64 * 1024
_WRONG_USE: Final = frozenset({"invalid_cursor", "invalid_parameters"})


class Refused(Failure):
    """The server said no; `code` is its reason."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message, status)
        self.code = code


class Served:
    """An execution at a URL."""

    def __init__(self, session: aiohttp.ClientSession, url: str, execution_id: str) -> None:
        self.session = session
        self.url = url.rstrip("/")
        self.execution_id = execution_id

    @property
    def quoted_id(self) -> str:
        """Its id as part of an address."""
        return quote(self.execution_id, safe="")

    async def record(self) -> dict[str, Any]:
        """What the server knows of the execution. Raises `Failure`."""
        return await self._ask("GET", "")

    async def answer(self, request_id: str, value: Any) -> None:
        """Answer a question; returns when that is recorded. Raises `Failure`."""
        body = orjson.dumps({"value": value})
        await self._ask("POST", f"/inputs/{quote(request_id, safe='')}", body)

    async def send(self, value: Any, to: str | None) -> None:
        """Send what was not asked for; returns when that is recorded. Raises `Failure`."""
        body = {"value": value} if to is None else {"value": value, "to": to}
        await self._ask("POST", "/inputs", orjson.dumps(body))

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        address = f"{self.url}/api/executions/{self.quoted_id}{path}"
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            async with self.session.request(
                method, address, data=body, headers=headers, timeout=TIMEOUT
            ) as response:
                if response.status not in (200, 202):
                    raise await self.refused(response)
                return dict(orjson.loads(await response.read()))
        except LOST as error:
            raise self.unreachable(error) from error
        except ValueError as error:
            raise Failure(f"{self.url} is not a rxstream server: it answers no JSON") from error

    def unreachable(self, error: BaseException | None) -> Failure:
        """No server answers."""
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        if isinstance(error, aiohttp.ClientConnectorError):
            number = error.os_error.errno
            reason = f" ({os.strerror(number)})" if number and number > 0 else reason
        return Failure(
            f"no server answers at {self.url}{reason}: start one with rxstream serve, "
            "or say where it is with --url",
            FAILED,
        )

    async def refused(self, response: aiohttp.ClientResponse) -> Refused:
        """The server says no."""
        code, message = "", f"the server at {self.url} answers {response.status}"
        try:
            error = orjson.loads(await response.content.read(_REFUSAL_BYTES))["error"]
            code, message = str(error["code"]), str(error["message"])
        except (ValueError, KeyError, TypeError):
            pass  # not a rxstream server, or something before it
        if code == "unknown_execution":
            message += f" at {self.url}: what is asked for is an execution's id"
        return Refused(message, USAGE if code in _WRONG_USE else FAILED, code)
