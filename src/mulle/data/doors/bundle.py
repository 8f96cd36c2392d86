"""The door between workspaces: a dataset with all its versions, branches and tags as a folder or one `.tar` file.

It is a remote in a folder: what `mulle data push` would send there, so that such a folder can also be pulled from.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.data import versions
from mulle.data.doors.plain import replaced
from mulle.data.model import ImportedDataset
from mulle.data.remotes.service import Remotes
from mulle.errors import DataError

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.store import ObjectStore

SUFFIX = ".tar"


def write_bundle(catalog: Catalog, store: ObjectStore, dataset: str, path: Path) -> None:
    """Write a dataset; a folder that has it already gets what is new.

    Raises:
        DataError: the folder is something else, or has versions that are not here.
    """
    if path.suffix == SUFFIX:
        with _scratch() as (folder, cache):
            Remotes(catalog, store, cache=cache).push(dataset, str(folder), everything=True)
            replaced(path, lambda file: _pack(folder, file))
        return
    if path.is_dir() and any(path.iterdir()) and not (path / "datasets").is_dir():
        raise DataError(f"{path} is no bundle", cause="something else is there", cure="name an empty folder")
    with _scratch() as (_, cache):
        Remotes(catalog, store, cache=cache).push(dataset, str(path.resolve()), everything=True)


def read_bundle(catalog: Catalog, store: ObjectStore, path: Path, name: str) -> list[ImportedDataset]:
    """Take in the datasets of a bundle, or one of them.

    Raises:
        DataError: it is no bundle, or a dataset here has versions that it does not know.
        StoreError: an object in it is missing or damaged.
    """
    with _scratch() as (folder, cache):
        if path.is_file():
            _unpack(path, folder)
        elif not (path / "datasets").is_dir():
            raise DataError(
                f"{path} is no bundle",
                cause="it has no folder 'datasets'",
                cure="mulle data export NAME PATH --to mulle",
            )
        source = folder if path.is_file() else path.resolve()
        remotes = Remotes(catalog, store, cache=cache)
        found = remotes.list(str(source), name)
        return [_pull(catalog, remotes, each.name, source) for each in found]


def _pull(catalog: Catalog, remotes: Remotes, dataset: str, source: Path) -> ImportedDataset:
    report = remotes.pull(dataset, str(source))
    with catalog.read() as tx:
        head = versions.head(tx, dataset)
    numbers = [int(ref.rpartition("@")[2]) for ref in report.versions]
    return ImportedDataset(name=dataset, kind=head.kind, head=head.number, added=numbers, source=dataset)


@contextmanager
def _scratch() -> Iterator[tuple[Path, Path]]:
    """A folder for the content of a bundle, and one for what is known of remotes; both go afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        content, cache = Path(folder) / "bundle", Path(folder) / "cache"
        content.mkdir()
        yield content, cache


def _pack(folder: Path, file: Path) -> None:
    """All files of a folder; the same files give the same bytes."""
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            about = tarfile.TarInfo(path.relative_to(folder).as_posix())
            about.size, about.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                archive.addfile(about, content)


def _unpack(file: Path, folder: Path) -> None:
    try:
        with tarfile.open(file) as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise DataError(
            f"{file} is no bundle", cause=str(error), cure="mulle data export NAME PATH.tar --to mulle"
        ) from error
    if not (folder / "datasets").is_dir():
        raise DataError(
            f"{file} is no bundle",
            cause="it has no folder 'datasets'",
            cure="mulle data export NAME PATH.tar --to mulle",
        )
