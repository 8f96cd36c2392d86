"""A dataset with its history as one folder or file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from mulle.catalog import Catalog
from mulle.clock import ClockIds, VirtualClock
from mulle.data import DataService
from mulle.errors import DataError, MulleError, UnknownNameError
from mulle.testing.memory_store import MemoryStore


@pytest.fixture
def other(tmp_path: Path, clock: VirtualClock) -> Iterator[DataService]:
    catalog = Catalog.create(tmp_path / "other.db", clock, ClockIds(clock, seed=2), durable=False)
    yield DataService(catalog, MemoryStore(), tmp_path)
    catalog.close()


@pytest.fixture
def history(data: DataService, people: pl.DataFrame) -> DataService:
    data.commit("people", people.head(1), "first", key=["id"])
    data.tag("people", "v1")
    data.branch("people", "try")
    data.commit("people", people, "second")
    data.commit("people", people.head(2), "tried", branch="try")
    return data


@pytest.mark.parametrize("name", ["people", "people.tar"])
def test_all_versions_branches_and_tags_come_back(
    history: DataService, other: DataService, tmp_path: Path, name: str
) -> None:
    history.export("people", str(tmp_path / name), "mulle")
    (imported,) = other.import_("mulle", str(tmp_path / name)).datasets
    assert (imported.name, imported.added, imported.head) == ("people", [1, 2, 3], 2)
    for ref in ("people", "people@v1", "people@try"):
        assert other.resolve(ref).id == history.resolve(ref).id
        assert other.read(ref).equals(history.read(ref))


def test_the_same_dataset_gives_the_same_file(history: DataService, tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        history.export("people", str(tmp_path / name), "mulle")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_folder_gets_what_is_new(
    history: DataService, other: DataService, people: pl.DataFrame, tmp_path: Path
) -> None:
    history.export("people", str(tmp_path / "people"), "mulle")
    other.import_("mulle", str(tmp_path / "people"))
    history.commit("people", people.tail(1), "third")
    history.export("people", str(tmp_path / "people"), "mulle")
    (imported,) = other.import_("mulle", str(tmp_path / "people")).datasets
    assert imported.added == [4]


def test_what_is_no_bundle_is_told(history: DataService, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    (tmp_path / "full.tar").write_text("no tar")
    with pytest.raises(DataError, match="is no bundle"):
        history.export("people", str(tmp_path / "full"), "mulle")
    for name in ("full", "full.tar", "nothing"):
        with pytest.raises(DataError, match="is no bundle"):
            history.import_("mulle", str(tmp_path / name))


def test_a_damaged_bundle_is_refused(history: DataService, other: DataService, tmp_path: Path) -> None:
    history.export("people", str(tmp_path / "people"), "mulle")
    for path in (tmp_path / "people" / "packs").glob("*.pack"):
        path.write_bytes(bytes(each ^ 1 for each in path.read_bytes()))
    with pytest.raises(MulleError):
        other.import_("mulle", str(tmp_path / "people"))
    assert other.list() == []


def test_a_dataset_that_is_not_in_it_is_told(history: DataService, tmp_path: Path) -> None:
    history.export("people", str(tmp_path / "people"), "mulle")
    with pytest.raises(UnknownNameError, match="'persons'"):
        history.import_("mulle", str(tmp_path / "people"), "persons")
