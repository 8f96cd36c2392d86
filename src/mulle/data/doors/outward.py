"""Everything that data can leave as: by the door's name, what writes it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.data import manifest, reading
from mulle.data.doors import aliases, delta, dvcout, plain, typed
from mulle.data.doors.bundle import write_bundle
from mulle.data.model import ExportReport
from mulle.errors import DataError, unknown
from mulle.store import get_tree
from mulle.store.leases import leasing
from mulle.store.tree import files_of
from mulle.types import Digest

if TYPE_CHECKING:
    import polars as pl

    from mulle.catalog import Catalog
    from mulle.data.manifest import FilesManifest
    from mulle.data.model import Version
    from mulle.store import ObjectStore

DOORS = ("files", "parquet", "csv", "delta", "dvc", "mulle")


@dataclass(frozen=True)
class Outward:
    """Writes versions where other tools read them."""

    catalog: Catalog
    store: ObjectStore

    @leasing(lambda self, *_: self.store)
    def write(self, version: Version, path: Path, door: str) -> ExportReport:
        """See `DataService.export`."""
        if door not in DOORS:
            raise unknown("door", door, DOORS, cure="mulle data export --help")
        held = manifest.load(self.store, version.digest)
        if door == "mulle":
            write_bundle(self.catalog, self.store, version.dataset, path)
            written = path
        elif isinstance(held, manifest.FilesManifest):
            written = self._tree(version, held, path, door)
        else:
            written = self._table(version, path, door)
        files = [each for each in written.rglob("*") if each.is_file()] if written.is_dir() else [written]
        size = sum(each.stat().st_size for each in files)
        return ExportReport(
            ref=version.ref, path=str(written), door=door, logical=version.logical, files=len(files), bytes=size
        )

    def _tree(self, version: Version, held: FilesManifest, path: Path, door: str) -> Path:
        if door == "files":
            _require_empty(path)
            get_tree(self.store, held.tree, path)
            return path
        if door == "dvc":
            return self._dvc(held, path)
        raise DataError(
            f"{version.ref} cannot be exported to {door}",
            cause="it is a tree of files, not a table",
            cure=f"mulle data export {version.ref} {path} --to files",
        )

    def _dvc(self, held: FilesManifest, path: Path) -> Path:
        entries = list(files_of(self.store, held.tree))
        with self.catalog.read() as tx:
            known = {
                digest: found["md5"]
                for digest, found in aliases.names(tx, {e.digest for e in entries}).items()
                if "md5" in found
            }
        made, md5s = dvcout.export_files(self.store, entries, known, path)
        with self.catalog.write() as tx:
            aliases.keep(tx, {("md5", md5): Digest(digest) for digest, md5 in md5s.items()})
        return made

    def _table(self, version: Version, path: Path, door: str) -> Path:
        if door == "files":
            raise DataError(
                f"{version.ref} is a table, not a tree of files",
                cause="its rows can be written in several forms",
                cure=f"mulle data export {version.ref} {path} --to parquet (or csv, delta)",
            )
        table = reading.read_version(self.store, version.digest)
        about = self._about(version, table)
        if door == "delta":
            delta.write(table, about, path)
            return path
        if door == "dvc":
            return self._table_in_dvc(table, about, path)
        target = path if path.suffix else path / f"{version.dataset}.{door}"
        _WRITERS[door](table, about, target)
        return target

    def _table_in_dvc(self, table: pl.DataFrame, about: plain.About, path: Path) -> Path:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "table.parquet"
            plain.write_parquet(table, about, file)
            return dvcout.export_file(file, path if path.suffix else path.with_name(f"{path.name}.parquet"))

    def _about(self, version: Version, table: pl.DataFrame) -> plain.About:
        held = manifest.load_table(self.store, version.digest)
        return plain.About(typed.schema_text(table), held.key, held.event_time, version.ref, version.logical)


_WRITERS: dict[str, Callable[[pl.DataFrame, plain.About, Path], None]] = {
    "parquet": plain.write_parquet,
    "csv": plain.write_csv,
}


def _require_empty(path: Path) -> None:
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise DataError(
            f"{path} is not empty",
            cause="an export makes a folder of its own",
            cure="name a new folder; to bring a working copy to a version: mulle data checkout",
        )
