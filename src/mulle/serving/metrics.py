"""Counters of the workers as Prometheus reads them: plain numbers in the workers, text only when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulle.serving.plane import DataPlane

_HELP = {
    "mulle_predictions_total": "Answers given, by deployment, revision and role.",
    "mulle_prediction_failures_total": "Rows that a model failed on.",
    "mulle_predictions_unlogged_total": "Batches of answers that could not be logged.",
    "mulle_prediction_seconds_total": "Seconds from the arrival of rows to their answers, summed over rows.",
}


def counters(plane: DataPlane) -> dict[str, float]:
    """What a worker has counted since it started, by metric and labels."""
    found = {
        f'mulle_predictions_total{{deployment="{name}",revision="{number}",role="{role}"}}': float(count)
        for (name, number, role), count in plane.answered.items()
    }
    found["mulle_prediction_failures_total"] = float(plane.failed)
    found["mulle_predictions_unlogged_total"] = float(plane.unlogged)
    found["mulle_prediction_seconds_total"] = plane.seconds
    return found


def added(many: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The sum of several workers' counters."""
    found: dict[str, float] = {}
    for one in many:
        for name, value in one.items():
            found[name] = found.get(name, 0.0) + value
    return found


def text(values: Mapping[str, float]) -> str:
    """Counters in Prometheus' text format."""
    lines = []
    for metric, told in _HELP.items():
        lines += [f"# HELP {metric} {told}", f"# TYPE {metric} counter"]
        lines += [f"{name} {value:.10g}" for name, value in sorted(values.items()) if name.split("{")[0] == metric]
    return "\n".join(lines) + "\n"
