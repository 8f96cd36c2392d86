"""What a project says about watching: `mulle.monitor("delay", [drift(), quality("roc_auc"), staleness("45d")])`.

These are words only: frozen records that the project version names. What they do is in the modules beside this one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from mulle.definitions import define
from mulle.errors import MonitoringError
from mulle.types import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

HOURS = tuple(timedelta(hours=hours) for hours in (1, 2, 4, 8, 16, 32, 64))


class Drift(msgspec.Struct, frozen=True, tag="drift", tag_field="kind"):
    """Do the inputs and the scores still look like the rows that the champion was taught?"""

    windows: tuple[timedelta, ...] = HOURS
    floor: float = 0.01
    min_rows: int = 500
    alarms_per_week: float = 0.01


class Quality(msgspec.Struct, frozen=True, tag="quality", tag_field="kind"):
    """Is the champion still as good as when it was judged, now that the labels have come?"""

    metric: str
    min_labels: int = 1000
    window: timedelta = timedelta(days=7)
    by: float = 0.0
    alarms_per_week: float = 0.01


class Outliers(msgspec.Struct, frozen=True, tag="outliers", tag_field="kind"):
    """Are there more rows far away from everything that the champion was taught than there were among those rows?"""

    windows: tuple[timedelta, ...] = HOURS
    floor: float = 0.01
    min_rows: int = 500
    alarms_per_week: float = 0.01


class Staleness(msgspec.Struct, frozen=True, tag="staleness", tag_field="kind"):
    """Is the champion older than it should get?"""

    age: timedelta


Watch = Drift | Quality | Outliers | Staleness


class MonitorDefinition(msgspec.Struct, frozen=True):
    """The watches over one deployment."""

    deployment: str
    watches: tuple[Watch, ...]


def drift(
    *, windows: Sequence[str] = (), floor: float = 0.01, min_rows: int = 500, alarms_per_week: float = 0.01
) -> Drift:
    """Watch inputs and scores for change.

    Args:
        windows: the lengths of time that are looked at side by side; 1 to 64 hours by doubling when none are named.
        floor: the smallest effect worth an alarm (population stability index).
        min_rows: a window with fewer rows says nothing.
        alarms_per_week: the chance of one or more false alarms in a quiet week, over all features and windows.
    """
    chosen = tuple(sorted(duration(window) for window in windows)) or HOURS
    return Drift(chosen, floor, min_rows, _chance(alarms_per_week))


def quality(
    metric: str, *, min_labels: int = 1000, window: str = "7d", by: float = 0.0, alarms_per_week: float = 0.01
) -> Quality:
    """Watch the realised metric of the champion against what it had when it was judged.

    Args:
        metric: "roc_auc", "log_loss", "rmse", …
        min_labels: with fewer labelled predictions nothing is said.
        window: the newest stretch of labelled predictions that is measured.
        by: how much worse it must be to be worth an alarm.
        alarms_per_week: the chance of a false alarm in a quiet week.
    """
    return Quality(metric, min_labels, duration(window), by, _chance(alarms_per_week))


def outliers(
    *, windows: Sequence[str] = (), floor: float = 0.01, min_rows: int = 500, alarms_per_week: float = 0.01
) -> Outliers:
    """Watch the share of rows that lie far from everything the champion was taught; arguments as for `drift`."""
    chosen = tuple(sorted(duration(window) for window in windows)) or HOURS
    return Outliers(chosen, floor, min_rows, _chance(alarms_per_week))


def staleness(age: str | timedelta) -> Staleness:
    """Watch the age of the champion, counted from its registration."""
    return Staleness(duration(age))


def monitor(deployment: str, watches: Sequence[Watch]) -> MonitorDefinition:
    """Define the watches over a deployment."""
    for watch in watches:
        if not isinstance(watch, Drift | Quality | Outliers | Staleness):
            raise MonitoringError(
                f"{watch!r} is not a watch",
                cause=f"the monitor of '{deployment}' lists it",
                cure="use drift(), quality(metric), outliers() or staleness(age)",
            )
    definition = MonitorDefinition(deployment, tuple(watches))
    define("monitor", deployment, definition)
    return definition


def _chance(value: float) -> float:
    if not 0 < value < 1:
        raise MonitoringError(
            f"alarms_per_week is {value}", cause="it is a chance between 0 and 1", cure="write for example 0.01"
        )
    return value
