"""Which steps does a pipeline have, how do they hang together, and how did each go last time?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from mulle.errors import unknown
from mulle.web import charts, graphs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.tracking.model import Run
    from mulle.web.site import Site

LISTED = 200
DRAWN = 40


def routes(site: Site) -> list[Route]:
    """Pipelines, and one pipeline's graph."""

    def index(request: Request) -> Response:
        return site.render(request, "pipelines.html", pipelines=_by_pipeline(site.ws.runs.list(LISTED)))

    def show(request: Request) -> Response:
        name = request.path_params["name"]
        runs = site.ws.runs.list(DRAWN, name)
        if not runs:
            known = _by_pipeline(site.ws.runs.list(LISTED))
            raise unknown("pipeline", name, known, cure=f"mulle run {name}")
        drawing = graphs.steps(site.words(request), site.ws.runs.graph(runs[0].id))
        return site.render(request, "pipeline.html", name=name, runs=runs, drawing=drawing, durations=_durations(runs))

    return [Route("/pipelines", index), Route("/pipelines/{name}", show)]


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
