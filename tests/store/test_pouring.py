"""Objects that are written piece by piece: the same as those that are put whole."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.errors import StoreError
from mulle.hashing import digest_bytes
from mulle.pipelines.checkpoint_folder import CheckpointFolder
from mulle.store import LocalStore
from mulle.store.files import Files
from mulle.store.pouring import Sink
from mulle.testing.faults import FaultyFiles


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_what_is_poured_in_pieces_has_the_digest_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("sink") / "file"
    with path.open("wb") as file, Sink(file.fileno(), Files()) as sink:
        for piece in pieces:
            assert sink.write(piece) == len(piece)
    assert (path.read_bytes(), sink.digest()) == (b"".join(pieces), digest_bytes(b"".join(pieces)))


def test_large_pieces_may_be_changed_when_they_are_written(tmp_path: Path) -> None:
    data = bytearray(random.Random(1).randbytes(9 << 20))
    whole = bytes(data)
    store = LocalStore(tmp_path / "ws")

    def write(sink: Sink) -> None:
        sink.write(data)
        data[:] = bytes(len(data))

    digest, size = store.put_written(write)
    assert (digest, size) == (digest_bytes(whole), len(whole))
    assert store.get(digest) == whole
    assert store.put(whole) == digest


@pytest.mark.parametrize("make", [LocalStore, lambda root: CheckpointFolder(root).__enter__()])
def test_what_breaks_while_it_is_written_leaves_nothing(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    def breaks(sink: Sink) -> None:
        sink.write(b"half")
        raise RuntimeError("the other half is missing")

    store = make(tmp_path / "ws")
    with pytest.raises(RuntimeError):
        store.put_written(breaks)
    assert not [path for path in (tmp_path / "ws").rglob("*") if path.is_file() and path.read_bytes() == b"half"]


@pytest.mark.parametrize("fail_at", range(1, 5))
def test_a_full_disk_is_told_and_nothing_is_half_there(tmp_path: Path, fail_at: int) -> None:
    files = FaultyFiles()
    store = LocalStore(tmp_path / "ws", files=files)
    files.calls, files.fail_at = 0, fail_at

    def write(sink: Sink) -> None:
        for _ in range(2):
            sink.write(bytes(3 << 20))

    with pytest.raises(StoreError, match="writing an object failed"):
        store.put_written(write)
    files.mend()
    assert list(store.digests()) == []
