"""What data is there, how did it grow, what is in a version, and what changed between two?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from mulle.data.lanes import lanes
from mulle.web import charts
from mulle.web.rails import rails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.data.model import Version
    from mulle.web.site import Site

SAMPLE = 12
EXAMPLES = 20
LISTED = 40


def routes(site: Site) -> list[Route]:
    """Datasets, a dataset's history, one version, the difference of two."""

    def index(request: Request) -> Response:
        return site.render(request, "datasets.html", datasets=site.ws.data.list())

    def dataset(request: Request) -> Response:
        name, at = request.path_params["name"], request.query_params.get("at", "")
        every = site.ws.data.log(name)
        versions = site.ws.data.log(f"{name}@{at}") if at else every
        return site.render(
            request,
            "dataset.html",
            name=name,
            at=at,
            head=next(one for one in every if "main" in one.branches),
            branches=[branch for one in every for branch in one.branches],
            tags=[tag for one in every for tag in one.tags],
            versions=versions[:LISTED],
            rails=rails(lanes(versions)[:LISTED]),
            count=len(versions),
            source=site.ws.data.collected(name),
            growth=_growth([one for one in every if one.branch == "main"]),
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
        numbers = [one.number for one in versions]
        b = site.ws.data.show(f"{name}@{request.query_params.get('b', numbers[0])}").version
        a = request.query_params.get("a", b.parent if b.parent in numbers else numbers[-1])
        before = site.ws.data.show(f"{name}@{a}").version.number
        if "profiles" in request.query_params:
            for one in (f"{name}@{before}", b.ref):
                site.ws.data.profile(one)
        diff = site.ws.data.diff(f"{name}@{before}", b.ref, examples=EXAMPLES)
        return site.render(
            request,
            "diff.html",
            name=name,
            diff=diff,
            cells=list(dict.fromkeys(column for row in diff.rows.examples.changed for column in row.cells)),
            before=before,
            after=b.number,
            versions=versions,
        )

    return [
        Route("/datasets", index),
        Route("/datasets/{name}", dataset),
        Route("/datasets/{name}/diff", difference),
        Route("/datasets/{name}/{version:int}/profile", profile),
        Route("/datasets/{name}/{version:path}", version),
    ]


def _growth(versions: Sequence[Version]) -> charts.Lines | None:
    """Rows over what the data itself says is time; over the number of the version where it does not say.

    Of a tree of files, its size in millions of bytes.
    """
    oldest_first = versions[::-1]
    if len(oldest_first) < 2:  # noqa: PLR2004
        return None
    if all(version.watermark for version in oldest_first):
        rows = [(version.watermark, float(version.rows)) for version in oldest_first if version.watermark]
        return charts.over_time({"rows": rows})
    numbers = [float(version.number) for version in oldest_first]
    if oldest_first[0].kind == "files":
        return charts.Lines(numbers, [charts.Series("MB", [version.bytes / 1e6 for version in oldest_first])])
    return charts.Lines(numbers, [charts.Series("rows", [float(version.rows) for version in oldest_first])])
