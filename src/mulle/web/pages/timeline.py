"""What happened to a deployment, on one axis of time: quality, alerts, triggers, gates and promotions?"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.routing import Route

from mulle.web import charts
from mulle.web.formatting import DESCRIBING, metric_order

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.predictions.model import QualityPoint
    from mulle.web.language import Words
    from mulle.web.site import Site

LIMIT = 500


class Happening(msgspec.Struct, frozen=True):
    """Something that happened: in which lane, what to say, in which tone, and where to read more."""

    at: datetime
    lane: str
    text: str
    tone: str
    href: str
    word: str


def routes(site: Site) -> list[Route]:
    """The timeline of one deployment; the curves come after the page, for they read many predictions."""

    def index(request: Request) -> Response:
        names = [one.name for one in site.ws.deployments.list()]
        chosen = request.query_params.get("deployment") or (names[0] if names else "")
        found = happenings(site, chosen, site.words(request)) if chosen else []
        return site.render(request, "timeline.html", names=names, chosen=chosen, happenings=found[:LIMIT])

    def curves(request: Request) -> Response:
        words, chosen = site.words(request), request.query_params.get("deployment", "")
        every = request.query_params.get("every", "7d")
        points = site.ws.predictions.quality(chosen, every)
        found = happenings(site, chosen, words)
        metrics = _metrics(points)
        metric = request.query_params.get("metric") or (metrics[0] if metrics else "")
        instants = [point.at.timestamp() for point in points] + [one.at.timestamp() for one in found]
        span = (min(instants), max(instants) + 1) if instants else None
        return site.render(
            request,
            "timeline_part.html",
            chosen=chosen,
            every=every,
            metrics=metrics,
            metric=metric,
            quality=_quality(points, metric, found, span),
            labels=_labels(points, words, span),
            scores=_scores(site, chosen, found, words, span),
            lanes=_lanes(found, words, span),
        )

    return [Route("/timeline", index), Route("/timeline/curves", curves)]


def happenings(site: Site, deployment: str, words: Words) -> list[Happening]:
    """All that happened around a deployment, the newest first."""
    ws, page = site.ws, f"/deployments/{deployment}"
    found = [
        *(
            Happening(one.at, "alerts", one.text, "bad", page, words.maybe("watch", one.watch))
            for one in ws.monitors.alerts(deployment, limit=LIMIT)
        ),
        *(_firing(one, words) for one in ws.triggers.history(limit=LIMIT)),
        *(_verdict(one, words) for one in ws.rollouts.verdicts(deployment, limit=LIMIT)),
        *(moved for one in ws.rollouts.list(deployment, limit=LIMIT) for moved in _rollout(one, words)),
        *(_traffic(one, deployment, words) for one in ws.deployments.history(deployment)),
    ]
    return sorted(found, key=lambda one: one.at, reverse=True)


def _firing(one: Any, words: Words) -> Happening:
    text = f"{one.pipeline}: {'; '.join(reason.text for reason in one.evidence)}"
    tone = {"failed": "bad", "pending": "live"}.get(one.status, "")
    return Happening(one.at, "triggers", text, tone, f"/runs/{one.run}" if one.run else "", words("lane.trigger"))


def _verdict(one: Any, words: Words) -> Happening:
    text = f"{one.model}@{one.version}: {one.reason}"
    word = words("lane.passed" if one.passed else "lane.refused")
    return Happening(one.at, "gates", text, "ok" if one.passed else "bad", f"/models/{one.model}/{one.version}", word)


def _rollout(one: Any, words: Words) -> list[Happening]:
    page = f"/models/{one.model}/{one.version}"
    started = Happening(one.started, "rollouts", f"{one.ref}", "live", page, words("lane.rollout"))
    if one.ended is None:
        return [started]
    tone = {"done": "ok", "rolled_back": "bad"}.get(one.status, "")
    text = f"{one.ref}: {one.reason}" if one.reason else one.ref
    return [started, Happening(one.ended, "rollouts", text, tone, page, words.maybe("status", one.status))]


def _traffic(one: Any, deployment: str, words: Words) -> Happening:
    shares = " · ".join(f"r{revision} {weight:g} %" for revision, weight in one.weights.items())
    shadows = "".join(f" · r{revision} {words('status.shadow')}" for revision in one.shadow)
    word = words("status.rolled_back" if one.restores else "lane.traffic")
    return Happening(
        one.at, "traffic", shares + shadows, "warn" if one.restores else "", f"/deployments/{deployment}", word
    )


def _metrics(points: list[QualityPoint]) -> list[str]:
    names = metric_order([name for point in points for name in point.metrics])
    return [name for name in names if name not in DESCRIBING]


def _quality(
    points: list[QualityPoint], metric: str, found: list[Happening], span: tuple[float, float] | None
) -> charts.Lines | None:
    if not points:
        return None
    marks = [
        charts.Mark(one.at.timestamp(), f"{one.word}: {one.text}", one.tone)
        for one in found
        if one.lane == "alerts" or (one.lane == "rollouts" and one.tone in {"ok", "bad"})
    ]
    values = charts.Series(metric, [point.metrics.get(metric) for point in points], points=True)
    return charts.Lines(
        [point.at.timestamp() for point in points], [values], time=True, marks=marks, sync="timeline", range=span
    )


def _labels(points: list[QualityPoint], words: Words, span: tuple[float, float] | None) -> charts.Lines | None:
    if not points:
        return None
    series = [charts.Series(words("timeline.labels"), [point.labels for point in points], colour=7)]
    return charts.Lines([point.at.timestamp() for point in points], series, time=True, sync="timeline", range=span)


def _scores(
    site: Site, deployment: str, found: list[Happening], words: Words, span: tuple[float, float] | None
) -> charts.Lines | None:
    """The mean score over time: it moves when the inputs drift, long before any label comes."""
    if span is None:
        return None
    days = max(7, round((span[1] - span[0]) / 86400) + 1)
    counted = [one for one in site.ws.predictions.summary(deployment, f"{days}d").over_time if one.score is not None]
    if not counted:
        return None
    marks = [charts.Mark(one.at.timestamp(), one.text, "bad") for one in found if one.lane == "alerts"]
    series = [charts.Series(words("timeline.score"), [one.score for one in counted], colour=3)]
    return charts.Lines(
        [one.at.timestamp() for one in counted], series, time=True, marks=marks, sync="timeline", range=span
    )


def _lanes(found: list[Happening], words: Words, span: tuple[float, float] | None) -> charts.Lanes | None:
    names = [
        name
        for name in ("alerts", "triggers", "gates", "rollouts", "traffic")
        if any(one.lane == name for one in found)
    ]
    if not names:
        return None
    events = [
        charts.Event(one.at.timestamp(), names.index(one.lane), f"{one.word}: {one.text}", one.tone) for one in found
    ]
    return charts.Lanes([words(f"lane.{name}") for name in names], events, sync="timeline", range=span)
