"""`@graph`: a named function from parameters to streams, and how its streams become a `Plan`.

Building runs the author's function once with checked parameters, inside a scope that sees every stream it
makes. What reaches an output or a sink becomes a node with a stable id; what reaches neither is an error
that names its line. Nothing is started.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, Generic, ParamSpec, Protocol, TypeVar, overload

from rxstream.errors import GraphError
from rxstream.graph.lint import refuse
from rxstream.graph.params import Parameters, shown
from rxstream.graph.plan import Node, Plan
from rxstream.stream import SCOPE, Scope, Stream, check_name

P = ParamSpec("P")
R = TypeVar("R")


class Launcher(Protocol):
    """How a graph is started without an engine of the user's."""

    async def start(self, bound: BoundGraph) -> Any:
        """Start it; returns the Execution."""


class Graph(Generic[P, R]):
    """A function that draws a graph. Calling it inside another graph nests it."""

    launcher: ClassVar[Launcher]
    """Starts a graph without an engine of the user's; given by the engine when it is imported."""

    def __init__(
        self,
        function: Callable[P, R],
        name: str | None = None,
        *,
        resumable: bool = False,
        resources: Mapping[str, int] | None = None,
        objectives: Any = None,
    ) -> None:
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise GraphError(
                f"graph {function.__name__!r} is a coroutine: a graph only draws, so make it a plain "
                "function and give the coroutine to rxstream.source or an operator"
            )
        if inspect.isgeneratorfunction(function):
            raise GraphError(
                f"graph {function.__name__!r} is a generator: return rxstream.source(generator) instead"
            )
        self.function = function
        self.name = name or function.__name__
        self.resumable = resumable
        self.resources = dict(resources or {})
        """What an execution of it holds from its start to its end, unless it is started with others."""
        self.objectives = objectives
        """What it promises (`rxstream.engine.judging.Objectives`), or None."""
        self.description = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
        self._parameters = Parameters(function)
        self._prefix: str | None = None
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON Schema of the parameters."""
        return self._parameters.schema

    @property
    def template(self) -> bool:
        """Whether it takes streams, so that it can be nested but not started."""
        return bool(self._parameters.streams)

    def named(self, prefix: str) -> Graph[P, R]:
        """The same graph, whose nodes will be `prefix.…` where it is nested."""
        copy = Graph(
            self.function,
            self.name,
            resumable=self.resumable,
            resources=self.resources,
            objectives=self.objectives,
        )
        copy._prefix = prefix
        return copy

    def bind(self, /, *args: P.args, **kwargs: P.kwargs) -> BoundGraph:
        """This graph with its parameters given. Raises `InvalidParameters`."""
        return BoundGraph(self, self._parameters.check(self._parameters.positional(args, kwargs)))

    def build(self, /, *args: P.args, **kwargs: P.kwargs) -> Plan:
        """Draw it. Raises `InvalidParameters` and `GraphError`."""
        return self.bind(*args, **kwargs).build()

    async def start(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Start it on a default engine in memory; returns the Execution."""
        return await self.launcher.start(self.bind(*args, **kwargs))

    async def run(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Start it on a default engine in memory; returns its result."""
        return await (await self.launcher.start(self.bind(*args, **kwargs))).result()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        values = self._parameters.check(self._parameters.positional(args, kwargs))
        outer = SCOPE.get()
        with _scope(self._nested_prefix(outer), outer) as scope:
            result = self.function(**values)  # type: ignore[call-arg]  # checked above
        if outer is None:
            sinks = [stream for stream in scope.created if stream.spec.kind == "sink"]
            if sinks:
                raise GraphError(
                    f"graph {self.name!r} writes to {sinks[0].spec.name!r} (at {sinks[0].where}) and so "
                    f"cannot be called outside a graph: use {self.name}.start(…) or .run(…)"
                )
        for stream in _returned(result).values() if result is not None else ():
            stream.optional = True
        return result

    def _nested_prefix(self, outer: Scope | None) -> str:
        if outer is None:
            return ""
        wanted = f"{outer.prefix}{self._prefix or self.name}"
        count = outer.prefixes[wanted] = outer.prefixes.get(wanted, 0) + 1
        if count > 1 and self._prefix:
            raise GraphError(f"two nested graphs are named {wanted!r}: give one another name")
        return f"{wanted}_{count}." if count > 1 else f"{wanted}."

    def __repr__(self) -> str:
        return f"<Graph {self.name}>"


class BoundGraph:
    """A graph with its parameters given."""

    def __init__(self, graph: Graph[..., Any], params: Mapping[str, Any]) -> None:
        self.graph = graph
        self.params = params

    @property
    def name(self) -> str:
        """The graph's name."""
        return self.graph.name

    def build(self) -> Plan:
        """Draw it. Raises `GraphError`."""
        with _scope("", None) as scope:
            result = self.graph.function(**self.params)
        outputs, single = _outputs(self.graph.name, result)
        params = {name: shown(value) for name, value in self.params.items()}
        plan = make_plan(
            self.graph.name,
            outputs,
            scope.created,
            params,
            self.graph.description,
            single,
            self.graph.resumable,
        )
        # not in make_plan: a stream that is only explored is not refused, and is made too often
        refuse(plan)
        return plan


@overload
def graph(function: Callable[P, R]) -> Graph[P, R]: ...


@overload
def graph(
    *, resumable: bool = False, resources: Mapping[str, int] | None = None
) -> Callable[[Callable[P, R]], Graph[P, R]]: ...


def graph(
    function: Callable[..., Any] | None = None,
    *,
    resumable: bool = False,
    resources: Mapping[str, int] | None = None,
) -> Any:
    """Decorate a function from parameters to a stream or a dict of streams.

    `@graph(resumable=True)` refuses to build a graph that could not go on after a crash, and says which node
    is in the way. `@graph(resources={"gpu": 1})` is what each execution of it waits for and holds; a graph
    that is nested in it adds none.
    """
    if function is None:
        return partial(Graph, resumable=resumable, resources=resources)
    return Graph(function, resumable=resumable, resources=resources)


@contextmanager
def _scope(prefix: str, outer: Scope | None) -> Generator[Scope, None, None]:
    scope = Scope(prefix, outer)
    token = SCOPE.set(scope)
    try:
        yield scope
    finally:
        SCOPE.reset(token)


def _returned(result: Any) -> dict[str, Stream[Any]]:
    if isinstance(result, Stream):
        return {"": result}
    if isinstance(result, Mapping):
        return {str(k): v for k, v in result.items() if isinstance(v, Stream)}
    if isinstance(result, tuple | list):
        return {str(i): v for i, v in enumerate(result) if isinstance(v, Stream)}
    return {}


def _outputs(name: str, result: Any) -> tuple[dict[str, Stream[Any]], bool]:
    """Outputs by name, and whether one stream was returned by itself."""
    if isinstance(result, Stream):
        return {result.name or "output": result}, True
    if result is None:
        return {}, False
    if not isinstance(result, Mapping):
        raise GraphError(
            f"graph {name!r} returned a {type(result).__name__}: return a stream, "
            "a dict of streams by name, or nothing if it only writes to sinks"
        )
    for key, value in result.items():
        if not isinstance(key, str) or not isinstance(value, Stream):
            raise GraphError(
                f"output {key!r} of graph {name!r} is a {type(value).__name__}: "
                "give a Stream under a string key"
            )
        check_name(key, value.where)
    return dict(result), False


def make_plan(
    name: str,
    outputs: Mapping[str, Stream[Any]],
    created: Iterable[Stream[Any]] = (),
    params: Mapping[str, Any] | None = None,
    description: str = "",
    single: bool = True,
    resumable: bool = False,
) -> Plan:
    """Turn streams into frozen nodes. `created` is what the function made, to find what it forgot."""
    made = list(created)
    roots = [*outputs.values(), *(stream for stream in made if stream.spec.kind == "sink")]
    if not roots:
        raise GraphError(
            f"graph {name!r} has no output and no sink: return a stream, or write to one"
        )
    reached = _reachable(roots)
    _refuse_forgotten(name, made, reached)
    # the key of an only stream is not the author's
    ids = _name_nodes(name, reached, {} if single else outputs)
    published = {stream.serial for stream in outputs.values()}
    keyed = published if list(outputs) != ["output"] else set()
    nodes = tuple(
        Node(
            id=ids[stream.serial],
            operator=stream.spec.name,
            kind=_kind(stream),
            inputs=tuple(ids[source.serial] for source in stream.inputs),
            arguments={key: shown(value) for key, value in stream.spec.arguments.items()},
            where=stream.where,
            told=stream.spec.told or stream.name is not None or stream.serial in published,
            published=stream.serial in published,
            resumable=stream.spec.resumable,
            named=stream.name is not None or stream.serial in keyed,
            depth=stream.depth,
            spec=stream.spec,
        )
        for stream in reached
    )
    plan = Plan(
        name,
        nodes,
        {key: ids[stream.serial] for key, stream in outputs.items()},
        params or {},
        description,
        single,
        resumable,
    )
    _check_depth(plan)
    _check_regions(plan)
    _check_late(plan)
    return plan


def _kind(stream: Stream[Any]) -> Any:
    return stream.spec.kind if stream.spec.kind in ("source", "sink") else "operator"


def _reachable(roots: Iterable[Stream[Any]]) -> list[Stream[Any]]:
    """Streams the roots read, in the order they were made: an input always comes before its reader."""
    found: dict[int, Stream[Any]] = {}
    waiting = list(roots)
    while waiting:
        stream = waiting.pop()
        if stream.serial not in found:
            found[stream.serial] = stream
            waiting += stream.inputs
    return [found[serial] for serial in sorted(found)]


def _refuse_forgotten(name: str, made: list[Stream[Any]], reached: list[Stream[Any]]) -> None:
    known = {stream.serial for stream in reached}
    lost = [stream for stream in made if stream.serial not in known and not stream.optional]
    inputs = {source.serial for stream in lost for source in stream.inputs}
    for stream in lost:
        if stream.serial not in inputs:
            raise GraphError(
                f"the stream {stream.name or stream.spec.name!r} made at {stream.where} reaches no "
                f"output and no sink of graph {name!r}: return it, write it to a sink, or delete it",
                where=stream.where,
            )


def _name_nodes(
    name: str, reached: list[Stream[Any]], outputs: Mapping[str, Stream[Any]]
) -> dict[int, str]:
    keys = {stream.serial: key for key, stream in reversed(list(outputs.items()))}
    taken: dict[str, Stream[Any]] = {}
    ids: dict[int, str] = {}

    def take(identity: str, stream: Stream[Any]) -> None:
        if identity in taken:
            raise GraphError(
                f"two nodes of graph {name!r} are named {identity!r}: at {taken[identity].where} "
                f"and at {stream.where}; rename one",
                where=stream.where,
            )
        taken[identity] = stream
        ids[stream.serial] = identity

    for stream in reached:
        key = keys.get(stream.serial)
        if stream.name is not None:
            take(stream.prefix + stream.name, stream)
        elif key is not None:
            take(key, stream)
    counters: dict[str, int] = {}
    for stream in reached:
        if stream.serial in ids:
            continue
        base = f"{stream.prefix}{stream.spec.name}"
        while True:
            counters[base] = counters.get(base, 0) + 1
            identity = f"{base}_{counters[base]}"
            if identity not in taken:
                break
        take(identity, stream)
    return ids


def region_of(plan: Plan, wrapper: Node) -> set[str]:
    """Ids of the nodes that a wrapping operator (`retry`, `repeat`) starts anew: all it reads."""
    found: set[str] = set()
    waiting = list(wrapper.inputs)
    while waiting:
        node_id = waiting.pop()
        if node_id not in found:
            found.add(node_id)
            waiting += plan.by_id[node_id].inputs
    return found


def _check_depth(plan: Plan) -> None:
    """Observables as elements must be flattened before they leave, or part into branches."""
    for node in plan.nodes:
        if not node.depth:
            continue
        readers = [plan.by_id[reader] for reader in plan.readers[node.id]]
        leaves = node.published or any(reader.kind == "sink" for reader in readers)
        deaf = [r for r in readers if r.spec.kind != "foreign" and r.spec.rx is None]
        if leaves or deaf or len(readers) != 1:
            raise GraphError(
                f"the elements of {node.id!r} ({node.operator} at {node.where}) are Observables, which "
                "cannot be recorded or shared: flatten them first, with flat_map, merge_all, concat_all "
                "or switch_latest",
                node=node.id,
                where=node.where,
            )


def _check_regions(plan: Plan) -> None:
    for wrapper in plan.nodes:
        if not wrapper.spec.wraps:
            continue
        region = region_of(plan, wrapper)
        for node_id in sorted(region):
            outside = set(plan.readers[node_id]) - region - {wrapper.id}
            node = plan.by_id[node_id]
            if outside or node.published:
                reader = sorted(outside)[0] if outside else "an output"
                raise GraphError(
                    f"{wrapper.operator} at {wrapper.where} would start node {node_id!r} again, but "
                    f"{reader!r} reads it too: put {wrapper.operator} before the branches part",
                    node=wrapper.id,
                    where=wrapper.where,
                )


def _check_late(plan: Plan) -> None:
    """An input that is read late must not share its source with one that is read now."""
    for node in plan.nodes:
        if not node.spec.late:
            continue
        for late in node.inputs[1:]:
            if (
                plan.by_id[late].spec.buffer is not None
                and plan.by_id[late].spec.buffer.policy != "block"
            ):
                continue
            shared = _unbuffered(plan, late, node.id)
            if shared is not None:
                raise GraphError(
                    f"{node.operator} at {node.where} reads {late!r} only later, but {shared!r} feeds "
                    "another branch meanwhile, which would wait for ever: put .drop_oldest(n) or "
                    "another lossy policy before it, or read a source of its own",
                    node=node.id,
                    where=node.where,
                )


def _unbuffered(plan: Plan, late: str, reader: str) -> str | None:
    """A node before `late` that somebody else reads too, through no lossy buffer."""
    waiting = [(late, reader)]
    while waiting:
        node_id, via = waiting.pop()
        node = plan.by_id[node_id]
        readers = list(plan.readers[node_id])
        readers.remove(via)
        if readers or node.published:
            return node_id
        if node.spec.buffer is None or node.spec.buffer.policy == "block":
            waiting += [(source, node_id) for source in node.inputs]
    return None
