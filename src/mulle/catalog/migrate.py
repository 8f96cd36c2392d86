"""Schema migrations by Alembic: loaded only when a database is older than this mulle."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from mulle.catalog import version
from mulle.catalog.lock import WriteLock
from mulle.errors import CatalogError

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(path: Path, revision: str = version.REVISION) -> Path:
    """Bring the database to a revision, all or nothing, and return the backup that was made before.

    Raises:
        CatalogError: a migration failed; the database is as it was.
    """
    return _migrate(path, revision, "upgrade")


def downgrade(path: Path, revision: str) -> Path:
    """Take the database back to an earlier revision, all or nothing, and return the backup that was made before."""
    return _migrate(path, revision, "downgrade")


def _migrate(path: Path, revision: str, direction: str) -> Path:
    lock = WriteLock(path.with_suffix(".lock"))
    try:
        with lock.held():
            backup = _back_up(path)
            _run(path, revision, direction)
            return backup
    except Exception as error:
        raise CatalogError(
            f"the catalog could not be migrated to revision {revision}",
            cause=f"{type(error).__name__}: {error}",
            cure="report it with the text above; the database is unchanged",
        ) from error
    finally:
        lock.close()


def _back_up(path: Path) -> Path:
    backup = path.with_suffix(f".v{version.schema_version(path)}.backup")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    return backup


def _run(path: Path, revision: str, direction: str) -> None:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        getattr(command, direction)(config, revision)
        at = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        number = int(str(at).split("_", maxsplit=1)[0]) if at else 0
        connection.exec_driver_sql(f"PRAGMA user_version = {number}")
        connection.commit()
