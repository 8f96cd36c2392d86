from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from mulle.data import Version
from mulle.predictions.labels import KnownLabels
from mulle.registry import Inputs
from mulle.testing.planes import Planes

START = datetime(2013, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
INPUTS = Inputs(dataset="flights", key=["flight"], event_time="at", label="late", label_delay=3600.0)


class Counted:
    """The data plane, and how often it was read."""

    def __init__(self, planes: Planes) -> None:
        self.reads = 0
        self._data = planes.data

    def head(self, name: str) -> Version:
        return self._data.head(name)

    def read(
        self, ref: Version, columns: Any = None, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        self.reads += 1
        return self._data.read(ref, columns, start, end)


def commit(planes: Planes, *names: str) -> None:
    rows = pl.DataFrame({"flight": names, "at": [START + HOUR * i for i in range(len(names))], "late": True})
    planes.data.commit("flights", rows, key=["flight"], event_time="at")


def test_a_label_is_known_once_its_delay_has_passed(planes: Planes) -> None:
    commit(planes, "f1", "f2", "f3")
    found = KnownLabels().at(planes.data, INPUTS, START + 2 * HOUR, None)
    assert found["key"].to_list() == ["f1", "f2"]
    assert found["labelled"].to_list() == [START + HOUR, START + 2 * HOUR]


def test_the_same_labels_are_read_once(planes: Planes) -> None:
    commit(planes, "f1")
    data, known = Counted(planes), KnownLabels()
    one, two = (known.at(data, INPUTS, START + HOUR, None) for _ in range(2))
    assert one.equals(two)
    assert data.reads == 1


def test_a_new_version_and_a_later_moment_are_read_anew(planes: Planes) -> None:
    commit(planes, "f1")
    data, known = Counted(planes), KnownLabels(9)
    known.at(data, INPUTS, START + HOUR, None)
    commit(planes, "f1", "f2")
    assert known.at(data, INPUTS, START + HOUR, None)["key"].to_list() == ["f1"]
    assert known.at(data, INPUTS, START + 2 * HOUR, None)["key"].to_list() == ["f1", "f2"]
    assert data.reads == 3


def test_nothing_says_where_labels_are(planes: Planes) -> None:
    assert KnownLabels().at(planes.data, Inputs(), START, None).height == 0
