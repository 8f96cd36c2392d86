"""The year as it happened: rows arrive day by day, the first champion answers every scheduled flight, labels follow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from mulle.data.definition import Dataset, asked_at
from mulle.delivery.turn import turn
from mulle.delivery.world import Rules
from mulle.features.training import ASKED, join
from mulle.types import Digest
from mulle.workspace import wheel

if TYPE_CHECKING:
    from mulle.clock import VirtualClock
    from mulle.workspace.facade import Workspace

DAY = timedelta(days=1)


class ScheduledFlights:
    """Every flight is asked about two hours before its hour; a day's questions are answered when its rows have come.

    What the model is given is joined as of each asked instant all the same, and holds no outcome: the answers are those
    that a server would have given at those instants.
    """

    def __init__(self, ws: Workspace, dataset: Dataset, deployment: str) -> None:
        self._ws = ws
        self._dataset = dataset
        self._deployment = deployment
        self._until = self._first = ws.clock.now()

    def answer(self, now: datetime) -> int:
        """Answer everything that has come before `now` and was asked since the deployment began."""
        rows = questions(self._ws, self._dataset, self._until, now)
        self._until = now
        if rows.height:
            rows = rows.filter(pl.col(ASKED) >= self._first)
            self._ws.deployments.predict_table(self._deployment, rows, ASKED)
        return rows.height


def questions(ws: Workspace, dataset: Dataset, start: datetime, end: datetime) -> pl.DataFrame:
    """The rows with an event time in [start, end), with the features that were available when each was asked about."""
    rows = ws.data.read(ws.data.head(dataset.name), start=start, end=end)
    if not rows.height:
        return rows
    rows = rows.drop(dataset.outcomes()).with_columns(asked_at(dataset, rows).alias(ASKED))
    views: dict[str, Any] = ws.project.definitions.all("feature_view")
    known = [(view, Digest(ws.data.head(view.source.name).digest)) for view in views.values()]
    return join(ws.store, rows, known, ASKED)


def live(
    ws: Workspace, clock: VirtualClock, dataset: Dataset, deployment: str, *, end: datetime, tell: Callable[..., None]
) -> int:
    """Let time pass until `end`, a day at a time, with monitors but without triggers; how many answers were given."""
    rules = Rules.of(ws.project.definitions)
    flights = ScheduledFlights(ws, dataset, deployment)
    world = wheel.world(ws, requests=flights, rules=Rules({}, rules.deployments, rules.monitors))
    start, answered = clock.now(), 0
    while clock.now() < end:
        clock.advance(min(DAY, end - clock.now()))
        answered += turn(world).answered
        tell("the year arrives, day by day", (clock.now() - start) / DAY, (end - start) / DAY)
    return answered
