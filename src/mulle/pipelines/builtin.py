"""The nodes that mulle itself brings: the training set, and the registration of a model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mulle.errors import PipelineError
from mulle.pipelines import graph
from mulle.pipelines.promise import Promise
from mulle.types import duration

if TYPE_CHECKING:
    import polars as pl

    from mulle.data.definition import Dataset
    from mulle.flavors import Model
    from mulle.pipelines.definition import Step
    from mulle.stats import Report

T = TypeVar("T")


def training_set(dataset: Dataset, views: Sequence[Any] = (), window: str | timedelta = "90d") -> pl.DataFrame:
    """Rows to learn from: the dataset's rows of the window before `as_of` whose label is known, joined with features.

    Each feature has the value that was available at the row's asked instant. Only inside a pipeline.

    Args:
        dataset: what the rows are of; it has an event time and a label.
        views: the feature views to join.
        window: how far back from `as_of`.
    """
    trace = _inside("training_set")
    arguments = {"dataset": dataset, "views": list(views), "window": duration(window)}
    node = trace.add("training_set", "training_set", arguments)
    return cast("pl.DataFrame", Promise(node, None, None))


def register(name: str, model: Model, report: Report | None = None) -> None:
    """Enter a model into the registry as a new version; a model that is there already stays the version it is.

    Args:
        name: the model's name in the registry.
        model: what a step returned.
        report: its evaluation, shown with the version and used by gates.
    """
    node = _inside("register").add(f"register-{name}", "effect", {"name": name, "model": model, "report": report})
    node.effect = "register"


def commit(dataset: str | Dataset, data: Any, message: str = "") -> None:
    """Make what a step gave the next version of a dataset; the same content as the head's makes none.

    Args:
        dataset: its name, or its definition, which brings key, event time and checks with it.
        data: a table, or a file or folder, that a step or `mulle.union` gave.
        message: what the version is.
    """
    name = dataset if isinstance(dataset, str) else dataset.name
    arguments = {"dataset": name, "data": data, "message": message}
    node = _inside("commit").add(f"commit-{name}", "effect", arguments)
    node.effect = "commit"
    node.committed = None if isinstance(dataset, str) else dataset


def union(results: Sequence[T]) -> T:
    """One table or folder of what a mapped step gave: rows one after the other, or all files in one folder.

    A partition that is gone is gone from it too. Only inside a pipeline.

    Args:
        results: what `step.map(…)` gave; two of them with a file of the same path are an error.
    """
    node = _inside("union").add("union", "union", {"results": results})
    return cast("T", Promise(node, None, None))


def map(step: Step[..., Any], over: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: A001 - mulle.map
    """Call a step for each partition of a dataset, or each item of a list: the same as `step.map(over, …)`."""
    return step.map(over, *args, **kwargs)


def _inside(what: str) -> graph.Trace:
    trace = graph.tracing()
    if trace is None:
        raise PipelineError(
            f"mulle.{what} was called outside a pipeline",
            cause="it needs a run: its dataset versions, its instant and its lineage",
            cure="call it in a function with @mulle.pipeline, then: mulle run PIPELINE",
        )
    return trace
