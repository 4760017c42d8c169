"""The API described as OpenAPI 3.1, by hand: a test holds its paths against the routes served."""

from __future__ import annotations

from typing import Any

from rxstream.adapters.web.commands import STATUSES
from rxstream.engine.requirements import MAX_NAMES
from rxstream.events import EventType

Schema = dict[str, Any]


def document(base: str = "/") -> Schema:
    """The whole description; `base` is where the API is mounted."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rxstream",
            "version": "1",
            "description": "Graphs, their executions, and every event of each from any cursor on.",
        },
        "servers": [{"url": base}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "responses": {"Error": _error("The request was refused.")},
        },
    }


def _paths() -> Schema:
    execution, name = _path("id"), _path("name")
    after = _query("after", _TEXT, "A cursor or sequence number: go on after it.")
    limit = _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})
    params = {
        "name": "params",
        "in": "query",
        "description": "Parameters as a JSON object.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
    statuses = _query("status", _TEXT, "Statuses, separated by commas.")
    wait = _query("wait", {"type": "number", "minimum": 0, "maximum": 60, "default": 0}, "Seconds.")
    resume = {
        "name": "Last-Event-ID",
        "in": "header",
        "schema": _TEXT,
        "description": "Wins over after.",
    }
    replay = _replay()
    accepted = {"202": _json("Accepted.", _ref("Accepted")), "409": _refused()}
    upgrade = {"101": {"description": "The connection speaks WebSocket."}}
    return {
        "/": {"get": _operation("page", "The page for people", {"200": _body("text/html")})},
        "/api/graphs": {
            "get": _operation(
                "list_graphs",
                "Graphs served",
                {"200": _json("A page.", _page("Graph"))},
                limit,
                after,
            )
        },
        "/api/graphs/{name}": {
            "get": _operation(
                "get_graph",
                "One graph, built when its required parameters are given",
                {"200": _json("The graph.", _ref("Plan")), "404": _refused(), "422": _refused()},
                name,
                params,
            )
        },
        "/api/executions": {
            "get": _operation(
                "list_executions",
                "Executions, newest first",
                {"200": _json("A page.", _page("Execution"))},
                statuses,
                _query("graph", _TEXT),
                limit,
                _query("after", _TEXT, "The `next` of the page before."),
            ),
            "post": _operation(
                "start_execution",
                "Start an execution",
                {
                    "201": {
                        **_json("It is recorded.", _ref("Accepted")),
                        "headers": {"Location": {"schema": _TEXT}},
                    },
                    **{code: _refused() for code in ("403", "404", "413", "422", "429", "503")},
                },
                body=_ref("Start"),
            ),
        },
        "/api/executions/{id}": {
            "get": _operation(
                "get_execution",
                "One execution",
                {"200": _json("The execution.", _ref("Execution")), "404": _refused()},
                execution,
            )
        },
        **{
            f"/api/executions/{{id}}/{action}": {
                "post": _operation(
                    f"{action}_execution", summary, {**accepted, "404": _refused()}, execution
                )
            }
            for action, summary in (
                ("cancel", "End it now"),
                ("stop", "End it after its current step"),
                ("detach", "Let it run on without listeners"),
            )
        },
        "/api/executions/{id}/inputs": {
            "post": _operation(
                "send_input",
                "Send something it has not asked for to the node that takes it",
                {
                    "202": {"description": "Recorded."},
                    "400": _refused(),
                    "404": _refused(),
                    "409": _refused(),
                },
                execution,
                body={
                    "type": "object",
                    "properties": {"value": {}, "to": {"type": "string"}},
                    "required": ["value"],
                },
            )
        },
        "/api/executions/{id}/inputs/{request_id}": {
            "post": _operation(
                "answer_input",
                "Answer an input request",
                {
                    "202": {"description": "Recorded."},
                    "404": _refused(),
                    "409": _refused(),
                    "422": _refused(),
                },
                execution,
                _path("request_id"),
                body={"type": "object", "properties": {"value": {}}, "required": ["value"]},
            )
        },
        "/api/executions/{id}/events": {
            "get": _operation(
                "poll_events",
                "A page of events, at once or within `wait` seconds",
                {"200": _json("The page.", _ref("Events")), "404": _refused()},
                execution,
                after,
                limit,
                wait,
            )
        },
        "/api/executions/{id}/blobs/{sha256}": {
            "get": _operation(
                "get_blob",
                "Bytes an event refers to",
                {"200": _body("*/*"), "304": {"description": "Unchanged."}, "404": _refused()},
                execution,
                _path("sha256"),
            )
        },
        "/stream/pipeline/{id}": {
            "get": _operation(
                "stream_events",
                "Events as server-sent events",
                {
                    "200": _body("text/event-stream"),
                    "204": {"description": "It has ended and everything was read."},
                    "404": _refused(),
                },
                execution,
                after,
                resume,
                *replay,
            )
        },
        "/ws/pipeline/{id}": {
            "get": _operation(
                "socket_events",
                "Events of one execution over WebSocket",
                upgrade,
                execution,
                after,
                *replay,
            )
        },
        "/ws": {"get": _operation("socket", "Many executions over one WebSocket", upgrade)},
        "/metrics": {"get": _operation("metrics", "Prometheus text", {"200": _body("text/plain")})},
        "/healthz": {
            "get": _operation(
                "health", "Whether it lives", {"200": _json("It does.", {"type": "object"})}
            )
        },
        "/readyz": {
            "get": _operation(
                "ready",
                "Whether it can start an execution",
                {"200": _json("It can.", {"type": "object"}), "503": _refused()},
            )
        },
        "/openapi.json": {
            "get": _operation("openapi", "This", {"200": _json("This.", {"type": "object"})})
        },
    }


def _replay() -> list[Schema]:
    """What the streams can be asked beside where to go on."""
    positive = {"type": "number", "exclusiveMinimum": 0}
    names = {"type": "array", "items": _TEXT}
    types = {"type": "array", "items": {"enum": [str(kind) for kind in EventType]}}
    return [
        _query("replay", {"enum": ["0", "1"]}, "1: what was recorded is marked as replayed."),
        _query("speed", positive, "Of a replay: 1 is the original pace; without it no pauses."),
        _query("max_pause", {"type": "number", "minimum": 0}, "Of a replay: seconds at most."),
        _query("event_type", types, "Of a replay: only these; the ending is always told."),
        _query("step_id", names, "Of a replay: only events of these nodes, and the ending."),
    ]


def _schemas() -> Schema:
    nullable: Schema = {"type": ["string", "null"]}
    whole: Schema = {"type": "integer"}
    anything: Schema = {}
    record: Schema = {"type": "object"}
    status: Schema = {"enum": list(STATUSES)}
    error = {
        "error": _object({"code": _TEXT, "message": _TEXT, "detail": anything}, "code", "message")
    }
    event = {
        "event_type": {"enum": [str(kind) for kind in EventType]},
        "execution_id": _TEXT,
        "sequence": {"type": ["integer", "null"]},
        "cursor": _TEXT,
        "timestamp": {"type": "string", "format": "date-time"},
        "step_id": nullable,
        "data": anything,
        "metadata": {"type": ["object", "null"]},
    }
    execution = {
        "execution_id": _TEXT,
        "graph": _TEXT,
        "status": status,
        "created_at": {"type": "string", "format": "date-time"},
        "ended_at": {"type": ["string", "null"], "format": "date-time"},
        "last_cursor": nullable,
    }
    plan = {
        "name": _TEXT,
        "nodes": {"type": ["array", "null"], "items": record},
        "outputs": {"type": ["object", "null"]},
        "fingerprint": nullable,
    }
    ids = {"type": "array", "items": _TEXT, "maxItems": MAX_NAMES}
    start = {
        "graph": _TEXT,
        "params": record,
        "priority": whole,
        "detached": {"type": "boolean"},
        "on_last_listener": {"enum": ["cancel", None]},
        "user": _TEXT,
        "resources": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}},
        "after_success": ids,
        "after_end": ids,
    }
    queue = {
        "position": {"type": ["integer", "null"]},
        "waiting_for": {
            "type": "array",
            "items": _object(
                {"kind": {"enum": ["execution", "resource", "place", "turn"]}, "name": _TEXT},
                "kind",
            ),
        },
    }
    question = {
        "request_id": _TEXT,
        "message": _TEXT,
        "schema": record,
        "expires_at": {"type": ["string", "null"], "format": "date-time"},
    }
    seconds = {"type": "number", "minimum": 0}
    bottleneck = {
        "node": nullable,
        "where": _TEXT,
        "cause": {"enum": ["slow", "scarce", "busy", "log"]},
        "edge": nullable,
        "capacity": whole,
        "blocked_s": seconds,
        "elapsed_s": seconds,
        "through": nullable,
        "waiting": {"type": "array", "items": _TEXT},
        "share": {"type": "number", "minimum": 0, "maximum": 1},
        "message": _TEXT,
    }
    events = {
        "events": {"type": "array", "items": _ref("Event")},
        "cursor": _TEXT,
        "recovered": {"type": "boolean"},
        "first_available": whole,
    }
    graph = {"name": _TEXT, "description": nullable, "parameters": record}
    return {
        "Error": _object(error, *error),
        "Event": _object(event, *event),
        "Events": _object(events, *events),
        "Execution": _object(
            {
                **execution,
                "queue": _object(queue, *queue),
                "inputs": {"type": "array", "items": _object(question, *question)},
                "listens": {"type": "array", "items": _TEXT},
                "bottleneck": _object(bottleneck, *bottleneck),
                "tallies": {"type": "object", "additionalProperties": {"type": "number"}},
                "result": anything,
                "error": record,
            },
            *execution,
        ),
        "Graph": _object(graph, *graph),
        "Plan": _object(plan, *plan),
        "Start": {**_object(start, "graph"), "additionalProperties": False},
        "Accepted": _object({"execution_id": _TEXT, "status": status}, "execution_id", "status"),
    }


_TEXT: Schema = {"type": "string"}


def _operation(
    operation_id: str,
    summary: str,
    responses: Schema,
    *parameters: Schema,
    body: Schema | None = None,
) -> Schema:
    told: Schema = {
        "operationId": operation_id,
        "summary": summary,
        "responses": {**responses, "default": _refused()},
    }
    if parameters:
        told["parameters"] = list(parameters)
    if body is not None:
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return told


def _path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _query(name: str, schema: Schema, description: str = "") -> Schema:
    told: Schema = {"name": name, "in": "query", "schema": schema}
    return {**told, "description": description} if description else told


def _object(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _page(item: str) -> Schema:
    return _object(
        {
            "items": {"type": "array", "items": _ref(item)},
            "next": {"type": ["string", "null"]},
        },
        "items",
        "next",
    )


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _body(media_type: str) -> Schema:
    return {"description": "The bytes.", "content": {media_type: {}}}


def _refused() -> Schema:
    return {"$ref": "#/components/responses/Error"}


def _error(description: str) -> Schema:
    return _json(description, _ref("Error"))
