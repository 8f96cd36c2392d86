from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest

from mulle.testing.postgresql import PASSWORD, PostgreSQL

pytestmark = pytest.mark.xdist_group("postgresql")


def test_a_server_asks_for_the_password_and_keeps_utf8(postgresql: PostgreSQL) -> None:
    with psycopg.connect(postgresql.new_database()) as connection:
        assert connection.execute("SELECT '물레'").fetchone() == ("물레",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgresql.url(password=PASSWORD[::-1]))


def test_every_database_is_its_own(postgresql: PostgreSQL) -> None:
    urls = [postgresql.new_database() for _ in range(2)]
    for url in urls:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE x (a int)")


def test_a_crash_of_the_server_is_recovered_from_and_leaves_nothing_behind() -> None:
    with PostgreSQL() as server:
        with psycopg.connect(server.url()) as connection:
            connection.execute("CREATE TABLE kept (a int)")
        server.stop(at_once=True)
        server.start()
        with psycopg.connect(server.url()) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        process, folder = server._process, server._folder
    assert process is not None
    for _ in range(100):
        if not Path(f"/proc/{process.pid}").exists():
            break
        time.sleep(0.05)
    assert not folder.exists()
