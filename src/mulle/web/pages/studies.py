"""Which parameters are good, which matter, and how is what searches now going?"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.routing import Route

from mulle.errors import MulleError
from mulle.tuning.space import text_of
from mulle.web import charts, parallel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.tuning.model import Study, Trial
    from mulle.web.language import Words
    from mulle.web.site import Site

LISTED = 100
SHOWN = 20
DRAWN = 300
CURVES = 8
BEAT = 1.0
_OVER = {"complete", "pruned", "failed"}


def routes(site: Site) -> list[Route]:
    """The studies, one with its leaderboard and plots, and what changes while it runs."""

    def index(request: Request) -> Response:
        studies = site.ws.studies.list(limit=LISTED)
        running = any(study.status == "running" for study in studies)
        return site.render(request, "studies.html", studies=studies, running=running)

    def show(request: Request) -> Response:
        study = site.ws.studies.show(request.path_params["name"])
        trials = site.ws.studies.trials(study.name, limit=DRAWN)
        words = site.words(request)
        return site.render(
            request,
            "study.html",
            study=study,
            trials=trials[:SHOWN],
            total=sum(study.counts.values()),
            names=_names(study, trials),
            goals=list(zip(study.question.directions, study.question.metrics, strict=True)),
            space={name: text_of(domain) for name, domain in study.question.space.items()},
            history=_history(study, trials, words),
            strands=parallel.strands(study, trials),
            curves=_curves(study, trials),
            front=_front(study, trials),
            importance=_columns(study),
            calibration=_calibration(study, words),
        )

    def importance(request: Request) -> Response:
        name = request.path_params["name"]
        try:
            found = site.ws.studies.importance(name)
        except MulleError as error:
            return site.render(request, "study_importance_part.html", found=None, error=error, bars=None)
        bars = charts.Bars(list(found.shares), list(found.shares.values()))
        return site.render(request, "study_importance_part.html", found=found, error=None, bars=bars)

    async def live(request: Request) -> Response:
        return StreamingResponse(_beats(site, request.path_params["name"]), media_type="text/event-stream")

    return [
        Route("/studies", index),
        Route("/studies/{name}", show),
        Route("/studies/{name}/importance", importance),
        Route("/studies/{name}/live", live),
    ]


def _names(study: Study, trials: Sequence[Trial]) -> list[str]:
    """The parameters that the leaderboard has columns for; an AutoML study has those that every recipe has."""
    if study.question.space:
        return list(study.question.space)
    return [name for name in ("learner", "encoding", "trees") if any(name in trial.params for trial in trials)]


def _history(study: Study, trials: Sequence[Trial], words: Words) -> charts.Lines | None:
    """The objective of each complete trial, and the best so far."""
    complete = sorted((trial for trial in trials if trial.status == "complete"), key=lambda trial: trial.number)
    if len(complete) < 2:  # noqa: PLR2004
        return None
    values = [trial.values[0] for trial in complete]
    better = max if study.question.directions[0] == "maximize" else min
    best = [better(values[: place + 1]) for place in range(len(values))]
    series = [
        charts.Series(words("study.best"), best, colour=0),
        charts.Series(study.question.metrics[0], values, colour=1, points=True, line=False),
    ]
    return charts.Lines([trial.number for trial in complete], series)


def _curves(study: Study, trials: Sequence[Trial]) -> charts.Lines | None:
    """What the best trials told on their way; nothing where no trial told more than once."""
    told = [trial for trial in trials if len(trial.reports) > 1][:CURVES]
    if not told or study.question.kind == "automl":
        return None
    steps = sorted({report.step for trial in told for report in trial.reports})
    place = {step: index for index, step in enumerate(steps)}
    series: list[charts.Series] = []
    for trial in told:
        values: list[float | None] = [None] * len(steps)
        for report in trial.reports:
            values[place[report.step]] = report.value if math.isfinite(report.value) else None
        series.append(charts.Series(str(trial.number), values, colour=len(series)))
    return charts.Lines(steps, series)


def _front(study: Study, trials: Sequence[Trial]) -> charts.Scatter | None:
    """Two objectives against each other."""
    complete = [trial for trial in trials if trial.status == "complete" and len(trial.values) > 1][:SHOWN]
    if not complete:
        return None
    points = [charts.Point(str(trial.number), (trial.values[0], trial.values[1]), 0) for trial in complete]
    return charts.Scatter(points, study.question.metrics[0], study.question.metrics[1])


def _columns(study: Study) -> charts.Bars | None:
    """How much an AutoML winner loses without each column."""
    found = [one for one in study.report.get("importance", []) if one["worth"] > 0][:12]
    return charts.Bars([one["column"] for one in found], [one["worth"] for one in found]) if found else None


def _calibration(study: Study, words: Words) -> charts.Lines | None:
    found = study.report.get("calibration", [])
    if len(found) < 2:  # noqa: PLR2004
        return None
    predicted = [one["predicted"] for one in found]
    observed = charts.Series(words("study.observed"), [one["observed"] for one in found], colour=0, points=True)
    return charts.Lines(predicted, [observed, charts.Series(words("study.predicted"), predicted, colour=7, dash=True)])


async def _beats(site: Site, name: str) -> AsyncIterator[bytes]:
    """Server-sent events while somebody works at a study: a word whenever a trial changed."""
    known: Any = None
    while True:
        study, state = await run_in_threadpool(_look, site, name)
        if known is not None and state != known:
            yield _event("changed", study.counts)
        known = state
        if study.status != "running":
            yield _event("end", study.status)
            return
        await asyncio.sleep(BEAT)


def _look(site: Site, name: str) -> tuple[Study, Any]:
    study = site.ws.studies.show(name)
    told = sum(len(trial.reports) for trial in site.ws.studies.trials(name, limit=DRAWN) if trial.status not in _OVER)
    return study, (study.counts, told)


def _event(name: str, data: Any) -> bytes:
    return f"event: {name}\ndata: {msgspec.json.encode(data).decode()}\n\n".encode()
