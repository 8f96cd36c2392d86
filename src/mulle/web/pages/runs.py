"""What ran, how did it go, and how is what runs now going?"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.routing import Route

from mulle.errors import UnknownNameError
from mulle.web import charts, graphs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.pipelines.model import StepRun
    from mulle.resources.model import Cost
    from mulle.tracking.model import Point, Run
    from mulle.web.site import Site

LISTED = 100
LINES = 2000
BEAT = 1.0
LOG_BEAT = 0.25
LOG_SILENCE = 10.0
USES = 24
"""So many steps' use of the machine is drawn on a page."""


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
            cost=_cost(site, run),
            steps=steps,
            drawing=drawing,
            uses=dict(islice(((step.name, uses(step)) for step in steps if len(step.samples) > 1), USES)),
            longest=max([step.seconds for step in steps], default=0.0),
            curves={key: lines for key, lines in curves.items() if lines is not None},
            artifacts=site.ws.runs.artifacts(run.id),
        )

    def log(request: Request) -> Response:
        step_run = request.path_params["step_run"]
        lines = deque(site.ws.runs.logs(step_run), maxlen=LINES)
        last = lines[-1].number if lines else 0
        running = site.ws.runs.show(request.path_params["id"]).status == "running"
        follow = f"/runs/{request.path_params['id']}/logs/{step_run}/live?after={last}" if running else ""
        return site.render(
            request, "log_part.html", lines=lines, cut=last - len(lines), follow=follow, step_run=step_run
        )

    async def follow(request: Request) -> Response:
        after = int(request.query_params.get("after") or 0)
        lines = await run_in_threadpool(site.ws.runs.logs, request.path_params["step_run"], True)
        return StreamingResponse(_lines(lines, after), media_type="text/event-stream")

    async def live(request: Request) -> Response:
        return StreamingResponse(_beats(site, request.path_params["id"]), media_type="text/event-stream")

    return [
        Route("/runs", index),
        Route("/runs/{id}", show),
        Route("/runs/{id}/live", live),
        Route("/runs/{id}/logs/{step_run}", log),
        Route("/runs/{id}/logs/{step_run}/live", follow),
    ]


def curve(points: Sequence[Point]) -> charts.Lines | None:
    """A metric over its steps; nothing for a single value, which a table says better."""
    if len(points) < 2:  # noqa: PLR2004
        return None
    return charts.Lines([point.step for point in points], [charts.Series("", [point.value for point in points])])


def uses(step: StepRun) -> dict[str, charts.Lines]:
    """What a step used over time, by the message that names it: graphics processors only where there are any."""
    at = [sample.at for sample in step.samples]
    found = {
        "run.uses.cores": [sample.cores for sample in step.samples],
        "run.uses.memory": [sample.memory / 1e6 for sample in step.samples],
    }
    if any(sample.gpus is not None for sample in step.samples):
        found["run.uses.gpus"] = [sample.gpus or 0.0 for sample in step.samples]
        found["run.uses.gpu_memory"] = [(sample.gpu_memory or 0) / 1e6 for sample in step.samples]
    return {
        name: charts.Lines(at, [charts.Series("", values)], sync=step.id, range=(0.0, 1.1 * max(*values, 0.1)))
        for name, values in found.items()
    }


def _cost(site: Site, run: Run) -> Cost | None:
    """What the run cost, where there is a price table and it held anything."""
    try:
        found = site.ws.resources.cost(run.id)
    except UnknownNameError:
        return None
    return None if found.note else found


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


async def _lines(lines: Any, after: int) -> AsyncIterator[bytes]:
    """Server-sent events: what a step prints after line `after`, and its end."""
    quiet = 0.0
    while (found := await run_in_threadpool(lines.poll)) is not None:
        texts = [line.text for line in found if line.number > after]
        if texts:
            yield _event("lines", texts)
        quiet = 0.0 if found else quiet + LOG_BEAT
        if quiet > LOG_SILENCE:
            quiet = 0.0
            yield b": nothing new\n\n"
        if not found:
            await asyncio.sleep(LOG_BEAT)
    yield _event("end", "")


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
