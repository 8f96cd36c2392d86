import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import s3
from tests.server_process import serving

from mulle.errors import StoreError
from mulle.hashing import digest_bytes
from mulle.store import LocalStore, ObjectStore
from mulle.store.bucket import Bucket
from mulle.store.cloud import CloudStore
from mulle.store.http import ServerStore
from mulle.testing.memory_store import MemoryStore
from mulle.testing.object_store import SIZES, Collecting, ObjectStoreContract, SweepableContract


class TestLocalStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return LocalStore(tmp_path / "workspace")


class TestLocalStoreOfTinyPacks(ObjectStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return LocalStore(tmp_path / "workspace", durable=False, small=1000, pack_limit=2000)


class TestMemoryStore(ObjectStoreContract):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return MemoryStore()


class TestCloudStoreInAFolder(ObjectStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return CloudStore(Bucket(str(tmp_path / "remote")), tmp_path / "cache")


class TestCloudStoreOfTinyPacksInMemory(ObjectStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return CloudStore(Bucket("memory:"), tmp_path / "cache", small=1000, pack_limit=2000)


@s3.GROUP
class TestCloudStoreOnS3(ObjectStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        server = s3.gateway()
        bucket = Bucket(f"{server.bucket()}/pre/fix?endpoint={server.endpoint}", environment=server.environment())
        return CloudStore(bucket, tmp_path / "cache")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server") / "project") as url:
        yield url


class TestServerStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, server: str, tmp_path: Path) -> ObjectStore:
        return ServerStore(server, tmp_path / "cache", piece=1 << 20)

    def test_putting_twice_stores_once(self, store: ObjectStore) -> None:
        """The server is that of all these tests."""
        store.put(b"twice")
        store.put(b"twice")
        assert list(store.digests()).count(digest_bytes(b"twice")) == 1

    def test_lists_every_object_once(self, store: ObjectStore) -> None:
        put = {store.put(os.urandom(size)) for size in SIZES}
        listed = list(store.digests())
        assert len(listed) == len(set(listed))
        assert put <= set(listed)


def test_a_damaged_object_in_memory_is_an_error() -> None:
    store = MemoryStore()
    digest = store.put(b"sound")
    store.damage(digest)
    with pytest.raises(StoreError, match="damaged"):
        store.get(digest)


def test_a_damaged_object_in_memory_is_found() -> None:
    store = MemoryStore()
    digest = store.put(b"sound")
    store.damage(digest)
    assert [damage.digest for damage in store.verify()] == [digest]


class TestSweepingALocalStore(SweepableContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Collecting]:
        with LocalStore(tmp_path / "workspace", durable=False) as store:
            yield store


class TestSweepingALocalStoreOfTinyPacks(SweepableContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Collecting]:
        with LocalStore(tmp_path / "workspace", durable=False, small=1000, pack_limit=2000) as store:
            yield store


class TestSweepingAMemoryStore(SweepableContract):
    alone = True

    @pytest.fixture
    def store(self) -> Collecting:
        return MemoryStore()
