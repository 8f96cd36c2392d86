import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from mulle.catalog import Catalog, metadata, migrate, version
from mulle.clock import ClockIds, VirtualClock
from mulle.errors import CatalogError
from mulle.testing.schema import import_all_tables


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    sqlite3.connect(tmp_path / "catalog.db").close()
    return tmp_path / "catalog.db"


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    return names


def test_the_migrations_make_what_the_planes_declare(empty: Path) -> None:
    """When this fails: python scripts/make_migration.py."""
    import_all_tables()
    migrate.upgrade(empty)
    engine = sa.create_engine(f"sqlite:///{empty}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        changes = [change for change in compare_metadata(context, metadata) if "test_" not in str(change)]
    engine.dispose()
    assert changes == []


def test_a_migrated_catalog_opens(empty: Path, clock: VirtualClock) -> None:
    migrate.upgrade(empty)
    with Catalog.open(empty, clock, ClockIds(clock)) as catalog, catalog.write() as tx:
        tx.event("migrated")


def test_the_migrations_can_be_taken_back(empty: Path) -> None:
    migrate.upgrade(empty)
    migrate.downgrade(empty, "base")
    assert tables(empty) == {"alembic_version"}


def test_a_backup_is_made_before(catalog: Catalog) -> None:
    with catalog.write() as tx:
        tx.event("precious")
    catalog.close()
    backup = migrate.downgrade(catalog.path, "base")
    connection = sqlite3.connect(backup)
    assert connection.execute("SELECT subject FROM event").fetchall() == [("precious",)]
    connection.close()


def test_a_failed_migration_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE event (in_the_way TEXT)")
    connection.close()
    with pytest.raises(CatalogError, match="could not be migrated"):
        migrate.upgrade(path)
    assert tables(path) == {"event"}


def test_a_created_catalog_says_which_revision_it_is(catalog: Catalog) -> None:
    with catalog.read() as tx:
        assert tx.connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == version.REVISION
    assert version.schema_version(catalog.path) == version.SCHEMA_VERSION


def test_an_older_catalog_is_brought_up_to_date(
    empty: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.upgrade(empty)
    monkeypatch.setattr(version, "SCHEMA_VERSION", 2)
    with Catalog.open(empty, clock, ClockIds(clock)) as catalog:
        assert catalog.path.with_suffix(".v1.backup").exists()
