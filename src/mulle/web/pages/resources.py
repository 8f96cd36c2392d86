"""Who uses what of the machine now, who waits for what and why, and what was asked for in vain?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.resources.model import PoolNow, Queued
    from mulle.web.language import Words
    from mulle.web.site import Site

PAST, WASTED, RUNS = 50, 20, 500
_NAMES = {"cpus": "resources.cpus", "memory": "resources.memory", "gpus": "resources.gpus", "steps": "resources.steps"}


def routes(site: Site) -> list[Route]:
    """The one page of resources."""

    def index(request: Request) -> Response:
        now, words = site.ws.resources.show(), site.words(request)
        return site.render(
            request,
            "resources.html",
            now=now,
            pools=[_meters(pool, words) for pool in now.pools],
            whys={each.step_run: _why(each, words) for each in now.queue},
            past=site.ws.resources.history(PAST),
            waste=site.ws.resources.waste(WASTED),
            runs={run.id for run in site.ws.runs.list(RUNS)},
        )

    return [Route("/resources", index)]


def _meters(pool: PoolNow, words: Words) -> dict[str, Any]:
    """A pool with a meter for each thing that it has: its name, how much is held, how much there is."""
    kinds = [("cpus", pool.cpus_held, pool.cpus), ("memory", pool.memory_held, pool.memory)]
    kinds += [("gpus", pool.gpus_held, pool.gpus)] if pool.gpus else []
    meters = [{"kind": kind, "name": words(_NAMES[kind]), "held": held, "there": there} for kind, held, there in kinds]
    return {"name": pool.name, "meters": meters, "gpus": ", ".join(dict.fromkeys(filter(None, pool.gpu_names)))}


def _why(each: Queued, words: Words) -> str:
    """Why it waits, in the reader's language."""
    lacking = ", ".join(words(_NAMES[kind]) for kind in each.lacking)
    return words(f"resources.why.{each.why}", what=lacking, of=each.of)
