from pathlib import Path

import pytest

from mulle.errors import StoreError
from mulle.store import LocalStore, ObjectStore
from mulle.testing.memory_store import MemoryStore
from mulle.testing.object_store import ObjectStoreContract


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
