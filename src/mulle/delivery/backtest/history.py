"""History as arrivals: the versions of the datasets, each there again when its watermark has passed."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete

from mulle.catalog import Catalog, metadata
from mulle.data import DataService
from mulle.data.definition import Dataset
from mulle.data.model import Version

if TYPE_CHECKING:
    import polars as pl

DAY = timedelta(days=1)
_FEWEST_VERSIONS = 3
_FORGOTTEN = (
    *("model", "model_version", "model_alias", "model_engine", "deployment", "revision", "traffic", "feedback"),
    *("monitor_state", "alert", "trigger_memory", "demand", "firing", "verdict", "rollout"),
)
"""What a workspace knows that nobody could know at the beginning of the replay; data, memo and ledger stay."""


def forget(catalog: Catalog) -> None:
    """Empty, in a fork, the tables that hold what came later than the beginning of the replay."""
    with catalog.write() as tx:
        for table in reversed(metadata.sorted_tables):
            if table.name in _FORGOTTEN:
                tx.execute(delete(table))


class Timeline:
    """The versions of one dataset by the instant from which they are there."""

    def __init__(self, versions: Iterable[Version]) -> None:
        placed = sorted((one for one in versions if one.watermark is not None), key=lambda one: one.number)
        self.instants = [one.watermark for one in placed if one.watermark is not None]
        self.versions = placed

    def at(self, now: datetime) -> Version | None:
        """The newest version that is there at `now`."""
        place = bisect_right(self.instants, now)
        return self.versions[place - 1] if place else None

    def next(self, now: datetime) -> datetime | None:
        """When the next version comes."""
        place = bisect_right(self.instants, now)
        return self.instants[place] if place < len(self.instants) else None


class ReplayedArrivals:
    """Arrivals from history: moves the branches of a fork forward.

    Args:
        data: the data plane of the fork.
        timelines: the versions of each dataset.
    """

    def __init__(self, data: DataService, timelines: Mapping[str, Timeline]) -> None:
        self._data = data
        self._timelines = timelines
        self._heads: dict[str, int] = {}

    def arrive(self, now: datetime) -> list[str]:
        """Point every dataset at its newest version of `now`."""
        found = []
        for name, timeline in self._timelines.items():
            version = timeline.at(now)
            if version is not None and self._heads.get(name) != version.number:
                self._data.advance(name, version.number)
                self._heads[name] = version.number
                found.append(version.ref)
        return found

    def next(self, now: datetime) -> datetime | None:
        """When something next comes."""
        coming = [timeline.next(now) for timeline in self._timelines.values()]
        return min((one for one in coming if one is not None), default=None)


def timelines(data: DataService, datasets: Sequence[Dataset]) -> dict[str, Timeline]:
    """The history of each dataset that has an event time; one that was committed all at once is cut into days.

    `data` is the data plane of a fork: the days become versions there and nowhere else.
    """
    found = {}
    for one in datasets:
        if one.event_time is None or data.find_head(one.name) is None:
            continue
        versions = data.versions(one.name)
        if len(versions) < _FEWEST_VERSIONS:
            versions = _by_day(data, one, versions[0])
        found[one.name] = Timeline(versions)
    return found


def _by_day(data: DataService, dataset: Dataset, whole: Version) -> tuple[Version, ...]:
    """Versions that grow by a day each, with the rows of `whole` in the order of their event time."""
    assert dataset.event_time is not None
    rows = data.read(whole)
    instants = rows.get_column(dataset.event_time)
    rows = rows.filter(instants.is_not_null()).sort(dataset.event_time, maintain_order=True)
    if rows.height == 0:
        return (whole,)
    made: list[Version] = []
    for end, part in _days(rows, dataset.event_time):
        message = f"until {end:%Y-%m-%d}"
        appended = bool(made)
        made.append(
            data.commit(dataset.name, part, message, append=appended, event_time=dataset.event_time, watermark=end)
        )
    return tuple(made)


def _days(rows: pl.DataFrame, event_time: str) -> list[tuple[datetime, pl.DataFrame]]:
    days = rows.get_column(event_time).dt.epoch("d")
    starts = [0, *((days != days.shift(1)).fill_null(value=False).arg_true().to_list()), rows.height]
    found = []
    for low, high in itertools.pairwise(starts):
        end = datetime.fromtimestamp((int(days[low]) + 1) * DAY.total_seconds(), UTC)
        found.append((end, rows.slice(low, high - low)))
    return found
