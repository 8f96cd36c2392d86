from __future__ import annotations

import errno
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from tests.predictions.batches import BASE, batch

from mulle.clock import SystemClock
from mulle.errors import StoreError
from mulle.predictions import PredictionLog
from mulle.predictions.files import table_of
from mulle.predictions.frames import SHADOW, Batch, encode, instant_of
from mulle.predictions.shelves import FileShelf
from mulle.spool import SpoolWriter

START = instant_of(BASE)


@pytest.fixture
def log(tmp_path: Path) -> PredictionLog:
    return PredictionLog(tmp_path / "predictions", tmp_path / "spool", durable=False)


def spool(tmp_path: Path, *batches: Batch, writer: str = "w1", close: bool = True) -> SpoolWriter:
    made = SpoolWriter(tmp_path / "spool", writer, SystemClock(), durable=False)
    made.append_many([encode(one) for one in batches])
    if close:
        made.close()
    return made


def ids(table: pl.DataFrame) -> list[str]:
    return table["id"].to_list()


def test_what_is_spooled_can_be_read_at_once(tmp_path: Path, log: PredictionLog) -> None:
    writer = spool(tmp_path, batch("p1", "p2"), close=False)

    assert ids(log.scan("delay")) == ["p1", "p2"]
    writer.close()


def test_later_frames_of_an_open_segment_are_seen(tmp_path: Path, log: PredictionLog) -> None:
    writer = spool(tmp_path, batch("p1"), close=False)
    log.scan("delay")

    writer.append(encode(batch("p2", at=1)))

    assert ids(log.scan("delay")) == ["p1", "p2"]
    writer.close()


def test_compaction_changes_nothing_that_is_read(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, batch("p1", "p2"), batch("p3", at=5, deployment="other"))
    before = log.scan("delay")

    log.compact()

    assert log.scan("delay").equals(before)
    assert not list((tmp_path / "spool").glob("*.seg"))


def test_an_open_segment_is_left_alone(tmp_path: Path, log: PredictionLog) -> None:
    writer = spool(tmp_path, batch("p1"), close=False)

    assert log.compact().segments == 0
    writer.close()


def test_an_empty_young_segment_is_left_alone(tmp_path: Path, log: PredictionLog) -> None:
    (tmp_path / "spool").mkdir()
    path = tmp_path / "spool" / "w1-00000001.seg"
    path.touch()

    log.compact()

    assert path.exists()


def test_a_compaction_that_was_killed_is_repeated_without_doubles(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, batch("p1", "p2"))
    segment = next((tmp_path / "spool").glob("*.seg"))
    kept = segment.read_bytes()
    log.compact()
    segment.write_bytes(kept)  # killed between the file and the end of the segment

    before = ids(log.scan("delay"))
    log.compact()

    assert before == ids(log.scan("delay")) == ["p1", "p2"]
    assert len(list((tmp_path / "predictions" / "delay").iterdir())) == 1


def test_a_torn_tail_costs_only_itself(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, batch("p1"), batch("p2"))
    segment = next((tmp_path / "spool").glob("*.seg"))
    segment.write_bytes(segment.read_bytes()[:-3])

    log.compact()

    assert ids(log.scan("delay")) == ["p1"]


def test_a_scan_is_half_open(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, *(batch(f"p{second}", at=second * 1_000_000) for second in range(4)))
    log.compact()

    found = log.scan("delay", START + timedelta(seconds=1), START + timedelta(seconds=3))

    assert ids(found) == ["p1", "p2"]


def test_inputs_and_outputs_are_structs(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, batch("p1"))

    row = log.scan("delay").row(0, named=True)

    assert row["inputs"] == {"carrier": "AA", "wind": 1.5}
    assert row["outputs"] == {"prediction": True, "probability": 0.75}


def test_only_the_columns_asked_for_are_given(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, batch("p1"))

    assert log.scan("delay", columns=["id", "score"]).columns == ["id", "score"]


def test_models_with_other_inputs_share_a_log(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, batch("p1"), batch("p2", at=1, inputs={"wind": [1]}))
    log.compact()

    assert log.scan("delay")["inputs"].to_list() == [{"carrier": "AA", "wind": 1.5}, {"carrier": None, "wind": 1.0}]


def test_what_is_appended_in_bulk_comes_back(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, batch("p1", "p2"))
    rows = log.scan("delay")

    log.append("copy", rows)

    assert log.scan("copy").drop("deployment").equals(rows.drop("deployment"))


def test_the_newest_come_first_without_shadows(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, batch("p1"), batch("p2", at=1), batch("s1", at=2, role=SHADOW))
    log.compact()
    spool(tmp_path, batch("p3", at=3), writer="w2")

    assert ids(log.newest("delay", 2)) == ["p3", "p2"]


def test_the_newest_of_one_revision(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, batch("p1"), batch("p2", at=1, revision=2), batch("p3", at=2))
    log.compact()

    assert ids(log.newest("delay", 5, revision=1)) == ["p3", "p1"]


def test_one_answer_is_found_in_few_files(tmp_path: Path, log: PredictionLog) -> None:
    for day in range(5):
        spool(tmp_path, batch(f"p{day}a", f"p{day}b", at=day), writer=f"w{day}")
    log.compact()
    fresh = PredictionLog(tmp_path / "predictions", tmp_path / "spool")

    assert ids(fresh.find("p3b")) == ["p3b"]
    assert isinstance(fresh._shelf, FileShelf)
    assert len(fresh._shelf._cache._tables) == 1


def test_an_unknown_answer_is_not_found(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, batch("p1"))

    assert log.find("p9").height == 0


def test_deployments_that_answered_are_known(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, batch("p1"))
    log.compact()
    spool(tmp_path, batch("p2", deployment="other"), writer="w2")

    assert log.deployments() == ["delay", "other"]


def test_an_answer_without_a_number_has_no_score(tmp_path: Path, log: PredictionLog) -> None:
    spool(tmp_path, batch("p1", scores=[float("nan")]))

    assert log.scan("delay")["score"].to_list() == [None]


def test_nothing_is_an_empty_log(log: PredictionLog) -> None:
    assert log.scan("delay").height == 0


def test_many_small_files_become_one(tmp_path: Path, log: PredictionLog) -> None:
    for minute in range(70):
        spool(tmp_path, batch(f"p{minute:02d}", at=minute), writer=f"w{minute}")
    log.compact()

    fresh = PredictionLog(tmp_path / "predictions", tmp_path / "spool")

    assert len(list((tmp_path / "predictions" / "delay").iterdir())) == 1
    assert ids(fresh.scan("delay")) == [f"p{minute:02d}" for minute in range(70)]


def test_a_reader_does_not_mind_a_merge(tmp_path: Path, log: PredictionLog) -> None:
    for minute in range(63):
        spool(tmp_path, batch(f"p{minute:02d}", at=minute), writer=f"w{minute}")
    log.compact()
    other = PredictionLog(tmp_path / "predictions", tmp_path / "spool")
    shelf = other._shelf
    before = shelf.listed("delay")
    spool(tmp_path, batch("p63", at=63))
    log.compact()

    stale = iter([before])
    listed = shelf.listed
    shelf.listed = lambda deployment: next(stale, None) or listed(deployment)  # type: ignore[method-assign]

    assert len(ids(other.scan("delay"))) == 64


def test_a_full_disk_leaves_the_spool_as_it_was(
    tmp_path: Path, log: PredictionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool(tmp_path, batch("p1"))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pl.DataFrame, "write_parquet", full)
        with pytest.raises(StoreError, match="No space left"):
            log.compact()

    assert ids(log.scan("delay")) == ["p1"]
    assert log.compact().rows == 1


def test_a_log_in_memory_reads_as_one_in_files(log: PredictionLog) -> None:
    memory = PredictionLog(None, None)
    for one in (batch("p3", at=5), batch("p1", "p2"), batch("p4", at=5, role=SHADOW)):
        memory.append("delay", table_of([one]))
        log.append("delay", table_of([one]))

    assert memory.scan("delay").equals(log.scan("delay"))
    assert ids(memory.newest("delay", 2)) == ids(log.newest("delay", 2)) == ["p3", "p2"]
    assert memory.deployments() == ["delay"]
