"""What user code logs, where it goes, and what it may not be."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import mulle
from mulle.catalog import Catalog
from mulle.clock import ClockIds, SystemClock
from mulle.errors import UnknownNameError, UsageError
from mulle.spool import SpoolWriter
from mulle.store import LocalStore
from mulle.tracking import Recorder, recording, runs, tables
from mulle.tracking.ingest import ingest


class Place:
    def __init__(self, root: Path) -> None:
        assert tables.run is not None
        self.root = root
        clock = SystemClock()
        self.catalog = Catalog.create(root / "catalog.db", clock, ClockIds(clock), durable=False)
        self.store = LocalStore(root / "store", durable=False)
        self.spool = root / "spool"
        self.writer = SpoolWriter(self.spool, "w", clock, durable=False)
        with self.catalog.write() as tx:
            self.run = runs.create(tx, kind="tracked", params={})
        self.recorder = Recorder(self.run, lambda: self.writer, self.store, clock)

    def values(self, key: str) -> list[tuple[int, float]]:
        ingest(self.catalog, self.spool)
        with self.catalog.read() as tx:
            return [(point.step, point.value) for point in runs.points(tx, self.run, key)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.writer.close()
    made.catalog.close()


def test_outside_a_run_logging_does_nothing() -> None:
    mulle.log_metric("loss", 1.0)


def test_points_are_counted_up_where_no_step_is_given(place: Place) -> None:
    with recording(place.recorder):
        for value in (3.0, 2.0, 1.0):
            mulle.log_metric("loss", value)
    assert place.values("loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]


def test_counting_goes_on_over_several_ingestions(place: Place) -> None:
    with recording(place.recorder):
        mulle.log_metric("loss", 3.0, step=7)
        place.values("loss")
        mulle.log_metric("loss", 2.0)
    assert place.values("loss") == [(7, 3.0), (8, 2.0)]


def test_ingesting_again_records_nothing_twice(place: Place) -> None:
    with recording(place.recorder):
        mulle.log_metric("loss", 3.0)
    assert [ingest(place.catalog, place.spool) for _ in range(3)] == [1, 0, 0]


def test_many_ingest_at_once_and_each_fact_counts_once(place: Place) -> None:
    with recording(place.recorder):
        for value in range(200):
            mulle.log_metric("loss", value)
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(ingest(place.catalog, place.spool))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == len(place.values("loss")) == 200


def test_a_complete_segment_is_removed_when_it_was_taken_over(place: Place) -> None:
    with recording(place.recorder):
        mulle.log_metric("loss", 1.0)
    place.writer.seal()
    ingest(place.catalog, place.spool)
    assert list(place.spool.glob("*.seg")) == []


def test_a_thread_of_a_step_logs_to_the_steps_run(place: Place) -> None:
    with recording(place.recorder):
        thread = threading.Thread(target=mulle.log_metric, args=("loss", 4.0))
        thread.start()
        thread.join()
    assert place.values("loss") == [(0, 4.0)]


def test_what_is_not_a_number_is_kept_as_such(place: Place) -> None:
    with recording(place.recorder):
        mulle.log_metric("loss", math.nan)
    assert math.isnan(place.values("loss")[0][1])
    with place.catalog.read() as tx:
        assert math.isnan(runs.latest_metrics(tx, place.run)["loss"])


def test_text_is_no_metric() -> None:
    with pytest.raises(UsageError, match="was given str 'low'"):
        mulle.log_metric("loss", "low")  # type: ignore[arg-type]


def test_parameters_are_kept_as_plain_values(place: Place) -> None:
    with recording(place.recorder):
        mulle.log_param("depth", 3)
        mulle.log_param("names", ["a", "b"])
        mulle.log_param("object", ValueError("x"))
    ingest(place.catalog, place.spool)
    with place.catalog.read() as tx:
        assert runs.params(tx, place.run) == {"depth": 3, "names": ["a", "b"], "object": "ValueError('x')"}


def test_an_artifact_is_in_the_store_under_its_name(place: Place, tmp_path: Path) -> None:
    (tmp_path / "plot.svg").write_text("<svg/>")
    with recording(place.recorder):
        mulle.log_artifact(tmp_path / "plot.svg")
    ingest(place.catalog, place.spool)
    with place.catalog.read() as tx:
        (found,) = runs.artifacts(tx, place.run)
    assert (found.name, found.kind, place.store.get(found.digest)) == ("plot.svg", "file", b"<svg/>")  # type: ignore[arg-type]


def test_a_missing_file_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        mulle.log_artifact(tmp_path / "missing")


def test_an_unknown_metric_suggests_the_nearest(place: Place) -> None:
    with recording(place.recorder):
        mulle.log_metric("roc_auc", 0.7)
    with pytest.raises(UnknownNameError, match="did you mean 'roc_auc'"):
        place.values("roc_uac")
