"""What is on disk today is read tomorrow: objects written by an earlier mulle, kept as files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from mulle.data import drafts, manifest, parts, reading
from mulle.data.manifest import FAN, Manifest
from mulle.testing.memory_store import MemoryStore
from mulle.types import Digest

GOLDEN = Path(__file__).parent / "golden"
MANIFEST = Digest("b3:77346b63d8a9e85ad0c19807591959c2b64e8071c3efe5f86ff189812e395cbc")
START = datetime(2013, 1, 1, tzinfo=UTC)


def hour(number: int) -> pl.DataFrame:
    """One row of the golden world."""
    return pl.DataFrame({
        "id": [f"flight {number}"],
        "at": [START + timedelta(hours=number)],
        "delay": [None if number % 3 else number / 2],
        "late": [number % 2 == 0],
    }, schema_overrides={"delay": pl.Float64})  # fmt: skip


def world(store: MemoryStore) -> Digest:
    """A dataset of FAN + 2 parts, so that one list of parts is sealed."""
    base: Manifest | None = None
    for number in range(FAN + 2):
        base = drafts.draft(store, hour(number), "golden", key=("id",), event_time="at", base=base)
    assert base is not None
    return store.put(manifest.encode(base))


@pytest.fixture
def kept() -> MemoryStore:
    store = MemoryStore()
    for path in GOLDEN.iterdir():
        store.put(path.read_bytes())
    parts.forget()
    return store


def test_the_golden_version_is_read(kept: MemoryStore) -> None:
    rows = reading.read_version(kept, MANIFEST)
    assert rows.equals(pl.concat(hour(number) for number in range(FAN + 2)))


def test_a_span_of_the_golden_version_is_read(kept: MemoryStore) -> None:
    rows = reading.read_version(kept, MANIFEST, ["id"], START + timedelta(hours=31), START + timedelta(hours=33))
    assert rows["id"].to_list() == ["flight 31", "flight 32"]


def test_manifest_and_logical_digest_are_written_as_they_were(kept: MemoryStore) -> None:
    """The parts' bytes may change with the Parquet writer; what refers to them is ours."""
    ours = manifest.load_table(kept, MANIFEST)
    store = MemoryStore()
    again = manifest.load_table(store, world(store))
    assert again.logical == ours.logical
    assert (again.schema, again.key, again.event_time, again.chain) == (
        ours.schema,
        ours.key,
        ours.event_time,
        ours.chain,
    )
    assert manifest.encode(ours) == kept.get(MANIFEST)
