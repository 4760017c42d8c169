"""Streams as values: names, lineage, reactivex's operators, and where the author wrote them."""

from collections.abc import Iterable
from typing import Any

import pytest
import reactivex as rx
from reactivex import operators as rxo

import rxstream as rxs
from rxstream import operators as ops
from rxstream.errors import GraphError


def operator_of(*operators: Any) -> tuple[str, dict[str, Any]]:
    """The last operator of a pipe, as the graph shows it."""
    plan = rxs.graph(lambda: rxs.source([1]).pipe(*operators)).build()
    return plan.nodes[-1].operator, dict(plan.nodes[-1].arguments)


def test_a_name_is_given_once_and_shown() -> None:
    stream = rxs.source([1])
    assert repr(stream).startswith("<Stream from_iterable made at tests/test_stream.py:")
    assert stream.named("ones") is stream
    assert repr(stream).startswith("<Stream ones made at ")
    with pytest.raises(GraphError, match="already named 'ones' and cannot be 'twos' too"):
        stream.named("twos")


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 65, "ü", "a\n"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(GraphError, match="cannot be a node's name"):
        rxs.source([1]).named(name)


def test_where_it_was_made_is_the_authors_line() -> None:
    here = rxs.source([1]).pipe(ops.map(str))
    assert here.where.startswith("tests/test_stream.py:")
    assert here.where == here.inputs[0].where


def test_reactivexs_operators_are_labelled_as_far_as_they_tell() -> None:
    assert operator_of(rxo.take_last(3)) == ("take_last", {"count": 3})
    assert operator_of(rxo.filter(bool)) == ("filter", {"predicate": "bool"})
    name, _ = operator_of(rxo.map(str))
    assert name == "map"


def test_what_reactivex_composed_is_taken_apart() -> None:
    plan = rxs.graph(lambda: rxs.source([1]).pipe(rx.compose(rxo.map(str), rxo.skip(1)))).build()
    assert [node.operator for node in plan.nodes] == ["from_iterable", "map", "skip"]


def test_a_function_of_operators_is_one_of_them() -> None:
    def twice(source: rx.Observable[Any]) -> rx.Observable[Any]:
        return rx.merge(source, source)

    def ours(source: rxs.Stream[int]) -> Any:
        return source.pipe(ops.map(abs), ops.filter(bool))

    assert operator_of(ours)[0] == "filter"
    assert operator_of(twice)[0] == "test_a_function_of_operators_is_one_of_them"
    assert rxs.source([1]).pipe(lambda stream: 5) == 5
    assert rxs.source([1]).pipe(lambda stream: 5, str) == "5"


@pytest.mark.parametrize(
    "hides",
    [
        lambda other: rxo.merge(other),
        lambda other: rxo.zip(other),
        lambda other: rxo.catch(other),
        lambda other: rxo.combine_latest(rx.of(1), other),
    ],
)
def test_one_that_hides_a_stream_is_refused(hides: Any) -> None:
    with pytest.raises(
        GraphError, match=r"hides a Stream from the graph: use rxstream\.operators\."
    ):
        rxs.source([1]).pipe(hides(rxs.source([2])))


def test_what_is_no_sink_or_has_no_graph_is_refused() -> None:
    with pytest.raises(GraphError, match="list is not a Sink"):
        rxs.source([1]).to([])  # type: ignore[arg-type]  # that is the point
    with pytest.raises(GraphError, match="outside a graph"):
        rxs.source([1]).to(_Sink())


class _Sink(rxs.Sink[Any]):
    def open(self, port: Any) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("text", ["path", b"path", bytearray(b"path")])
def test_text_is_no_source_but_says_what_may_be_meant(text: Any) -> None:
    with pytest.raises(GraphError, match=r"sources\.lines\(path\)"):
        rxs.source(text)


def test_a_stream_of_a_stream_is_itself() -> None:
    stream = rxs.source([1])
    assert rxs.source(stream) is stream
    assert rxs.source(rx.of(1)).spec.name == "from_iterable"
    assert rxs.source(rx.subject.Subject()).spec.name  # whatever it calls itself
    assert rxs.source(n for n in [1]).spec.name == "<genexpr>"


def test_an_operator_shows_its_arguments() -> None:
    assert repr(ops.take(3)) == "take(count=3)"


def test_it_is_not_read_by_a_plain_loop() -> None:
    stream = rxs.of(1, 2)
    with pytest.raises(TypeError, match="not iterable"):
        list(stream)  # type: ignore[call-overload]  # that is wrong
    assert not isinstance(stream, Iterable)
    with pytest.raises(TypeError):
        assert 1 in stream  # type: ignore[operator]  # that is wrong
