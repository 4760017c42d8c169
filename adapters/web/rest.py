"""Graphs and executions over plain requests and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from rxstream.adapters.web import commands
from rxstream.adapters.web.body import field, parse_json, query_integer, read_object
from rxstream.adapters.web.connections import Connections
from rxstream.adapters.web.settings import Settings
from rxstream.errors import BadRequest, InvalidCursor, InvalidParameters, UnknownExecution

if TYPE_CHECKING:
    from rxstream.engine import Engine, Execution


def respond(value: Any, status: int = 200) -> web.Response:
    """Plain data as a JSON answer."""
    return web.Response(
        status=status,
        body=orjson.dumps(value, default=str),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


class Rest:
    """Handlers of `/api/graphs` and `/api/executions`."""

    def __init__(self, engine: Engine, settings: Settings, connections: Connections) -> None:
        self._engine = engine
        self._settings = settings
        self._connections = connections

    async def graphs(self, request: web.Request) -> web.Response:
        """Every graph served, by name; `after` is the name of the last one of the page before."""
        limit = self._limit(request)
        after = request.query.get("after", "")
        names = sorted(name for name in self._engine.graphs if name > after)
        page = [self._engine.graphs[name] for name in names[:limit]]
        items = [
            {"name": graph.name, "description": graph.description, "parameters": graph.parameters}
            for graph in page
        ]
        return respond({"items": items, "next": page[-1].name if len(names) > limit else None})

    async def graph(self, request: web.Request) -> web.Response:
        """One graph as it would be built with `params`."""
        graph = self._engine.graph(request.match_info["name"])
        text = request.query.get("params")
        params = {} if text is None else parse_json(text, "params")
        if not isinstance(params, dict):
            raise InvalidParameters("params must be a JSON object of parameters by name", detail=[])
        plan = commands.plan_of(graph, params)
        told = {"name": graph.name, "nodes": None, "outputs": None, "fingerprint": None}
        return respond(told if plan is None else plan.describe())

    async def start(self, request: web.Request) -> web.Response:
        """Start an execution, which runs on whether or not the client stays."""
        fields = await read_object(request, self._settings, commands.START_FIELDS)
        execution: Execution = await self._connections.finish(commands.start(self._engine, fields))
        response = respond({"execution_id": execution.id, "status": execution.status}, 201)
        # as it was asked for, so that it is right below any prefix and in any sub-application
        response.headers["Location"] = f"{request.path.rstrip('/')}/{execution.id}"
        return response

    async def executions(self, request: web.Request) -> web.Response:
        """Executions, newest first; `after` is the id of the last one of the page before."""
        limit = self._limit(request)
        statuses = [
            status
            for text in request.query.getall("status", ())
            for status in text.split(",")
            if status
        ]
        unknown = next((status for status in statuses if status not in commands.STATUSES), None)
        if unknown is not None:
            known = ", ".join(commands.STATUSES)
            raise BadRequest(f"status {unknown[:40]!r} is not known: known are {known}")
        after = request.query.get("after")
        if after is not None:
            try:
                await self._engine.record(after)
            except UnknownExecution:
                raise InvalidCursor(f"after is {after[:80]!r}: no execution has that id") from None
        records = await self._engine.records(
            statuses=statuses, graph=request.query.get("graph"), limit=limit + 1, after=after
        )
        queue = self._engine.queue()
        items = [await commands.describe(self._engine, each, queue) for each in records[:limit]]
        more = records[limit - 1].execution_id if len(records) > limit else None
        return respond({"items": items, "next": more})

    async def execution(self, request: web.Request) -> web.Response:
        """One execution, also of an earlier process."""
        record = await self._engine.record(request.match_info["id"])
        told = await commands.describe(self._engine, record, self._engine.queue())
        if found := commands.bottleneck(self._engine, record.execution_id):
            told["bottleneck"] = found
        if counted := commands.tallies(self._engine, record.execution_id):
            told["tallies"] = counted
        return respond(told)

    async def cancel(self, request: web.Request) -> web.Response:
        """End the execution now."""
        body = await read_object(request, self._settings, {"reason"}, optional=True)
        return await self._act(request, "cancel", field(body, "reason", "a string"))

    async def stop(self, request: web.Request) -> web.Response:
        """End the execution after its current step."""
        await read_object(request, self._settings, (), optional=True)
        return await self._act(request, "stop")

    async def detach(self, request: web.Request) -> web.Response:
        """Let the execution run on without listeners."""
        await read_object(request, self._settings, (), optional=True)
        return await self._act(request, "detach")

    async def answer(self, request: web.Request) -> web.Response:
        """Answer an input request of the execution."""
        body = await read_object(request, self._settings, {"value"})
        if "value" not in body:
            raise BadRequest("value is missing: it must be the answer")
        execution_id = request.match_info["id"]
        status = await commands.answer(
            self._engine, execution_id, request.match_info["request_id"], body["value"]
        )
        return respond({"execution_id": execution_id, "status": status}, 202)

    async def send(self, request: web.Request) -> web.Response:
        """Send the execution something it has not asked for."""
        body = await read_object(request, self._settings, {"value", "to"})
        if "value" not in body:
            raise BadRequest("value is missing: it must be what is sent")
        execution_id = request.match_info["id"]
        to = field(body, "to", "a string")
        status = await commands.send(self._engine, execution_id, body["value"], to)
        return respond({"execution_id": execution_id, "status": status}, 202)

    async def _act(
        self, request: web.Request, action: commands.Action, reason: str | None = None
    ) -> web.Response:
        execution_id = request.match_info["id"]
        status = await commands.act(self._engine, execution_id, action, reason)
        return respond({"execution_id": execution_id, "status": status}, 202)

    def _limit(self, request: web.Request) -> int:
        settings = self._settings
        return query_integer(request.query, "limit", settings.default_limit, 1, settings.max_limit)
