"""The catalog on SQLite: many readers, one writer at a time, nobody ever turned away."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from mulle.catalog import tables as _tables  # noqa: F401 - its tables belong to every catalog
from mulle.catalog import version
from mulle.catalog.columns import metadata
from mulle.catalog.filesystem import refuse_network
from mulle.catalog.lock import WriteLock
from mulle.catalog.tx import Tx
from mulle.catalog.version import raise_for
from mulle.clock import Clock, Ids
from mulle.errors import CatalogError

_BUSY_SECONDS = 60.0


class Catalog:
    """A workspace's database. Safe to use from several threads and processes.

    A write transaction is durable when its block ends (unless the catalog is not durable: forks, tests); an exception
    inside the block undoes it whole. Keep user code and I/O out of the block: other writers wait.
    """

    def __init__(self, path: Path, clock: Clock, ids: Ids, *, durable: bool = True) -> None:
        """Use `create`, `open` or `fork` instead."""
        self.path = path
        self.clock = clock
        self.ids = ids
        self.durable = durable
        self._lock = WriteLock(path.with_suffix(".lock"))
        self._pid = os.getpid()
        self._readers = _engine(path, durable=durable, writable=False)
        self._writer = _engine(path, durable=durable, writable=True)

    @classmethod
    def create(cls, path: Path, clock: Clock, ids: Ids, *, durable: bool = True) -> Catalog:
        """A new database with every table that the imported planes declare.

        Raises:
            CatalogError: there is one already, or the file system is a network one.
        """
        refuse_network(path.parent)
        catalog = cls(path, clock, ids, durable=durable)
        try:
            catalog._make()
        except BaseException:
            catalog.close()
            raise
        return catalog

    def _make(self) -> None:
        """All tables in one transaction: a creation that is cut short leaves an empty database, and may be repeated."""
        with self._lock.held(), self._writer.connect() as connection, _explained(self.path):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            if connection.exec_driver_sql("PRAGMA user_version").scalar():
                raise CatalogError(
                    f"there is a catalog at {self.path} already", cause="a workspace is here", cure="mulle runs"
                )
            metadata.create_all(connection, checkfirst=False)
            stamp(connection)
            connection.commit()

    @classmethod
    def open(cls, path: Path, clock: Clock, ids: Ids, *, durable: bool = True) -> Catalog:
        """An existing database; one of an older mulle is brought up to date, under a backup.

        Raises:
            CatalogError: there is none, it is from a newer mulle, or on a network file system.
        """
        found = version.check(path)
        refuse_network(path.parent)
        if found < version.SCHEMA_VERSION:
            from mulle.catalog.migrate import upgrade  # noqa: PLC0415 - start-up time: Alembic is needed once a release

            upgrade(path)
        return cls(path, clock, ids, durable=durable)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A transaction that sees one consistent state and changes nothing."""
        with _explained(self.path), self._engine(self._readers).connect() as connection:
            _driver(connection).execute("BEGIN")
            yield Tx(connection, self.clock.now(), self.ids, writable=False)

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction that commits at the end of the block; waits for other writers, never fails for them."""
        with self._lock.held(), _explained(self.path), self._engine(self._writer).connect() as connection:
            driver = _driver(connection)
            driver.execute("BEGIN IMMEDIATE")
            tx = Tx(connection, self.clock.now(), self.ids, writable=True)
            yield tx
            tx.finish()
            driver.execute("COMMIT")

    def fork(self, path: Path, clock: Clock, ids: Ids) -> Catalog:
        """A copy of the present state at `path`, with its own clock; not durable, meant to be thrown away."""
        with _explained(self.path), self._engine(self._readers).connect() as connection:
            source = _driver(connection)
            target = sqlite3.connect(path)
            try:
                target.execute("PRAGMA synchronous = OFF")
                source.backup(target)
            finally:
                target.close()
        return Catalog(path, clock, ids, durable=False)

    def close(self) -> None:
        """Let go of the files."""
        self._engine(self._readers).dispose()
        self._engine(self._writer).dispose()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _engine(self, engine: Engine) -> Engine:
        if self._pid != os.getpid():  # after a fork: SQLite's connections must not be shared with the parent
            self._pid = os.getpid()
            self._readers.dispose(close=False)
            self._writer.dispose(close=False)
        return engine


def _engine(path: Path, *, durable: bool, writable: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        connection.execute("PRAGMA foreign_keys = ON")
        if not writable:
            connection.execute("PRAGMA query_only = ON")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=4, max_overflow=-1)


def _driver(connection: Connection) -> sqlite3.Connection:
    """SQLite's own connection: beginning and ending on it costs a tenth of what it costs through SQLAlchemy."""
    found: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return found


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the machine did to the database into an error with a cure; programming errors pass through."""
    try:
        yield
    except DBAPIError as error:
        raise_for(path, error.orig)
        raise
    except sqlite3.Error as error:
        raise_for(path, error)
        raise


def stamp(connection: Connection) -> None:
    """Record which schema the database has now, for us and for Alembic."""
    connection.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
    )
    connection.exec_driver_sql("DELETE FROM alembic_version")
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (version.REVISION,))
    connection.exec_driver_sql(f"PRAGMA user_version = {version.SCHEMA_VERSION}")
