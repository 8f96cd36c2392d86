"""Why did somebody get this answer? From the answer back to the rows that taught the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from mulle.catalog.lineage import Graph
from mulle.errors import UnknownNameError
from mulle.web.forms import act, fields

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.catalog.lineage import Node
    from mulle.web.site import Site

ORDER = ("prediction", "revision", "model_version", "run", "step_run", "dataset_version", "object")


def routes(site: Site) -> list[Route]:
    """One prediction and its why; the lineage of anything; a label given by a person."""

    def show(request: Request) -> Response:
        prediction = site.ws.predictions.show(request.path_params["id"])
        graph = site.ws.lineage.why(f"prediction:{prediction.id}")
        drawing = site.drawing(request, graph)
        return site.render(
            request,
            "prediction.html",
            prediction=prediction,
            drawing=drawing,
            chain=_chain(graph),
            titles={box.id: box.label for box in drawing.nodes},
        )

    async def feedback(request: Request) -> Response:
        given = (await fields(request)).get("label", "").strip()
        await act(site.ws.predictions.feedback, request.path_params["id"], _value(given))
        return RedirectResponse(f"/predictions/{request.path_params['id']}", status_code=303)

    def lineage(request: Request) -> Response:
        subject = request.path_params["subject"]
        impact = site.ws.lineage.impact(subject)
        why = _why(site, impact)
        nodes = {node.name: node for node in (*why.nodes, *impact.nodes)}
        return site.render(
            request,
            "lineage.html",
            subject=subject,
            node=nodes[why.subject],
            drawing=site.drawing(request, why, impact),
            up=len(why.nodes) - 1,
            down=len(impact.nodes) - 1,
        )

    return [
        Route("/predictions/{id}", show),
        Route("/predictions/{id}/feedback", feedback, methods=["POST"]),
        Route("/lineage/{subject:path}", lineage),
    ]


def _why(site: Site, impact: Graph) -> Graph:
    """What the subject came from; nothing, for raw rows that are known by what contains them only."""
    try:
        return site.ws.lineage.why(impact.subject)
    except UnknownNameError:
        if len(impact.nodes) < 2:  # noqa: PLR2004 - the subject alone
            raise
        return Graph(impact.subject, impact.nodes[:1], [])


def _chain(graph: Graph) -> list[tuple[str, list[Node]]]:
    """The kinds on the way from the answer to the rows, each with its things."""
    return [(kind, found) for kind in ORDER if (found := [node for node in graph.nodes if node.kind == kind])]


def _value(text: str) -> bool | float | str:
    """What was typed as the value it looks like."""
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text
