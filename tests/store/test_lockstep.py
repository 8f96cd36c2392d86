"""The local store and the one in memory, driven side by side: whatever is done, they answer alike."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from mulle.errors import StoreError
from mulle.store import LocalStore, pack
from mulle.testing.memory_store import MemoryStore
from mulle.testing.soak import repeat
from mulle.types import Digest

SMALL, LIMIT = 200, 600
data = st.one_of(st.binary(max_size=40), st.integers(0, 400).map(lambda size: b"x" * size))


class Stores(RuleBasedStateMachine):
    digests = Bundle("digests")

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.memory = MemoryStore()
        self.local = self.open()
        self.other = self.open()

    def open(self) -> LocalStore:
        return LocalStore(self.root, durable=False, small=SMALL, pack_limit=LIMIT)

    def teardown(self) -> None:
        self.local.close()
        self.other.close()
        shutil.rmtree(self.root)

    @rule(target=digests, data=data)
    def put(self, data: bytes) -> Digest:
        assert self.local.put(data) == self.memory.put(data)
        return self.memory.put(data)

    @rule(target=digests, data=data)
    def put_by_the_other(self, data: bytes) -> Digest:
        assert self.other.put(data) == self.memory.put(data)
        return self.memory.put(data)

    @rule(target=digests, data=data)
    def put_file(self, data: bytes) -> Digest:
        path = self.root / "file"
        path.write_bytes(data)
        assert self.local.put_file(path) == self.memory.put_file(path)
        return self.memory.put(data)

    @rule(digest=digests)
    def get(self, digest: Digest) -> None:
        assert self.local.get(digest) == self.other.get(digest) == self.memory.get(digest)

    @rule(digest=digests)
    def path(self, digest: Digest) -> None:
        assert self.other.path(digest).read_bytes() == self.memory.get(digest)

    @rule(digest=digests)
    def size(self, digest: Digest) -> None:
        assert self.other.size(digest) == self.memory.size(digest)

    @rule()
    def flush(self) -> None:
        self.local.flush()

    @rule()
    def reopen(self) -> None:
        self.local.close()
        self.local = self.open()

    @rule()
    def forget_the_cache(self) -> None:
        (self.root / "packs.db").unlink(missing_ok=True)

    @rule()
    def tear(self) -> None:
        """A writer dies in the middle of a record."""
        self.local.close()
        self.local = self.open()
        for path in (self.root / "packs").glob("*.pack"):
            if path.name != self.other._writer.name and _is_whole(path):
                with path.open("ab") as file:
                    file.write(b"OBJ1\x20\x00\x00\x00" + os.urandom(20))

    @rule(target=digests, digest=consumes(digests))
    def damage(self, digest: Digest) -> Digest:
        """An object in a file of its own is damaged, seen to be, and put again."""
        path = self.root / "objects" / digest[3:5] / digest[3:]
        if not path.exists():
            return digest
        path.chmod(0o644)
        path.write_bytes(b"damaged")
        try:
            self.local.get(digest)
        except StoreError:
            self.local.put(self.memory.get(digest))
        else:
            raise AssertionError("damage went unseen")
        return digest

    @rule(target=digests)
    def nothing(self) -> object:
        return multiple()

    @invariant()
    def same_objects(self) -> None:
        assert sorted(self.local.digests()) == sorted(self.memory.digests()) == sorted(self.other.digests())


def _is_whole(path: Path) -> bool:
    """Whether a pack is open and ends with a whole record."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        entries = list(pack.scan(file.fileno(), 0, size))
        return (pack.end_of(entries[-1]) if entries else pack.HEADER.size) == size


TestStores = pytest.mark.soak(Stores.TestCase)
TestStores.settings = settings(max_examples=repeat(25, 1000), stateful_step_count=30, deadline=None)
