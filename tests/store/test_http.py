from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.data.remotes.people import Person, serving

from mulle.clock import VirtualClock
from mulle.errors import StoreError, UsageError
from mulle.hashing import digest_bytes
from mulle.store.connection import Connection
from mulle.store.http import ServerStore


@pytest.fixture
def host(tmp_path: Path) -> Person:
    """Whose server it is."""
    return Person(tmp_path / "host", VirtualClock(datetime(2026, 1, 1, tzinfo=UTC)))


def test_what_arrived_of_a_large_object_is_not_sent_again(host: Person, tmp_path: Path) -> None:
    data = os.urandom(5_000_000)
    (tmp_path / "file").write_bytes(data)
    arriving = host.root / "tmp" / "incoming" / digest_bytes(data)[3:]
    arriving.parent.mkdir(parents=True)
    arriving.write_bytes(data[:4_000_000])
    with host, serving(host) as url:
        store = ServerStore(url, tmp_path / "cache", piece=100_000)
        store.send_file(digest_bytes(data), tmp_path / "file")
        assert store.sent == 1_000_000
        assert host.store.get(digest_bytes(data)) == data


def test_an_object_that_arrived_whole_but_was_not_kept_is_settled(host: Person, tmp_path: Path) -> None:
    data = os.urandom(5_000_000)
    (tmp_path / "file").write_bytes(data)
    arriving = host.root / "tmp" / "incoming" / digest_bytes(data)[3:]
    arriving.parent.mkdir(parents=True)
    arriving.write_bytes(data)
    with host, serving(host) as url:
        ServerStore(url, tmp_path / "cache", piece=100_000).send_file(digest_bytes(data), tmp_path / "file")
        assert host.store.get(digest_bytes(data)) == data
    assert not arriving.exists()


def test_a_file_that_is_not_what_its_digest_says_is_refused_there(host: Person, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(5_000_000))
    with host, serving(host) as url:
        store = ServerStore(url, tmp_path / "cache")
        with pytest.raises(StoreError, match="these bytes are not"):
            store.send_file(digest_bytes(b"what it was"), tmp_path / "file")
        assert list(host.store.digests()) == []


def test_waiting_gets_longer_until_it_gives_up() -> None:
    slept: list[float] = []
    with pytest.raises(StoreError, match="does not answer"):
        Connection("http://127.0.0.1:9", sleep=slept.append).ask("GET", "/")
    assert slept == [0.2, 0.4, 0.8, 1.6]


@pytest.mark.parametrize("url", ["ftp://x", "http://", "nothing"])
def test_what_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no server"):
        Connection(url)
