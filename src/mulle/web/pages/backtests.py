"""Which retraining policy would have been best, and what would it have cost?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from mulle.web import charts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from mulle.delivery.backtest.model import BacktestReport
    from mulle.web.site import Site

LISTED = 100
LESS_IS_BETTER = frozenset({"log_loss", "brier", "rmse", "mae"})
TONES = {
    "done": "ok",
    "passed": "ok",
    "refused": "bad",
    "failed": "bad",
    "roll_back": "bad",
    "alert": "warn",
    "fired": "live",
}


def routes(site: Site) -> list[Route]:
    """The backtests, and one with its policies side by side."""

    def index(request: Request) -> Response:
        return site.render(request, "backtests.html", backtests=site.ws.backtests.list(limit=LISTED))

    def show(request: Request) -> Response:
        report = site.ws.backtests.show(request.path_params["id"])
        main, second = (*report.metrics, "", "")[:2]
        return site.render(
            request,
            "backtest.html",
            report=report,
            rows={"oracle": report.oracle, **report.policies},
            colours={"oracle": 7} | {name: index % 7 for index, name in enumerate(report.policies)},
            metric=main,
            second=second,
            best={
                "mean_auc": _best([one.mean_auc for one in report.policies.values()], main),
                "mean_log_loss": _best([one.mean_log_loss for one in report.policies.values()], second),
                "regret": _best([one.regret for one in report.policies.values()], "log_loss"),
            },
            weekly=_weekly(report, "weekly_auc"),
            weekly_second=_weekly(report, "weekly_log_loss"),
            cost=_cost(report, main, site.words(request)("backtest.cpu")),
            lanes=_lanes(report),
        )

    return [Route("/backtests", index), Route("/backtests/{id}", show)]


def _weekly(report: BacktestReport, field: str) -> charts.Lines:
    """One curve a policy, week by week; the oracle is dashed."""
    policies = list(report.policies.items())
    lines = [charts.Series("oracle", getattr(report.oracle, field), colour=7, dash=True)]
    lines += [charts.Series(name, getattr(one, field), colour=index % 7) for index, (name, one) in enumerate(policies)]
    instants = [week.timestamp() for week in report.weeks]
    return charts.Lines(instants, lines, time=True, sync="timeline", range=_span(report.weeks))


def _span(weeks: Sequence[datetime]) -> tuple[float, float] | None:
    return (weeks[0].timestamp(), weeks[-1].timestamp() + 1) if weeks else None


def _best(values: Sequence[float | None], metric: str) -> float | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return min(known) if metric in LESS_IS_BETTER else max(known)


def _cost(report: BacktestReport, metric: str, seconds: str) -> charts.Scatter | None:
    """Mean quality over the compute that it took; a policy without labels has no place in it."""
    points = [
        charts.Point(name, (one.cpu_seconds, one.mean_auc), index % 7)
        for index, (name, one) in enumerate(report.policies.items())
        if one.mean_auc is not None
    ]
    return charts.Scatter(points, seconds, metric) if len(points) > 1 else None


def _lanes(report: BacktestReport) -> charts.Lanes | None:
    """What each policy's wheel decided and saw, a lane a policy."""
    events = [
        charts.Event(event.at.timestamp(), lane, f"{event.kind}: {event.text}", _tone(event.kind))
        for lane, one in enumerate(report.policies.values())
        for event in one.events
    ]
    return charts.Lanes(list(report.policies), events, sync="timeline", range=_span(report.weeks)) if events else None


def _tone(kind: str) -> str:
    return TONES.get(kind.partition(":")[0], "")
