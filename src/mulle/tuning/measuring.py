"""What a trial's run says about the study's metrics."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.errors import TuningError
from mulle.pipelines import journal
from mulle.pipelines.model import ValueRef
from mulle.tracking import runs
from mulle.tracking.recording import OBJECTIVE

if TYPE_CHECKING:
    from collections.abc import Callable

    from mulle.catalog import Catalog
    from mulle.pipelines.model import RunResult

    Decode = Callable[[ValueRef], Any]


class MissingMetricError(TuningError):
    """A run ended well and never said what the study asks for."""


def values_of(catalog: Catalog, decode: Decode, result: RunResult, metrics: Sequence[str]) -> list[float]:
    """The run's value of each metric.

    It is what a step logged last under that name, else what a report that a step gave says, else a number that the
    pipeline returns under that name.

    Raises:
        MissingMetricError: the run has no such metric.
        TuningError: a metric is not a number.
    """
    with catalog.read() as tx:
        found: dict[str, Any] = dict(runs.latest_metrics(tx, result.id))
    if not set(metrics) <= set(found):
        found = _reported(catalog, decode, result) | found
    for metric in metrics:
        if metric not in found:
            raise _missing(metric, found, result.id)
        if math.isnan(found[metric]):
            raise TuningError(
                f"the metric '{metric}' is not a number (NaN)",
                cause=f"that is what run {result.id} gave",
                cure=f"mulle runs show {result.id}",
            )
    return [float(found[metric]) for metric in metrics]


def told_on_the_way(catalog: Catalog, run: str, metric: str) -> list[tuple[int, float]]:
    """What a run's steps told of the objective on the way, also those that were adopted from former runs."""
    with catalog.read() as tx:
        logged = runs.latest_metrics(tx, run)
        key = OBJECTIVE if OBJECTIVE in logged else metric
        points = runs.points(tx, run, key) if key in logged else []
    return [(point.step, point.value) for point in points] if len(points) > 1 or key == OBJECTIVE else []


def _reported(catalog: Catalog, decode: Decode, result: RunResult) -> dict[str, Any]:
    """The metrics of the reports that steps gave, and the numbers that the pipeline returned."""
    found: dict[str, Any] = {}
    with catalog.read() as tx:
        steps = journal.steps(tx, result.id)
    for step in steps:
        for output in step.outputs:
            if isinstance(output, Mapping) and output.get("codec") == "report":
                found |= decode(msgspec.convert(output, ValueRef)).metrics
    for name, ref in result.outputs.items():
        if ref.codec == "plain":
            value = decode(ref)
            if isinstance(value, Mapping):
                found |= {key: each for key, each in value.items() if _is_number(each)}
            elif _is_number(value):
                found[name] = value
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _missing(metric: str, found: Mapping[str, Any], run: str) -> MissingMetricError:
    near = difflib.get_close_matches(metric, found, n=1, cutoff=0.5)
    there = f"it has {', '.join(sorted(found)[:8])}" if found else "it logged none, and no step gave a report"
    cause = f"run {run} ended without it: {there}" + (f"; did you mean '{near[0]}'?" if near else "")
    cure = f'log it in a step, mulle.log_metric("{metric}", value), or name another one with --metric'
    return MissingMetricError(f"the metric '{metric}' was never logged", cause=cause, cure=cure)
