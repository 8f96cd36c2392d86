"""What a trace finds, and what it refuses before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

import mulle
from mulle.errors import PipelineError, UnknownNameError, UsageError
from mulle.pipelines import Pipeline
from mulle.pipelines.graph import trace


@mulle.step
def load(n: int = 3) -> pl.DataFrame:
    return pl.DataFrame({"x": range(n)})


@mulle.step
def split(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    return rows.head(1), rows.tail(1)


@mulle.step
def count(rows: pl.DataFrame, scale: float = 1.0) -> int:
    return int(rows.height * scale)


@mulle.step
def gather(numbers: list[int]) -> int:
    return sum(numbers)


def pipeline(function: Callable[..., Any]) -> Pipeline[..., Any]:
    return Pipeline(function, function.__name__)


def test_calls_become_nodes_and_promises_become_edges() -> None:
    graph = trace(pipeline(lambda: count(load())), {})
    assert [node.name for node in graph.nodes] == ["load", "count"]
    assert [(edge.source, edge.target, edge.label) for edge in graph.edges()] == [("load", "count", "rows")]


def test_several_calls_of_a_step_have_names_of_their_own() -> None:
    graph = trace(pipeline(lambda: [count(load(n)) for n in range(3)]), {})
    assert [node.name for node in graph.nodes] == ["load", "count", "load-2", "count-2", "load-3", "count-3"]


def test_a_tuple_annotation_unpacks() -> None:
    def main() -> Any:
        first, last = split(load())
        return count(first), count(last)

    assert [node.name for node in trace(pipeline(main), {}).nodes] == ["load", "split", "count", "count-2"]


def test_promises_inside_a_list_are_inputs() -> None:
    graph = trace(pipeline(lambda: gather([count(load()), count(load(4))])), {})
    assert [edge.source for edge in graph.edges() if edge.target == "gather"] == ["count", "count-2"]


def test_a_pipeline_in_a_pipeline_is_part_of_its_graph() -> None:
    inner = pipeline(lambda n: count(load(n)))
    assert len(trace(pipeline(lambda: gather([inner(1), inner(2)])), {}).nodes) == 5


def test_outside_a_pipeline_steps_are_plain_functions() -> None:
    assert count(load(2)) == 2


def _unpacks(promise: Any) -> None:
    _first, _second = promise


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda promise: 1 if promise else 2, "condition"),
        (list, "iterated or unpacked"),
        (_unpacks, "iterated or unpacked"),
        (len, "used as a value"),
        (float, "used as a value"),
        (lambda promise: promise > 3, "compared"),
        (lambda promise: promise == 3, "compared"),
        (lambda promise: promise + 1, "computed with"),
        (lambda promise: 1 + promise, "computed with"),
        (lambda promise: promise["x"], "indexed"),
        (lambda promise: promise.height, r"asked for '\.height'"),
        (lambda promise: promise(), "called"),
        (str, "turned into text"),
        (lambda promise: f"{promise}", "turned into text"),
        (lambda promise: 3 in promise, "searched"),
    ],
)
def test_a_promise_is_not_a_value(use: Callable[[Any], object], message: str) -> None:
    with pytest.raises(PipelineError, match=message) as caught:
        trace(pipeline(lambda: use(count(load()))), {})
    assert caught.value.cure


def test_a_missing_argument_is_refused() -> None:
    with pytest.raises(PipelineError, match="cannot be called so"):
        trace(pipeline(lambda: count()), {})  # type: ignore[call-arg] # noqa: PLW0108


def test_an_argument_of_another_type_is_refused() -> None:
    with pytest.raises(PipelineError, match="argument 'scale' of count"):
        trace(pipeline(lambda: count(load(), scale="much")), {})  # type: ignore[arg-type]


def test_a_promise_of_another_type_is_refused() -> None:
    with pytest.raises(PipelineError, match="takes DataFrame for 'rows', but is given int"):
        trace(pipeline(lambda: count(count(load()))), {})  # type: ignore[arg-type]


def test_text_parameters_are_read_as_their_type() -> None:
    def main(n: int = 1, rate: float = 0.5, name: str = "a") -> None: ...

    assert trace(pipeline(main), {"n": "3", "rate": "0.25", "name": "7"}).params == {"n": 3, "rate": 0.25, "name": "7"}


def test_an_unknown_parameter_suggests_the_nearest() -> None:
    def main(window: str = "90d") -> None: ...

    with pytest.raises(UnknownNameError, match="did you mean 'window'"):
        trace(pipeline(main), {"windov": "3d"})


def test_a_missing_parameter_is_named() -> None:
    def main(window: str) -> None: ...

    with pytest.raises(UsageError, match="needs the parameter 'window'"):
        trace(pipeline(main), {})


def test_a_parameter_of_another_type_is_refused() -> None:
    def main(n: int) -> None: ...

    with pytest.raises(UsageError, match="parameter 'n' of main"):
        trace(pipeline(main), {"n": "many"})


def test_an_error_of_the_pipelines_own_tells_its_line() -> None:
    with pytest.raises(PipelineError, match="ZeroDivisionError") as caught:
        trace(pipeline(lambda: 1 / 0), {})
    assert "test_graph.py" in str(caught.value.cause)


def test_built_in_nodes_need_a_pipeline() -> None:
    with pytest.raises(PipelineError, match="outside a pipeline"):
        mulle.register("m", None)  # type: ignore[arg-type]
