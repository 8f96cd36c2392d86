import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Table, func, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from mulle.catalog import Catalog
from mulle.clock import ClockIds, VirtualClock
from mulle.errors import CatalogError
from mulle.testing.kills import fork


def open_again(catalog: Catalog) -> Catalog:
    return Catalog.open(catalog.path, catalog.clock, catalog.ids, durable=False)


def test_what_was_written_is_read(catalog: Catalog, things: Table) -> None:
    with catalog.write() as tx:
        tx.execute(insert(things).values(name="a"))
    with catalog.read() as tx:
        assert tx.scalar(select(things.c.name)) == "a"


def test_what_was_written_is_there_when_opened_again(catalog: Catalog, things: Table) -> None:
    with catalog.write() as tx:
        tx.execute(insert(things).values(name="a"))
    with open_again(catalog) as again, again.read() as tx:
        assert tx.scalar(select(things.c.name)) == "a"


def test_an_exception_undoes_everything(catalog: Catalog, things: Table) -> None:
    with pytest.raises(ZeroDivisionError), catalog.write() as tx:  # noqa: PT012
        tx.execute(insert(things).values(name="a"))
        tx.event("thing:a")
        raise ZeroDivisionError
    with catalog.read() as tx:
        assert tx.scalar(select(func.count()).select_from(things)) == 0


def test_after_an_exception_others_may_write(catalog: Catalog, things: Table) -> None:
    with pytest.raises(ZeroDivisionError), catalog.write():
        raise ZeroDivisionError
    with catalog.write() as tx:
        tx.execute(insert(things).values(name="a"))


def test_a_reader_sees_one_state(catalog: Catalog, things: Table) -> None:
    count = select(func.count()).select_from(things)
    with catalog.read() as reader:
        before = reader.scalar(count)
        with open_again(catalog) as other, other.write() as tx:
            tx.execute(insert(things).values(name="a"))
        assert reader.scalar(count) == before


def test_a_reader_cannot_write(catalog: Catalog, things: Table) -> None:
    with pytest.raises(CatalogError) as caught, catalog.read() as tx:
        tx.execute(insert(things).values(name="a"))
    assert caught.value.cure


def test_a_write_within_a_write_is_refused(catalog: Catalog) -> None:
    with pytest.raises(CatalogError, match="open in this thread already"), catalog.write(), catalog.write():
        pass


def test_a_violated_constraint_is_the_programmers_business(catalog: Catalog, things: Table) -> None:
    with pytest.raises(IntegrityError), catalog.write() as tx:
        tx.execute(insert(things), [{"name": "a"}, {"name": "a"}])


def test_threads_wait_for_each_other(catalog: Catalog, things: Table) -> None:
    def add(first: int) -> None:
        for number in range(20):
            with catalog.write() as tx:
                tx.execute(insert(things).values(name=f"{first}-{number}"))
                tx.event(f"thing:{first}-{number}")

    threads = [threading.Thread(target=add, args=(first,)) for first in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with catalog.read() as tx:
        assert tx.scalar(select(func.count()).select_from(things)) == 100


def test_a_forked_child_may_write(catalog: Catalog, things: Table) -> None:
    child = fork()
    if child == 0:
        with catalog.write() as tx:
            tx.execute(insert(things).values(name="child"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with catalog.read() as tx:
        assert tx.scalar(select(things.c.name)) == "child"


WAITING = """
import sys
from pathlib import Path
from mulle.catalog import Catalog
from mulle.clock import ClockIds, SystemClock
with Catalog.open(Path(sys.argv[1]), SystemClock(), ClockIds(SystemClock())) as catalog:
    print("waiting", flush=True)
    with catalog.write() as tx:
        print(tx.connection.exec_driver_sql("SELECT name FROM test_thing").scalar())
"""


def test_another_process_waits_for_a_transaction(catalog: Catalog, things: Table) -> None:
    command = [sys.executable, "-c", WAITING, str(catalog.path)]
    with catalog.write() as tx:
        other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert other.stdout.readline() == "waiting\n"
        time.sleep(0.05)
        tx.execute(insert(things).values(name="first"))
    assert other.communicate()[0] == "first\n"


def test_a_fork_has_what_was_there(catalog: Catalog, things: Table, tmp_path: Path, clock: VirtualClock) -> None:
    with catalog.write() as tx:
        tx.execute(insert(things).values(name="a"))
    with catalog.fork(tmp_path / "fork.db", clock, ClockIds(clock)) as fork, fork.read() as tx:
        assert tx.scalar(select(things.c.name)) == "a"


def test_a_fork_leaves_the_original_alone(catalog: Catalog, things: Table, tmp_path: Path, clock: VirtualClock) -> None:
    with catalog.fork(tmp_path / "fork.db", clock, ClockIds(clock)) as fork, fork.write() as tx:
        tx.execute(insert(things).values(name="a"))
    with catalog.read() as tx:
        assert tx.one(select(things)) is None


def test_a_fork_may_be_written_while_the_original_is(
    catalog: Catalog, tmp_path: Path, clock: VirtualClock, things: Table
) -> None:
    with catalog.fork(tmp_path / "fork.db", clock, ClockIds(clock)) as fork, catalog.write() as tx:
        tx.execute(insert(things).values(name="a"))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_write_something, fork, things).result(timeout=5)


def _write_something(catalog: Catalog, things: Table) -> None:
    with catalog.write() as tx:
        tx.execute(insert(things).values(name="a"))


def test_creating_twice_is_an_error(catalog: Catalog) -> None:
    with pytest.raises(CatalogError, match="already"):
        Catalog.create(catalog.path, catalog.clock, catalog.ids)


def test_a_creation_that_was_cut_short_may_be_repeated(tmp_path: Path, clock: VirtualClock) -> None:
    path = tmp_path / "catalog.db"
    path.touch()
    Catalog.create(path, clock, ClockIds(clock), durable=False).close()
    Catalog.open(path, clock, ClockIds(clock)).close()


def test_opening_nothing_is_an_error(tmp_path: Path, clock: VirtualClock) -> None:
    with pytest.raises(CatalogError) as caught:
        Catalog.open(tmp_path / "catalog.db", clock, ClockIds(clock))
    assert caught.value.cure == "mulle init"


@pytest.mark.parametrize("content", [b"", b"this is no database, but it is long enough to be looked at" * 100])
def test_opening_what_is_no_catalog_is_an_error(tmp_path: Path, clock: VirtualClock, content: bytes) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(content)
    with pytest.raises(CatalogError) as caught:
        Catalog.open(path, clock, ClockIds(clock))
    assert caught.value.cure


NEWER = """
import sys
from pathlib import Path
from mulle.catalog import Catalog
from mulle.clock import ClockIds, SystemClock
from mulle.errors import CatalogError
try:
    Catalog.open(Path(sys.argv[1]), SystemClock(), ClockIds(SystemClock()))
except CatalogError as error:
    print(error.cure, "alembic" in sys.modules)
"""


def test_a_newer_catalog_is_refused_before_alembic_is_loaded(catalog: Catalog) -> None:
    connection = sqlite3.connect(catalog.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    done = subprocess.run([sys.executable, "-c", NEWER, catalog.path], capture_output=True, text=True, check=True)
    assert done.stdout == "pip install --upgrade mulle False\n"


def test_a_full_disk_is_an_error_with_a_cure(catalog: Catalog, things: Table) -> None:
    with pytest.raises(CatalogError) as caught, catalog.write() as tx:  # noqa: PT012
        tx.connection.exec_driver_sql("PRAGMA max_page_count = 1")
        tx.execute(insert(things), [{"name": f"{number:0500}"} for number in range(1000)])
    assert "free space" in str(caught.value.cure)


def test_after_a_full_disk_nothing_is_half_written(catalog: Catalog, things: Table) -> None:
    with pytest.raises(CatalogError), catalog.write() as tx:  # noqa: PT012
        tx.event("thing:lost")
        tx.connection.exec_driver_sql("PRAGMA max_page_count = 1")
        tx.execute(insert(things), [{"name": f"{number:0500}"} for number in range(1000)])
    with open_again(catalog) as again, again.read() as tx:
        assert tx.one(select(things)) is None


def test_a_mistaken_statement_is_the_programmers_business(catalog: Catalog) -> None:
    with pytest.raises(OperationalError), catalog.read() as tx:
        tx.connection.exec_driver_sql("SELECT nothing FROM nowhere")


@pytest.mark.parametrize("intact", [100, 8192])
def test_a_damaged_file_is_an_error_with_a_cure(catalog: Catalog, things: Table, intact: int) -> None:
    with catalog.write() as tx:
        tx.execute(insert(things), [{"name": f"{number:0500}"} for number in range(1000)])
    catalog._readers.dispose()
    catalog._writer.dispose()
    content = bytearray(catalog.path.read_bytes())
    content[intact:] = random.Random(7).randbytes(len(content) - intact)
    catalog.path.write_bytes(content)
    with pytest.raises(CatalogError) as caught, open_again(catalog) as again, again.read() as tx:
        tx.all(select(things))
    assert "restore catalog.db from a backup" in str(caught.value.cure)


def test_a_durable_catalog_syncs_each_commit(tmp_path: Path, clock: VirtualClock) -> None:
    with (
        Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock)) as catalog,
        catalog.write() as tx,
    ):
        assert tx.connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert tx.connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
