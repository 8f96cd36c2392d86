"""What needs me now? And where does everything stand?"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from mulle.web.forms import act, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.monitoring.model import Alert
    from mulle.tracking.model import Run
    from mulle.web.site import Site

RECENT = 8
FOUND = 12
OPEN = 500


def routes(site: Site) -> list[Route]:
    """Home, the acknowledgement of alerts, and the search over names."""

    def home(request: Request) -> Response:
        deployments = site.ws.deployments.list()
        runs = site.ws.runs.list(RECENT)
        return site.render(
            request,
            "home.html",
            alerts=_latest(site.ws.monitors.alerts(open_only=True, limit=OPEN)),
            failed=_failed(runs),
            running=[run for run in runs if run.status == "running"],
            rolling=[one for one in deployments if one.active and not (one.traffic.stable and not one.traffic.shadow)],
            down=[one for one in deployments if one.endpoint is not None and one.endpoint.error],
            deployments=deployments,
            runs=runs,
            datasets=site.ws.data.list(),
            models=site.ws.models.list(),
            events=list(site.ws.audit.log(limit=RECENT)),
        )

    async def acknowledge(request: Request) -> Response:
        form = await fields(request)
        await act(site.ws.monitors.acknowledge, request.path_params["id"], reason=form.get("reason", ""), earlier=True)
        return RedirectResponse("/", status_code=303)

    def search(request: Request) -> Response:
        asked = request.query_params.get("q", "").strip()
        return site.render(request, "search_part.html", asked=asked, found=_search(site, asked) if asked else [])

    return [
        Route("/", home),
        Route("/alerts/{id}/acknowledge", acknowledge, methods=["POST"]),
        Route("/search", search),
    ]


def _latest(alerts: Sequence[Alert]) -> list[tuple[Alert, int]]:
    """The newest open alert of each watch, with how many of that watch are open."""
    count = Counter((one.deployment, one.watch) for one in alerts)
    newest: dict[tuple[str, str], Alert] = {}
    for one in alerts:
        newest.setdefault((one.deployment, one.watch), one)
    return [(one, count[key]) for key, one in newest.items()]


def _failed(runs: Sequence[Run]) -> list[Run]:
    """The newest run of each pipeline, where it failed not long before the newest of all: others are history."""
    if not runs:
        return []
    newest: dict[str, Run] = {}
    for run in runs:
        newest.setdefault(run.pipeline or run.id, run)
    since = runs[0].created - timedelta(days=2)
    return [run for run in newest.values() if run.status == "failed" and run.created >= since]


def _search(site: Site, asked: str) -> list[tuple[str, str, str]]:
    """What is called like that: kind, name and address; an id or a lineage name leads straight to its thing."""
    ws, words = site.ws, asked.lower()
    named: list[tuple[str, str, str]] = [
        *(("dataset", one.name, f"/datasets/{one.name}") for one in ws.data.list()),
        *(("model", one.name, f"/models/{one.name}") for one in ws.models.list()),
        *(("deployment", one.name, f"/deployments/{one.name}") for one in ws.deployments.list()),
        *(("run", f"{run.pipeline or run.experiment} {run.id}", f"/runs/{run.id}") for run in ws.runs.list(200)),
    ]
    found = [one for one in named if words in one[1].lower()]
    found.sort(key=lambda one: (not one[1].lower().startswith(words), one[1]))
    return found[:FOUND] or _direct(asked)


def _direct(asked: str) -> list[tuple[str, str, str]]:
    if ":" in asked:
        return [("lineage", asked, f"/lineage/{asked}")]
    if len(asked) == 36:  # noqa: PLR2004 - a UUID that is no run's
        return [("prediction", asked, f"/predictions/{asked}")]
    return []
