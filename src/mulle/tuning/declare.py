"""What a project says about its searches: `mulle.study("depth", delay, {"depth": "int(3,12)"}, metric="roc_auc")`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.definitions import define
from mulle.errors import UsageError, unknown
from mulle.stats.evaluation import METRICS
from mulle.tracking.recording import OBJECTIVE
from mulle.tuning.model import Direction
from mulle.tuning.space import Domain, Space, space_of

if TYPE_CHECKING:
    from mulle.pipelines import Pipeline

SAMPLERS = ("tpe", "random", "grid", "cmaes", "nsga2", "nsga3", "qmc", "gp")
PRUNERS = ("asha", "hyperband", "median", "none")
TRIALS = 50
_DOWNWARD = ("loss", "error", "err", "rmse", "mae", "mse", "mape", "deviance", "perplexity", "seconds", "brier", "nll")


class StudyDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A search as it is declared or asked for; what is None is as it was in the study, else the default."""

    name: str = ""
    pipeline: str
    space: Space
    metrics: list[str]
    directions: list[Direction]
    params: dict[str, Any] = {}
    sampler: str | None = None
    pruner: str | None = None
    seed: int | None = None
    trials: int = TRIALS
    timeout: float | None = None
    """Seconds."""
    jobs: int = 1


def study(
    name: str,
    pipeline: Pipeline[..., Any] | str,
    space: Mapping[str, Domain | str],
    *,
    metric: str | Sequence[str] = OBJECTIVE,
    direction: str | Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
    sampler: str | None = None,
    pruner: str | None = None,
    seed: int | None = None,
    trials: int = TRIALS,
    timeout: float | None = None,
    jobs: int = 1,
) -> StudyDefinition:
    """Define a search over the parameters of a pipeline.

    Args:
        name: the study's; a study of that name goes on.
        pipeline: the pipeline, or its name.
        space: a domain for each parameter, as `"log(0.01,0.3)"` or as one of `mulle.tuning`'s.
        metric: what to look at, by the name under which a step logs it or a report has it; several for several
            objectives. By default what the steps tell with `mulle.report`.
        direction: "maximize" or "minimize", one for each metric; where it is left out, known errors and losses are
            minimized, and all else is maximized.
        params: other parameters of the pipeline, the same in all trials.
        sampler: what chooses parameters: "tpe" (the default), "random", "grid", "cmaes", "nsga2", "nsga3", "qmc", "gp".
        pruner: what ends trials early: "asha" (the default), "hyperband", "median", "none".
        seed: of all that is drawn; 0 by default.
        trials: how many trials the study has in the end.
        timeout: seconds after which no trial goes on.
        jobs: how many trials run at once.

    Raises:
        UsageError: a domain, direction, sampler, pruner or number cannot be.
    """
    metrics = [metric] if isinstance(metric, str) else list(metric)
    given = [direction] if isinstance(direction, str) else list(direction or ())
    defined = StudyDefinition(
        name=name,
        pipeline=pipeline if isinstance(pipeline, str) else pipeline.name,
        space=space_of(space),
        metrics=metrics,
        directions=directions_of(metrics, given),
        params=dict(params or {}),
        sampler=_one_of("sampler", sampler, SAMPLERS),
        pruner=_one_of("pruner", pruner, PRUNERS),
        seed=seed,
        trials=_at_least_one("trials", trials),
        timeout=timeout,
        jobs=_at_least_one("jobs", jobs),
    )
    if name:
        define("study", name, defined)
    return defined


def directions_of(metrics: Sequence[str], given: Sequence[str]) -> list[Direction]:
    """One direction for each metric.

    Raises:
        UsageError: there are not as many as metrics, one is none, or a metric is named twice.
    """
    if not metrics or len(set(metrics)) != len(metrics):
        raise UsageError(
            "a study needs metrics, each once", cause=f"{list(metrics)}", cure="mulle tune --metric roc_auc"
        )
    if given and len(given) != len(metrics):
        raise UsageError(
            f"{len(metrics)} metrics and {len(given)} directions",
            cause="each metric has one direction",
            cure="repeat --direction as often as --metric",
        )
    found: list[Direction] = []
    for place, metric in enumerate(metrics):
        word = given[place] if given else direction_of(metric)
        if word not in {"maximize", "minimize"}:
            raise unknown("direction", word, ["maximize", "minimize"], cure="--direction maximize")
        found.append("maximize" if word == "maximize" else "minimize")
    return found


def direction_of(metric: str) -> Direction:
    """Which way a metric is better, as far as its name tells."""
    if metric in METRICS:
        return "maximize" if METRICS[metric].higher_is_better else "minimize"
    words = metric.lower().replace("-", "_").replace(".", "_").replace("/", "_").split("_")
    return "minimize" if any(word in _DOWNWARD for word in words) else "maximize"


def _one_of(what: str, name: str | None, known: Sequence[str]) -> str | None:
    if name is not None and name not in known:
        raise unknown(what, name, known, cure=f"--{what} {known[0]}")
    return name


def _at_least_one(what: str, number: int) -> int:
    if number < 1:
        raise UsageError(f"{number} {what} cannot be", cause="at least one is needed", cure=f"--{what} 1")
    return number
