"""What data is there, how did it grow, what is in a version, and what changed between two?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from mulle.web import charts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.data.model import Version
    from mulle.web.site import Site

SAMPLE = 12
LISTED = 40


def routes(site: Site) -> list[Route]:
    """Datasets, a dataset's history, one version, the difference of two."""

    def index(request: Request) -> Response:
        return site.render(request, "datasets.html", datasets=site.ws.data.list())

    def dataset(request: Request) -> Response:
        name = request.path_params["name"]
        versions = site.ws.data.log(name)
        return site.render(
            request,
            "dataset.html",
            name=name,
            versions=versions[:LISTED],
            count=len(versions),
            growth=_growth(versions),
        )

    def version(request: Request) -> Response:
        ref = f"{request.path_params['name']}@{request.path_params['version']}"
        detail = site.ws.data.show(ref)
        if str(detail.version.number) != request.path_params["version"]:
            return RedirectResponse(f"/datasets/{detail.version.dataset}/{detail.version.number}")
        sample = site.ws.data.rows(detail.version.ref, SAMPLE) if detail.version.kind == "table" else None
        impact = site.ws.lineage.impact(f"dataset:{detail.version.ref}")
        return site.render(
            request,
            "dataset_version.html",
            detail=detail,
            version=detail.version,
            sample=sample,
            drawing=site.drawing(request, impact),
        )

    def profile(request: Request) -> Response:
        ref = f"{request.path_params['name']}@{request.path_params['version']}"
        return site.render(request, "profile_part.html", summary=site.ws.data.profile(ref))

    def difference(request: Request) -> Response:
        name = request.path_params["name"]
        versions = site.ws.data.log(name)
        newest = versions[0].number
        after = request.query_params.get("b", str(newest))
        before = request.query_params.get("a", str(max(1, newest - 1)))
        diff = site.ws.data.diff(f"{name}@{before}", f"{name}@{after}")
        return site.render(request, "diff.html", name=name, diff=diff, before=before, after=after, versions=versions)

    return [
        Route("/datasets", index),
        Route("/datasets/{name}", dataset),
        Route("/datasets/{name}/diff", difference),
        Route("/datasets/{name}/{version}", version),
        Route("/datasets/{name}/{version}/profile", profile),
    ]


def _growth(versions: Sequence[Version]) -> charts.Lines | None:
    """Rows over what the data itself says is time; over the number of the version where it does not say."""
    oldest_first = versions[::-1]
    if len(oldest_first) < 2:  # noqa: PLR2004
        return None
    if all(version.watermark for version in oldest_first):
        rows = [(version.watermark, float(version.rows)) for version in oldest_first if version.watermark]
        return charts.over_time({"rows": rows})
    numbers = [float(version.number) for version in oldest_first]
    return charts.Lines(numbers, [charts.Series("rows", [float(version.rows) for version in oldest_first])])
