"""Which steps does a pipeline have, how did each go last time, and what would a run do now, and why?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from mulle.errors import MulleError, unknown
from mulle.web import charts, graphs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.pipelines.model import Foreseen
    from mulle.pipelines.parts import Reason
    from mulle.pipelines.pipeline_service import PipelineInfo
    from mulle.tracking.model import Run
    from mulle.web.language import Words
    from mulle.web.site import Site

LISTED = 200
DRAWN = 40
_FEW = 4
_SIMPLE = {"new", "lost", "uncached"}
BACKFILLS = 3


def routes(site: Site) -> list[Route]:
    """Pipelines, and one pipeline's graph."""

    def index(request: Request) -> Response:
        ran = _by_pipeline(site.ws.runs.list(LISTED))
        defined = [one for one in _defined(site) if one.name not in ran]
        return site.render(request, "pipelines.html", pipelines=ran, others=defined)

    def show(request: Request) -> Response:
        name = request.path_params["name"]
        runs = site.ws.runs.list(DRAWN, name)
        info = next((one for one in _defined(site) if one.name == name), None)
        if not runs and info is None:
            known = _by_pipeline(site.ws.runs.list(LISTED))
            raise unknown("pipeline", name, known, cure=f"mulle run {name}")
        drawing = graphs.steps(site.words(request), site.ws.runs.graph(runs[0].id)) if runs else None
        return site.render(
            request,
            "pipeline.html",
            name=name,
            runs=runs,
            info=info,
            drawing=drawing,
            durations=_durations(runs),
            sweep=next(iter(site.ws.pipelines.sweeps(1, name)), None),
            backfills=[site.ws.backfills.show(each.id) for each in site.ws.backfills.list(name, BACKFILLS)],
        )

    def plan(request: Request) -> Response:
        words = site.words(request)
        given = {name: value for name, value in request.query_params.items() if value and name != "lang"}
        forecast = site.ws.pipelines.plan(request.path_params["name"], given)
        steps = [(step, because(words, step)) for step in forecast.steps]
        return site.render(request, "plan_part.html", forecast=forecast, steps=steps)

    return [Route("/pipelines", index), Route("/pipelines/{name}", show), Route("/pipelines/{name}/plan", plan)]


def because(words: Words, step: Foreseen) -> list[str]:
    """Why a step would run, in words; the first few of many reasons."""
    told = [_reason(words, reason) for reason in step.because]
    return told if len(told) <= _FEW else [*told[:_FEW], words("plan.why.more", n=len(told) - _FEW)]


def _reason(words: Words, reason: Reason) -> str:
    if reason.part in _SIMPLE:
        return words(f"plan.why.{reason.part}")
    if reason.part == "upstream":
        return words("plan.why.upstream", name=reason.name)
    part = words(f"plan.part.{reason.part}")
    if not (reason.before and reason.now):
        return words("plan.why.added" if reason.now else "plan.why.gone", part=part, name=reason.name)
    if reason.part in {"code", "environ", "file"}:
        return words("plan.why.changed", part=part, name=reason.name)
    return words("plan.why.values", part=part, name=reason.name, before=reason.before, now=reason.now)


def _defined(site: Site) -> Sequence[PipelineInfo]:
    """The pipelines that the project defines; none while it does not import, which every page says."""
    try:
        return site.ws.pipelines.list()
    except MulleError:
        return ()


def _by_pipeline(runs: Sequence[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        if run.pipeline:
            found.setdefault(run.pipeline, []).append(run)
    return found


def _durations(runs: Sequence[Run]) -> charts.Bars | None:
    """How long the last runs took, the oldest first."""
    ended = [run for run in reversed(runs) if run.ended]
    if len(ended) < 2:  # noqa: PLR2004
        return None
    seconds = [round((run.ended - run.created).total_seconds(), 2) for run in ended if run.ended]
    if not any(seconds):  # in virtual time nothing takes any
        return None
    return charts.Bars([f"{run.created:%m-%d %H:%M}" for run in ended], seconds)
