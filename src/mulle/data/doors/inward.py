"""Everything that can come in: by the door's name, what takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.data.committing import Committer, What
from mulle.data.doors import delta, plain
from mulle.data.doors.bundle import read_bundle
from mulle.data.doors.dvc import import_dvc
from mulle.data.doors.keeping import Wanted
from mulle.data.doors.lfs import import_lfs
from mulle.data.model import ImportedDataset, ImportReport
from mulle.data.places import placed
from mulle.errors import UsageError, unknown
from mulle.store.leases import leasing

if TYPE_CHECKING:
    import polars as pl

    from mulle.catalog import Catalog
    from mulle.data.model import Version
    from mulle.store import ObjectStore

DOORS = ("dvc", "lfs", "files", "parquet", "csv", "delta", "mulle")


@dataclass(frozen=True)
class Inward:
    """Takes data in. Repositories come with their history, all else as one version."""

    catalog: Catalog
    store: ObjectStore
    committer: Committer

    @leasing(lambda self, *_: self.store)
    def take(self, door: str, path: str | Path, wanted: Wanted, message: str) -> ImportReport:
        """See `DataService.import_`."""
        if door not in DOORS:
            raise unknown("door", door, DOORS, cure="mulle data import --help")
        where = placed(path, self.committer.root)
        if door in {"dvc", "lfs"}:
            repository = import_dvc if door == "dvc" else import_lfs
            made = repository(self.catalog, self.store, where, wanted, self.catalog.clock.now())
        elif door == "mulle":
            made = read_bundle(self.catalog, self.store, where, wanted.name)
        else:
            made = [self._one(door, where, wanted.name, message)]
        return ImportReport(door=door, path=str(where), datasets=made)

    def _one(self, door: str, path: Path, name: str, message: str) -> ImportedDataset:
        name = name or path.name.partition(".")[0]
        if not name:
            raise UsageError(f"{path} does not say what the dataset is called", cure="--name NAME")
        before = self.committer.publisher.find_head(name)
        version = self._files(name, path, message) if door == "files" else self._table(door, name, path, message)
        added = [] if before is not None and before.number == version.number else [version.number]
        return ImportedDataset(name=name, kind=version.kind, head=version.number, added=added, source=str(path))

    def _files(self, name: str, path: Path, message: str) -> Version:
        return self.committer.commit(name, path, What(message or f"imported {path.name}", as_files=True))

    def _table(self, door: str, name: str, path: Path, message: str) -> Version:
        table, about = _READERS[door](path)
        what = What(message or f"imported {path.name}")
        if about is None:
            return self.committer.commit(name, path if door != "delta" else table, what)
        return self.committer.commit(name, table, replace(what, key=about.key, event_time=about.event_time))


_READERS: dict[str, Callable[[Path], tuple[pl.DataFrame, plain.About | None]]] = {
    "parquet": plain.read_parquet,
    "csv": plain.read_csv,
    "delta": delta.read,
}
