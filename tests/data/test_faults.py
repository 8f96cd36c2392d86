"""A full disk and damaged objects: an error with its cure, and nothing is lost."""

from __future__ import annotations

import contextlib
from pathlib import Path

import polars as pl
import pytest

from mulle.catalog import Catalog
from mulle.data import DataService, parts
from mulle.errors import StoreError
from mulle.store import LocalStore
from mulle.testing.faults import FaultyFiles
from mulle.testing.memory_store import MemoryStore


@pytest.mark.parametrize("fail_at", range(1, 8))
def test_a_commit_to_a_full_disk_changes_nothing_and_may_be_repeated(
    catalog: Catalog, tmp_path: Path, people: pl.DataFrame, fail_at: int
) -> None:
    disk = FaultyFiles()
    data = DataService(catalog, LocalStore(tmp_path, files=disk))
    first = data.commit("people", people)
    disk.calls, disk.fail_at = 0, fail_at
    more = people.with_columns(pl.col("id") + 10)
    with contextlib.suppress(StoreError):
        data.commit("people", more, append=True)
    assert data.head("people").number in {1, 2}
    disk.mend()
    if data.head("people") == first:
        data.commit("people", more, append=True)
    parts.forget()
    assert data.read("people").height == 6
    assert data.verify().damaged == []


def test_a_damaged_part_is_an_error_and_never_a_wrong_answer(
    data: DataService, store: MemoryStore, people: pl.DataFrame
) -> None:
    version = data.commit("people", people)
    store.damage(data.parts(version)[0].digest)
    parts.forget()
    with pytest.raises(StoreError, match="is damaged"):
        data.read("people")


def test_versions_that_do_not_need_the_damaged_part_are_read(
    data: DataService, store: MemoryStore, people: pl.DataFrame
) -> None:
    version = data.commit("people", people)
    data.commit("people", people.head(1))
    store.damage(data.parts(version)[0].digest)
    parts.forget()
    assert data.read("people").height == 1
