from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mulle.data import DataService, manifest, parts
from mulle.data.manifest import FilesManifest
from mulle.hashing import digest_bytes
from mulle.store.tree import reachable
from mulle.testing.memory_store import MemoryStore
from mulle.types import Digest


@pytest.fixture
def photos(data: DataService, tmp_path: Path) -> Any:
    """Two versions of a tree of four files, of which the second differs in one."""
    for name in ("a.bin", "deep/b.bin", "deep/er/c.bin", "d.bin"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    first = data.commit("photos", tmp_path / "photos")
    (tmp_path / "photos" / "a.bin").write_text("other")
    return first, data.commit("photos", tmp_path / "photos")


def lose(store: MemoryStore, digest: str) -> None:
    del store._objects[Digest(digest)]


def found(data: DataService) -> list[tuple[str, str, str]]:
    parts.forget()
    manifest._decoded.clear()
    return [(each.ref, each.path, each.digest) for each in data.verify().damaged]


def test_sound_data_is_sound(data: DataService, photos: Any) -> None:
    report = data.verify()
    assert (report.damaged, report.versions) == ([], 2)
    assert report.objects == 2 + 2 + 2 + 5  # manifests, roots, the folders below, files


@pytest.mark.parametrize("harm", [MemoryStore.damage, lose])
def test_a_file_is_named_by_version_and_path(data: DataService, store: MemoryStore, photos: Any, harm: Any) -> None:
    digest = digest_bytes(b"deep/er/c.bin")
    harm(store, digest)
    assert found(data) == [("photos@2", "deep/er/c.bin", digest)]


def test_a_file_that_only_an_old_version_has_is_named_by_that(
    data: DataService, store: MemoryStore, photos: Any
) -> None:
    digest = digest_bytes(b"a.bin")
    store.damage(digest)
    assert found(data) == [("photos@1", "a.bin", digest)]


def test_a_folder_is_named_and_the_rest_is_still_looked_at(data: DataService, store: MemoryStore, photos: Any) -> None:
    held = manifest.load(store, photos[1].digest)
    assert isinstance(held, FilesManifest)
    nodes = [each.digest for each in reachable(store, held.tree) if each.is_node]
    other = digest_bytes(b"d.bin")
    store.damage(nodes[1])
    store.damage(other)
    assert {(ref, path) for ref, path, _ in found(data)} == {("photos@2", "d.bin"), ("photos@2", "deep/")}


@pytest.mark.parametrize("harm", [MemoryStore.damage, lose])
def test_every_object_of_a_table_is_looked_at(data: DataService, store: MemoryStore, harm: Any) -> None:
    for number in range(40):
        version = data.commit("x", pl.DataFrame({"x": [number]}), append=True)
    changed = data.read("x").with_columns(x=pl.when(pl.col("x") == 3).then(-3).otherwise(pl.col("x")))
    version = data.commit("x", changed)
    for digest in data.objects(version):
        kept = store._objects[Digest(digest)]
        harm(store, Digest(digest))
        assert digest in [each for _, _, each in found(data)]
        store._objects[Digest(digest)] = kept
    assert found(data) == []


def test_what_no_version_needs_is_told_too(data: DataService, store: MemoryStore, photos: Any) -> None:
    digest = store.put(b"of nobody")
    store.damage(digest)
    assert found(data) == [("", "", digest)]
