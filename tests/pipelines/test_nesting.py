"""Pipelines in pipelines, outputs with names, and what is checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.pipelines.drive import Site

import mulle
from mulle.errors import PipelineError, UsageError
from mulle.pipelines import Pipeline
from mulle.pipelines.graph import trace

Make = Callable[..., Site]

NESTED = """
from typing import NamedTuple, TypedDict
import mulle

class Parts(NamedTuple):
    train: list
    test: list

class Told(TypedDict):
    low: int
    high: int

@mulle.step
def split(n: int) -> Parts:
    return Parts(list(range(n)), [n])

@mulle.step
def bounds(numbers: list) -> Told:
    return {"high": max(numbers), "low": min(numbers)}

@mulle.step
def add(a: int, b: int) -> int:
    return a + b

@mulle.step
def sizes(parts: Parts) -> int:
    return len(parts.train) * 10 + len(parts.test)

@mulle.pipeline
def prepare(n: int, shift: int = 1):
    parts = split(n)
    told = bounds(parts.train)
    return add(told["high"], shift), parts

@mulle.pipeline
def main(n: int = 4):
    high, parts = prepare(n)
    other, _ = prepare(n + 1, shift=2)
    return {"sum": add(high, other), "sizes": sizes(parts)}

@mulle.pipeline
def named(n: int = 4):
    return split(n)

@mulle.step
def wrong() -> Told:
    return {"low": 1}

@mulle.pipeline
def badly():
    return wrong()["low"]
"""


def value(site: Site, result: Any, name: str = "result") -> Any:
    return site.controller.value(result.check().outputs[name])


@pytest.mark.parametrize("kind", ["in-process", "process"])
def test_a_pipeline_in_a_pipeline_has_its_nodes_under_its_name(site: Make, kind: str) -> None:
    made = site(kind, project=NESTED)
    result = made.run("main")
    assert [step.name for step in result.steps] == [
        "prepare/split", "prepare/bounds", "prepare/add",
        "prepare-2/split", "prepare-2/bounds", "prepare-2/add", "add", "sizes",
    ]  # fmt: skip
    assert (value(made, result, "sum"), value(made, result, "sizes")) == (4 + 6, 41)


def test_the_inner_pipeline_alone_computes_nothing_again(site: Make) -> None:
    made = site(project=NESTED)
    made.run("main")
    assert made.run("prepare", n=4).steps_executed == 0


def test_outputs_of_a_named_tuple_have_names(site: Make) -> None:
    made = site(project=NESTED)
    result = made.run("named")
    assert (value(made, result, "train"), value(made, result, "test")) == ([0, 1, 2, 3], [4])


def test_a_dict_without_a_name_that_is_promised_fails(site: Make) -> None:
    assert "annotated to return a dict of low, high" in str(site(project=NESTED).run("badly").failure)


@mulle.step
def load(path: Path, limit: int = 3, scale: float = 1.0) -> int:
    return 1


@mulle.pipeline
def inner(n: int, name: str = "a") -> int:
    return load(Path("x"), n)


wrongly: Any = load
wrongly_inner: Any = inner


def traced(function: Callable[..., Any], **params: Any) -> Any:
    return trace(Pipeline(function, "main"), params)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wrongly("x"), "the argument 'path' of load cannot be 'x'"),
        (lambda: wrongly(Path("x"), "many"), "argument 'limit' of load"),
        (lambda: wrongly(Path("x"), 1.5), "argument 'limit' of load"),
        (lambda: wrongly(), "cannot be called so"),  # noqa: PLW0108
        (lambda: wrongly(Path("x"), many=1), "cannot be called so"),
        (lambda: wrongly_inner(), "the pipeline 'inner' cannot be called so"),  # noqa: PLW0108
        (lambda: wrongly_inner("x"), "argument 'n' of inner"),
        (lambda: wrongly_inner(load(Path("x")), load(Path("x"))), "takes str for 'name', but is given int"),
    ],
)
def test_arguments_are_checked_before_anything_runs(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        traced(call)


@pytest.mark.parametrize("scale", [1, 1.0])
def test_an_int_is_a_float(scale: float) -> None:
    assert traced(lambda: load(Path("x"), 1, scale)).nodes


def test_parameters_of_richer_types_are_read_from_text() -> None:
    import enum
    from datetime import UTC, date, datetime, timedelta
    from typing import Literal

    class Size(enum.Enum):
        small = 1
        large = 2

    globals()["Size"] = Size

    def main(  # noqa: PLR0917 - one of each kind
        on: date,
        at: datetime,
        span: timedelta,
        size: Size,
        path: Path | None,
        mode: Literal["fast", "slow"],
        rates: list[float],
    ) -> None: ...

    main.__annotations__ = {
        "on": date, "at": datetime, "span": timedelta, "size": Size,
        "path": Path | None, "mode": Literal["fast", "slow"], "rates": list[float],
    }  # fmt: skip
    given: dict[str, Any] = {"on": "2026-01-02", "at": "2026-01-02T03:00:00Z", "span": "90d", "size": "large"}
    given |= {"path": "a/b", "mode": "slow", "rates": [1, 2.5]}
    found = traced(main, **given).params
    assert found["on"] == date(2026, 1, 2)
    assert found["at"] == datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert (found["span"], found["size"], found["path"]) == (timedelta(days=90), Size.large, Path("a/b"))
    for name, wrong in {"on": "soon", "size": "huge", "mode": "idle", "span": "long"}.items():
        with pytest.raises(UsageError, match=f"parameter '{name}' of main"):
            traced(main, **(given | {name: wrong}))
