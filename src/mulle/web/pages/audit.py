"""Who did what, when, why and because of what; and does the record still verify?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from mulle.errors import LedgerError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.web.site import Site

PAGE = 200


def routes(site: Site) -> list[Route]:
    """The ledger, and its verification."""

    def index(request: Request) -> Response:
        asked = {name: request.query_params.get(name, "").strip() for name in ("subject", "since", "actor", "verb")}
        found = site.ws.audit.log(asked["subject"], asked["since"], PAGE)
        events = [
            event
            for event in found
            if asked["actor"] in event.actor and (not asked["verb"] or event.verb.startswith(asked["verb"]))
        ]
        return site.render(request, "audit.html", events=events, asked=asked, limit=PAGE)

    def verify(request: Request) -> Response:
        try:
            return site.render(request, "audit_verified.html", verified=site.ws.audit.verify(), broken=None)
        except LedgerError as error:
            return site.render(request, "audit_verified.html", verified=None, broken=error)

    return [Route("/audit", index), Route("/audit/verify", verify)]
