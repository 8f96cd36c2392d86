"""Versions of which only a part is here: marked when they are pulled, until the rest is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from mulle.data.tables import partial_version
from mulle.errors import StoreError

if TYPE_CHECKING:
    from mulle.catalog import Catalog, Tx
    from mulle.data.model import Version


def marked(tx: Tx, dataset: str) -> dict[int, str]:
    """The numbers of the versions of which only a part is here, and the remotes that have the rest."""
    mine = partial_version.c.dataset == dataset
    rows = tx.all(select(partial_version.c.number, partial_version.c.remote).where(mine))
    return {row.number: row.remote for row in rows}


def columns(tx: Tx, dataset: str, number: int) -> tuple[Any, str]:
    """What is noted of the columns of a version that are here (`narrow.Narrow`, or None), and who has the rest."""
    mine = (partial_version.c.dataset == dataset) & (partial_version.c.number == number)
    row = tx.one(select(partial_version.c.columns, partial_version.c.remote).where(mine))
    return (None, "") if row is None else (row.columns, row.remote)


def mark(tx: Tx, dataset: str, number: int, remote: str, *, path: str = "", columns: Any = None) -> None:
    """Say that of a version only what lies at the path is here, or some columns; else nothing but its manifest."""
    unmark(tx, dataset, number)
    row = {"dataset": dataset, "number": number, "remote": remote, "path": path, "columns": columns}
    tx.execute(insert(partial_version), row)


def unmark(tx: Tx, dataset: str, number: int) -> None:
    """Say that all of a version is here."""
    mine = (partial_version.c.dataset == dataset) & (partial_version.c.number == number)
    tx.execute(delete(partial_version).where(mine))


def every(tx: Tx) -> set[str]:
    """All such versions, as one writes them."""
    rows = tx.all(select(partial_version.c.dataset, partial_version.c.number))
    return {f"{row.dataset}@{row.number}" for row in rows}


@contextmanager
def explained(catalog: Catalog, *versions: Version) -> Iterator[None]:
    """Within the block, what is missing of a version of which only a part is here is told as such."""
    try:
        yield
    except StoreError as error:
        with catalog.read() as tx:
            remotes = [(version, marked(tx, version.dataset).get(version.number)) for version in versions]
        version, remote = next(((each, where) for each, where in remotes if where), (None, None))
        if version is None:
            raise
        raise StoreError(
            f"only a part of {version.ref} is here",
            cause=error.message,
            cure=f"mulle data pull {version.dataset} {remote} --version b3:{version.id[3:15]}",
        ) from error
