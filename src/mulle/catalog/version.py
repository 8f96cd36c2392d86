"""Which schema a database file has, and what the machine did to it, found without loading SQLAlchemy or Alembic."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from mulle.errors import CatalogError

SCHEMA_VERSION = 1
REVISION = "0001"
"""The Alembic revision that makes SCHEMA_VERSION."""


def schema_version(path: Path) -> int:
    """The schema version stamped into the database (0: none).

    Raises:
        CatalogError: there is no database, or it is not one.
    """
    if not path.is_file():
        raise CatalogError(f"there is no catalog at {path}", cause="this is no workspace yet", cure="mulle init")
    try:
        connection = sqlite3.connect(path, timeout=60)
        try:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise_for(path, error)
        raise CatalogError(
            f"{path} cannot be read as a database", cause=str(error), cure=f"restore {path.name} from a backup"
        ) from error


def check(path: Path) -> int:
    """The schema version, when this mulle can work with it.

    Raises:
        CatalogError: the database was made by a newer mulle.
    """
    version = schema_version(path)
    if version == 0:
        raise CatalogError(
            f"{path} holds no catalog",
            cause="its creation was cut short, or it is another program's file",
            cure="mulle init",
        )
    if version > SCHEMA_VERSION:
        raise CatalogError(
            f"the workspace is from a newer mulle: its catalog has schema version {version}",
            cause=f"this mulle knows schema versions up to {SCHEMA_VERSION}",
            cure="pip install --upgrade mulle",
        )
    return version


def raise_for(path: Path, error: Any) -> None:
    """Raise a CatalogError for a full disk, a failing disk, a damaged or read-only file; return for anything else."""
    cures = {
        "SQLITE_FULL": f"free space on the disk of {path.parent}, then repeat the command; nothing was half-written",
        "SQLITE_IOERR": f"free space on the disk of {path.parent} (`df -h`) or check that disk, then repeat the command"
        "; nothing was half-written",
        "SQLITE_CORRUPT": f"restore {path.name} from a backup: the file is damaged",
        "SQLITE_NOTADB": f"restore {path.name} from a backup: the file is no database",
        "SQLITE_READONLY": f"make {path} and its folder writable for this user",
        "SQLITE_CANTOPEN": f"make {path} and its folder readable and writable for this user",
    }
    name = str(getattr(error, "sqlite_errorname", ""))
    for prefix, cure in cures.items():
        if name.startswith(prefix):
            raise CatalogError(f"the catalog {path} cannot be used", cause=str(error), cure=cure) from error
