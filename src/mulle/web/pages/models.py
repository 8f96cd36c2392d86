"""Which models are there, how good are they, where do they come from, and where do they answer?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from mulle.web import charts
from mulle.web.formatting import metric_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.registry.model import ModelVersion
    from mulle.web.site import Site

LESS_IS_BETTER = frozenset({"log_loss", "brier", "rmse", "mae", "ece"})


def routes(site: Site) -> list[Route]:
    """Models, a model's versions, one version with its lineage both ways."""

    def index(request: Request) -> Response:
        return site.render(request, "models.html", models=site.ws.models.list())

    def model(request: Request) -> Response:
        name = request.path_params["name"]
        versions = site.ws.models.versions(name)
        names = _metrics(versions)
        return site.render(
            request,
            "model.html",
            name=name,
            versions=versions,
            metrics=names,
            best={metric: _best(metric, versions) for metric in names},
            history=_history(names[0], versions) if names else None,
            history_metric=names[0] if names else "",
        )

    def version(request: Request) -> Response:
        ref = f"{request.path_params['name']}@{request.path_params['version']}"
        shown = site.ws.models.show(ref)
        if str(shown.number) != request.path_params["version"]:
            return RedirectResponse(f"/models/{shown.name}/{shown.number}")
        versions = site.ws.models.versions(shown.name)
        champion = next((other for other in versions if "champion" in other.aliases), None)
        against = champion if champion and champion.number != shown.number else _before(versions, shown.number)
        return site.render(
            request,
            "model_version.html",
            version=shown,
            comparison=site.ws.models.compare(against.ref, shown.ref) if against else None,
            against=against,
            drawing=site.drawing(
                request,
                site.ws.lineage.why(f"model:{shown.ref}"),
                site.ws.lineage.impact(f"model:{shown.ref}"),
            ),
        )

    return [
        Route("/models", index),
        Route("/models/{name}", model),
        Route("/models/{name}/{version}", version),
    ]


def _metrics(versions: Sequence[ModelVersion]) -> list[str]:
    names: dict[str, None] = {}
    for version in versions:
        names.update(dict.fromkeys(version.metrics))
    return metric_order(list(names))[:6]


def _best(metric: str, versions: Sequence[ModelVersion]) -> float | None:
    """The best value of a metric, where there is more than one to choose from."""
    values = [version.metrics[metric] for version in versions if metric in version.metrics]
    if len(values) < 2:  # noqa: PLR2004
        return None
    return min(values) if metric in LESS_IS_BETTER else max(values)


def _history(metric: str, versions: Sequence[ModelVersion]) -> charts.Lines | None:
    """A metric over the versions, with the champion marked."""
    known = [version for version in reversed(versions) if metric in version.metrics]
    if len(known) < 2:  # noqa: PLR2004
        return None
    marks = [charts.Mark(version.number, "champion", "ok") for version in known if "champion" in version.aliases]
    values = charts.Series(metric, [version.metrics[metric] for version in known], points=True)
    return charts.Lines([version.number for version in known], [values], marks=marks)


def _before(versions: Sequence[ModelVersion], number: int) -> ModelVersion | None:
    return next((version for version in versions if version.number == number - 1), None)
