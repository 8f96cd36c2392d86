"""What ran, how did it go, and how is what runs now going?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.routing import Route

from mulle.web import charts, graphs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.tracking.model import Point, Run
    from mulle.web.site import Site

LISTED = 100
LINES = 2000
BEAT = 1.0


def routes(site: Site) -> list[Route]:
    """Runs, one run with its live curves, the log of a step."""

    def index(request: Request) -> Response:
        pipeline = request.query_params.get("pipeline") or None
        runs = site.ws.runs.list(LISTED, pipeline)
        names = sorted({run.pipeline for run in runs if run.pipeline})
        running = any(run.status == "running" for run in runs)
        return site.render(
            request, "runs.html", runs=runs, names=names, chosen=pipeline, running=running, keys=_keys(runs)
        )

    def show(request: Request) -> Response:
        run = site.ws.runs.show(request.path_params["id"])
        steps = site.ws.runs.steps(run.id) if run.kind == "pipeline" else ()
        drawing = graphs.steps(site.words(request), site.ws.runs.graph(run.id)) if steps else None
        curves = {key: curve(site.ws.runs.metrics(run.id, key)) for key in run.metrics}
        return site.render(
            request,
            "run.html",
            run=run,
            steps=steps,
            drawing=drawing,
            longest=max([step.seconds for step in steps], default=0.0),
            curves={key: lines for key, lines in curves.items() if lines is not None},
            artifacts=site.ws.runs.artifacts(run.id),
        )

    def log(request: Request) -> Response:
        lines = list(site.ws.runs.logs(request.path_params["step_run"]))
        return site.render(request, "log_part.html", lines=lines[-LINES:], cut=max(0, len(lines) - LINES))

    async def live(request: Request) -> Response:
        return StreamingResponse(_beats(site, request.path_params["id"]), media_type="text/event-stream")

    return [
        Route("/runs", index),
        Route("/runs/{id}", show),
        Route("/runs/{id}/live", live),
        Route("/runs/{id}/logs/{step_run}", log),
    ]


def curve(points: Sequence[Point]) -> charts.Lines | None:
    """A metric over its steps; nothing for a single value, which a table says better."""
    if len(points) < 2:  # noqa: PLR2004
        return None
    return charts.Lines([point.step for point in points], [charts.Series("", [point.value for point in points])])


def _keys(runs: Sequence[Run]) -> list[str]:
    """The metrics worth a column: those that most of the runs have."""
    counts: dict[str, int] = {}
    for run in runs:
        for key in run.metrics:
            counts[key] = counts.get(key, 0) + 1
    return sorted(counts, key=lambda key: -counts[key])[:3]


async def _beats(site: Site, run_id: str) -> AsyncIterator[bytes]:
    """Server-sent events while a run runs: its curves where they grew, and a word when a step changed."""
    known: dict[str, int] = {}
    states: list[str] | None = None
    while True:
        run, grown, now = await run_in_threadpool(_look, site, run_id, known)
        if grown:
            yield _event("points", grown)
        if states is not None and states != now:
            yield _event("changed", now)
        states = now
        if run.status != "running":
            yield _event("end", run.status)
            return
        await asyncio.sleep(BEAT)


def _look(site: Site, run_id: str, known: dict[str, int]) -> tuple[Any, dict[str, Any], list[str]]:
    run = site.ws.runs.show(run_id)
    grown: dict[str, Any] = {}
    for key in run.metrics:
        points = site.ws.runs.metrics(run_id, key)
        if len(points) != known.get(key):
            known[key] = len(points)
            grown[key] = {"x": [point.step for point in points], "values": [point.value for point in points]}
    return run, grown, [step.status for step in site.ws.runs.steps(run_id)]


def _event(name: str, data: Any) -> bytes:
    return f"event: {name}\ndata: {msgspec.json.encode(data).decode()}\n\n".encode()
