"""Executions whose questions can be answered from here: of this process, and on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxstream.adapters.cli.answers import Asked
from rxstream.adapters.cli.asking import Unanswered
from rxstream.adapters.cli.failure import Failure
from rxstream.adapters.cli.served import Refused, Served
from rxstream.adapters.cli.watch import URL
from rxstream.errors import ClientError, InvalidParameters

if TYPE_CHECKING:
    from rxstream.engine import Execution


class Here:
    """An execution of this process."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    async def questions(self) -> list[Asked]:
        return [Asked.told(question.describe()) for question in self._execution.questions]

    async def answer(self, request_id: str, value: object) -> None:
        try:
            await self._execution.answer(request_id, value)
        except ClientError as error:
            again = isinstance(error, InvalidParameters)
            raise Unanswered(error.message, again=again) from error

    def elsewhere(self, asked: Asked) -> str:
        return "run it in a terminal, or serve it with rxstream serve and use rxstream answer"


class There:
    """An execution on a server."""

    def __init__(self, served: Served) -> None:
        self._served = served

    async def questions(self) -> list[Asked]:
        """What is open; nothing while the server is away."""
        try:
            return [Asked.told(each) for each in (await self._served.record()).get("inputs", ())]
        except Failure:
            return []  # whoever follows it says so

    async def answer(self, request_id: str, value: object) -> None:
        try:
            await self._served.answer(request_id, value)
        except Refused as refused:
            again = refused.code == "invalid_parameters"
            raise Unanswered(refused.message, again=again) from refused
        except Failure as failure:
            raise Unanswered(failure.message, again=True) from failure

    def elsewhere(self, asked: Asked) -> str:
        where = "" if self._served.url == URL else f" --url {self._served.url}"
        return f"rxstream answer {self._served.execution_id} {asked.request_id} VALUE{where}"
