"""Drawing a graph: ids, what is refused and with which words, parameters."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import reactivex as rx
from reactivex import operators as rxo

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import GraphError, InvalidParameters


def ids(plan: rxs.Plan) -> list[str]:
    return [node.id for node in plan.nodes]


def refused(function: Any) -> str:
    with pytest.raises(GraphError) as caught:
        rxs.graph(function).build()
    assert "\n" not in caught.value.message
    return caught.value.message


class TestIds:
    def test_unnamed_nodes_are_counted_by_operator_in_the_order_they_were_made(self) -> None:
        @rxs.graph
        def g() -> Any:
            first = rxs.source([1]).pipe(ops.map(str), ops.map(len))
            return rxs.merge(first, rxs.source([2]))

        assert ids(g.build()) == [
            "from_iterable_1",
            "map_1",
            "map_2",
            "from_iterable_2",
            "merge_1",
        ]

    def test_a_name_is_the_id_and_a_dict_key_names_an_unnamed_output(self) -> None:
        @rxs.graph
        def g() -> Any:
            numbers = rxs.source([1]).named("numbers")
            return {"doubled": numbers.pipe(ops.map(lambda n: n * 2)), "numbers": numbers}

        plan = g.build()
        assert ids(plan) == ["numbers", "doubled"]
        assert plan.outputs == {"doubled": "doubled", "numbers": "numbers"}

    def test_a_key_of_any_name_names_its_node(self) -> None:
        @rxs.graph
        def g() -> Any:
            return {"output": rxs.source([1])}

        assert ids(g.build()) == ["output"]

    def test_a_nested_graph_prefixes_its_nodes_and_a_second_one_is_counted(self) -> None:
        @rxs.graph
        def inner(n: int) -> Any:
            return rxs.source([n]).named("one")

        @rxs.graph
        def outer() -> Any:
            return rxs.merge(inner(1), inner(2), inner.named("left")(3))

        assert ids(outer.build()) == ["inner.one", "inner_2.one", "left.one", "merge_1"]

    def test_a_name_never_collides_with_a_counter(self) -> None:
        @rxs.graph
        def g() -> Any:
            counted = rxs.source([1]).pipe(ops.map(str))
            return rxs.merge(counted, rxs.source([1]).named("map_1"))

        assert ids(g.build()) == ["from_iterable_1", "map_2", "map_1", "merge_1"]

    def test_the_same_graph_drawn_twice_is_the_same(self) -> None:
        @rxs.graph
        def g(n: int) -> Any:
            return rxs.source(range(n)).pipe(ops.map(str), ops.take(2))

        assert g.build(n=3).describe()["nodes"][1:] == g.build(n=3).describe()["nodes"][1:]
        assert g.build(n=3).fingerprint == g.build(n=4).fingerprint

    def test_another_topology_has_another_fingerprint(self) -> None:
        def drawn(*operators: Any) -> str:
            return rxs.graph(lambda: rxs.source([1]).pipe(*operators)).build().fingerprint

        assert drawn(ops.map(str)) != drawn(ops.map(str), ops.map(len))


class TestRefused:
    def test_two_nodes_of_one_name_are_told_with_both_lines(self) -> None:
        def g() -> Any:
            return rxs.merge(rxs.source([1]).named("x"), rxs.source([2]).named("x"))

        message = refused(g)
        assert "'x'" in message
        assert message.count("test_build.py:") == 2

    def test_a_stream_that_reaches_nothing_is_told_with_its_line(self) -> None:
        def g() -> Any:
            source = rxs.source([1])
            source.pipe(ops.map(str)).named("forgotten")
            return source

        assert "'forgotten' made at graph/test_build.py:" in refused(g)

    def test_a_name_with_other_characters(self) -> None:
        assert "'a b'" in refused(lambda: rxs.source([1]).named("a b"))

    def test_a_second_name(self) -> None:
        assert "already named 'a'" in refused(lambda: rxs.source([1]).named("a").named("b"))

    def test_an_output_whose_key_is_no_name(self) -> None:
        assert "'a b'" in refused(lambda: {"a b": rxs.source([1])})

    def test_no_output_and_no_sink(self) -> None:
        assert "no output and no sink" in refused(lambda: None)

    def test_something_else_than_streams(self) -> None:
        assert "returned a int" in refused(lambda: 3)
        assert "output 'a'" in refused(lambda: {"a": 3})

    def test_a_coroutine_and_a_generator(self) -> None:
        async def coroutine() -> None: ...

        async def generator() -> AsyncIterator[int]:
            yield 1

        for function in (coroutine, generator):
            with pytest.raises(GraphError, match=r"only draws|a coroutine"):
                rxs.graph(function)

    def test_reactivex_operator_that_hides_a_stream(self) -> None:
        def g() -> Any:
            hidden = rxs.source([1]).named("hidden")
            return rxs.source([2]).pipe(rxo.merge(hidden))

        assert "use rxstream.operators.merge" in refused(g)

    def test_retry_around_what_others_read(self) -> None:
        def g() -> Any:
            shared = rxs.source([1]).named("shared")
            return {"a": shared.pipe(ops.retry(2)), "b": shared.pipe(ops.map(str))}

        assert "'shared'" in refused(g)

    def test_concat_of_one_stream_with_itself(self) -> None:
        def g() -> Any:
            shared = rxs.source([1]).named("shared")
            return rxs.concat(shared, shared)

        assert "'shared'" in refused(g)

    def test_a_str_as_a_source(self) -> None:
        assert "sources.lines" in refused(lambda: rxs.source("app.log"))


def test_raw_reactivex_operators_are_drawn_with_name_and_arguments() -> None:
    @rxs.graph
    def g() -> Any:
        return rxs.source(rx.of(1, 2)).pipe(rxo.take(1), rx.compose(rxo.map(str), rxo.skip(0)))

    nodes = g.build().nodes
    assert [n.operator for n in nodes][1:] == ["take", "map", "skip"]
    assert nodes[1].arguments == {"count": 1}


def test_an_unread_half_of_a_partition_is_pruned() -> None:
    @rxs.graph
    def g() -> Any:
        good, _bad = rxs.source([1, 2]).partition(lambda n: n > 1)
        return good

    assert g.build().outputs


class TestNesting:
    def test_a_graph_called_outside_gives_its_streams(self) -> None:
        @rxs.graph
        def g() -> Any:
            return rxs.source([1])

        assert isinstance(g(), rxs.Stream)

    def test_a_template_takes_streams_and_cannot_be_started(self) -> None:
        @rxs.graph
        def doubled(numbers: rxs.Stream[int]) -> Any:
            return numbers.pipe(ops.map(lambda n: n * 2)).named("double")

        @rxs.graph
        def g() -> Any:
            return doubled(rxs.source([1]))

        assert "doubled.double" in ids(g.build())
        with pytest.raises(InvalidParameters, match="expected a stream"):
            doubled(3)  # type: ignore[arg-type]  # the mistake is meant
        assert doubled.template
        with pytest.raises(GraphError, match=r"cannot be started|takes streams"):
            rxs.Engine(graphs=[doubled])


class TestParameters:
    @staticmethod
    def graph() -> rxs.Graph[..., Any]:
        @rxs.graph
        def g(path: str, window: float = 1.0, token: rxs.Secret | None = None) -> Any:
            """Lines that matter.

            And more.
            """
            return rxs.source([path, window])

        return g

    def problems(self, **given: Any) -> list[dict[str, str]]:
        with pytest.raises(InvalidParameters) as caught:
            self.graph().bind(**given)
        detail: list[dict[str, str]] = caught.value.detail
        return detail

    def test_each_wrong_one_is_named_with_what_was_expected(self) -> None:
        assert [(p["name"], p["expected"]) for p in self.problems(window="wide", more=1)] == [
            ("path", "string"),
            ("window", "number"),
            ("more", "nothing"),
        ]

    def test_values_are_converted_and_defaults_filled_in(self) -> None:
        bound = self.graph().bind(path="a", window="2.5")
        assert dict(bound.params) == {"path": "a", "window": 2.5, "token": None}

    def test_a_secret_is_never_shown(self) -> None:
        plan = self.graph().build(path="a", token="sesame")
        assert "sesame" not in repr(plan.params)
        assert plan.params["token"] == "**********"

    def test_the_schema_says_types_defaults_and_what_is_required(self) -> None:
        schema = self.graph().parameters
        assert schema["required"] == ["path"]
        assert schema["properties"]["window"]["default"] == 1.0
        assert self.graph().description == "Lines that matter."

    def test_star_arguments_are_refused(self) -> None:
        def g(*args: int) -> Any: ...

        with pytest.raises(GraphError, match="name every parameter"):
            rxs.graph(g)

    def test_names_that_pydantic_models_reserve_are_fine(self) -> None:
        @rxs.graph
        def g(json: int, copy: str, model_config: int = 1, schema: int = 2) -> Any:
            return rxs.source([json, copy])

        assert dict(g.bind(json=1, copy="c").params)["json"] == 1

    def test_positional_arguments_work_and_cannot_be_given_twice(self) -> None:
        assert self.graph().bind("a", 2.0).params["window"] == 2.0
        with pytest.raises(InvalidParameters, match="twice"):
            self.graph().bind("a", path="b")
        with pytest.raises(InvalidParameters, match="4 values"):
            self.graph().bind("a", 1.0, None, 4)
