"""What answers now, with which model, how is the traffic shared, and what did it say lately?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from mulle.errors import ProjectError
from mulle.web import charts
from mulle.web.formatting import metric_order
from mulle.web.forms import act, fields

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.monitoring.model import MonitorSummary
    from mulle.web.site import Site

RECENT = 25


def routes(site: Site) -> list[Route]:
    """Deployments, one deployment, its newest answers; traffic and rollback."""

    def index(request: Request) -> Response:
        return site.render(request, "deployments.html", deployments=site.ws.deployments.list())

    def show(request: Request) -> Response:
        deployment = site.ws.deployments.show(request.path_params["name"])
        models = {one.number: site.ws.models.show(one.model_ref) for one in deployment.revisions[:RECENT]}
        return site.render(
            request,
            "deployment.html",
            deployment=deployment,
            models=models,
            metrics=metric_order([name for model in models.values() for name in model.metrics])[:2],
            history=site.ws.deployments.history(deployment.name)[:RECENT],
            watches=_watches(site, deployment.name),
            verdicts=site.ws.rollouts.verdicts(deployment.name, limit=5),
            alerts=site.ws.monitors.alerts(deployment.name, limit=5),
        )

    def recent(request: Request) -> Response:
        name = request.path_params["name"]
        revision = request.query_params.get("revision", "")
        answers = site.ws.predictions.list(name, RECENT, int(revision) if revision.isdigit() else None)
        summary = site.ws.predictions.summary(name)
        words = site.words(request)
        instants = [one.at.timestamp() for one in summary.over_time]
        counts = charts.Series(words("answers.answers"), [one.answers for one in summary.over_time])
        p50 = charts.Series("p50", [one.p50 / 1000 for one in summary.over_time])
        p99 = charts.Series("p99", [one.p99 / 1000 for one in summary.over_time])
        return site.render(
            request,
            "answers_part.html",
            name=name,
            answers=answers,
            summary=summary,
            counts=charts.Lines(instants, [counts], time=True, sync="answers"),
            latencies=charts.Lines(instants, [p50, p99], time=True, sync="answers"),
        )

    async def rollback(request: Request) -> Response:
        name = request.path_params["name"]
        form = await fields(request)
        await act(site.ws.deployments.rollback, name, reason=form.get("reason", ""))
        return RedirectResponse(f"/deployments/{name}", status_code=303)

    return [
        Route("/deployments", index),
        Route("/deployments/{name}", show),
        Route("/deployments/{name}/answers", recent),
        Route("/deployments/{name}/rollback", rollback, methods=["POST"]),
    ]


def _watches(site: Site, deployment: str) -> list[MonitorSummary]:
    """What is watched; nothing while the project, which says it, is not there: the page does not wait for that."""
    if isinstance(site.problem(), ProjectError):
        return []
    return [one for one in site.ws.monitors.list() if one.deployment == deployment]
