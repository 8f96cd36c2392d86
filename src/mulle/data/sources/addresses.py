"""A source from an address alone, as it is typed at the prompt."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mulle.data.sources.declare import files, http, lines, objects, sql
from mulle.errors import UsageError
from mulle.store.bucket import SCHEMES

if TYPE_CHECKING:
    from mulle.data.sources.port import Polled


def source_at(
    address: str,
    *,
    rows: str = "",
    cursor: str | None = None,
    format: str = "",  # noqa: A002 - the word that people use
    follow: bool = False,
    changed: Any = None,
    removed: Any = None,
) -> Polled:
    """The source of an address.

    Args:
        address: "-", a path, folder or glob, `http(s)://`, `s3://` (`gs://`, `az://`, `file://`), `postgresql://` or
            `sqlite:///`; the table of a database may follow it as `#orders`.
        rows: the table or query of a database.
        cursor: the column of a database that new rows rise in.
        format: "csv", "tsv" or "jsonl" of lines; of what a URL gives also the others.
        follow: the path is of one file that grows and is rotated.
        changed: what happens when a file, URL or object changed: "error" or "replace".
        removed: what happens when a file or object is gone: "error", "keep" or "replace".

    Raises:
        UsageError: what is given does not go together.
    """
    scheme = urlsplit(address).scheme.partition("+")[0]
    if scheme in ("postgresql", "postgres", "sqlite"):
        url, _, table = address.partition("#")
        if not (rows or table):
            raise UsageError(
                "which rows of the database?", cause="no table or query is named", cure="add --rows TABLE_OR_QUERY"
            )
        return sql(url, rows or table, cursor=cursor)
    if rows or cursor:
        raise UsageError(
            f"'{address}' has no {'cursor' if cursor else 'tables'}",
            cause="a cursor and a query are for databases",
            cure="leave it out, or give postgresql:// or sqlite:/// as the source",
        )
    if scheme in ("http", "https"):
        return http(address, format=format, **{"changed": changed} if changed else {})
    said = {name: word for name, word in (("changed", changed), ("removed", removed)) if word}
    if scheme in SCHEMES:
        return objects(address, **said)
    chosen: Any = format or None
    if address == "-" or (follow and not glob.has_magic(address) and not Path(address).is_dir()):
        return lines(address, format=chosen)
    return files(address, **said)
