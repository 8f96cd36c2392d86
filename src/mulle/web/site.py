"""What all pages share: the workspace's services, the templates, the language, and how a page is made."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import jinja2
import msgspec
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from mulle.errors import MulleError
from mulle.web import assets, formatting, graphs, links
from mulle.web.language import LANGUAGES, Words, choose
from mulle.workspace import standing

if TYPE_CHECKING:
    from starlette.requests import Request

    from mulle.catalog.lineage import Graph
    from mulle.client.planes import Planes

# plots place their canvases by style attributes, hence the one exception
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
NAVIGATION = (
    ("home", "/", "h"),
    ("runs", "/runs", "r"),
    ("pipelines", "/pipelines", "p"),
    ("datasets", "/datasets", "s"),
    ("models", "/models", "m"),
    ("deployments", "/deployments", "e"),
    ("timeline", "/timeline", "t"),
    ("backtests", "/backtests", "b"),
    ("studies", "/studies", "o"),
    ("resources", "/resources", "u"),
    ("audit", "/audit", "a"),
)

_OF_THE_PROJECT = {
    standing.IMPORTING: "project.importing",
    standing.CHANGED: "project.changed",
    standing.FORMER_GOES_ON: "project.former_goes_on",
    standing.ENDED: "project.ended",
    standing.TURN_FAILED: "project.turn_failed",
}


class Site:
    """The workspace as pages: `site.ws` has its services, `render` makes a page of a template."""

    def __init__(
        self, workspace: Any, *, language: str = "en", problem: Callable[[], MulleError | None] = lambda: None
    ) -> None:
        self.ws = cast("Planes", workspace)
        self.language = language
        self.problem = problem
        self._templates = _templates()

    def words(self, request: Request) -> Words:
        """The messages in the language that the request asks for."""
        return Words(choose(request, self.language))

    def drawing(self, request: Request, *walks: Graph) -> graphs.Drawing:
        """Walks through the lineage as the page draws them, step runs under the names of their steps."""
        runs = {node.name.partition(":")[2] for walk in walks for node in walk.nodes if node.kind == "run"}
        titles: dict[str, str] = {}
        for run in runs:
            for step in self.ws.runs.steps(run):
                titles[f"step_run:{step.id}"] = titles[f"step_run:{step.origin}"] = step.name
        return graphs.lineage(self.words(request), titles, *walks)

    def render(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page, in the language and theme that the request asks for."""
        language = choose(request, self.language)
        words = Words(language)
        theme = request.cookies.get("theme", "auto")
        html = self._templates.get_template(template).render(
            t=words,
            request=request,
            path=request.url.path,
            here=str(request.url.include_query_params()),
            language=language,
            languages=LANGUAGES,
            theme=theme if theme in {"auto", "light", "dark"} else "auto",
            navigation=NAVIGATION,
            missing=assets.missing(),
            project=_in_words(self.problem(), words),
            partial=request.headers.get("hx-request") == "true" and request.headers.get("hx-boosted") != "true",
            **values,
        )
        response = HTMLResponse(html, status, HEADERS | {"vary": "cookie, accept-language, hx-request"})
        if request.query_params.get("lang") in LANGUAGES:
            response.set_cookie("lang", language, max_age=31_536_000, samesite="lax")
        return response


def _in_words(problem: MulleError | None, words: Words) -> MulleError | None:
    """What is wrong with the project, as far as it is said in fixed words in the reader's; errors stay as they are."""
    if problem is None:
        return None
    known = {said: words(key) for said, key in _OF_THE_PROJECT.items()}
    head, colon, rest = problem.message.partition(": ")
    message = f"{known.get(head, head)}{colon}{rest}"
    return MulleError(message, cause=known.get(problem.cause or "", problem.cause), cure=problem.cure)


def data(value: Any) -> Markup:
    """A value as a JSON data block, which cannot end its script element early."""
    text = msgspec.json.encode(value).decode().replace("</", "<\\/").replace("<!--", "<\\!--")
    return Markup('<script type="application/json">{}</script>').format(Markup(text))  # noqa: S704 - escaped above


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mulle.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "instant": formatting.instant,
        "seconds": formatting.seconds,
        "size": formatting.size,
        "number": formatting.number,
        "percent": formatting.percent,
        "short": formatting.short,
        "tone": formatting.tone,
        "signed": formatting.signed,
        "cell": formatting.cell,
        "tidy": formatting.tidy,
        "brief": formatting.brief,
        "pretty": formatting.pretty,
        "reference": links.reference,
        "metric_order": formatting.metric_order,
        "data": data,
    }
    environment.filters.update(filters)
    environment.globals.update(load=assets.load, page_of=links.page_of)
    return environment
