"""What gc keeps and what it frees, by every kind of reference a workspace has."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import mulle.testing.schema
from mulle.catalog import Catalog, ledger, metadata
from mulle.catalog.digests import digests_named
from mulle.clock import ClockIds, SystemClock
from mulle.data import DataService, parts
from mulle.data.gc import GcReport
from mulle.errors import DataError, StoreError, UsageError
from mulle.hashing import to_raw
from mulle.store import LocalStore, condemned, put_tree

mulle.testing.schema.import_all_tables()


class Place:
    """A workspace's folder, opened as a process opens it."""

    def __init__(self, root: Path) -> None:
        clock = SystemClock()
        self.root = root
        root.mkdir(exist_ok=True)
        self.catalog = Catalog.create(root / "catalog.db", clock, ClockIds(clock), durable=False)
        self.open()

    def open(self) -> None:
        self.store = LocalStore(self.root, durable=False)
        self.data = DataService(self.catalog, self.store, self.root.parent)

    def reopen(self) -> None:
        self.store.close()
        parts.forget()
        self.open()

    def gc(self, grace: str = "0s", **options: object) -> GcReport:
        self.reopen()
        return self.data.gc(grace=grace, **options)  # type: ignore[arg-type]

    def age(self, days: float = 3) -> None:
        then = time.time() - days * 86400
        for path in (*self.root.glob("packs/*.pack"), *self.root.glob("objects/*/*")):
            os.utime(path, (then, then))
        generation, marks = condemned.load(self.root)
        older = {raw: mark._replace(at=mark.at - int(days * 86400e6)) for raw, mark in marks.items()}
        if older:
            condemned.save(self.root, generation, older, self.store._files)

    def disk(self) -> int:
        """What `du` says of the stored objects."""
        found = subprocess.run(
            ["du", "-sb", self.root / "packs", self.root / "objects"], check=True, capture_output=True, text=True
        )
        return sum(int(line.split()[0]) for line in found.stdout.splitlines())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / ".mulle")
    yield made
    made.store.close()
    made.catalog.close()


def noise(seed: int, rows: int = 2000) -> pl.DataFrame:
    source = random.Random(seed)
    return pl.DataFrame({"id": list(range(rows)), "text": [source.randbytes(100).hex() for _ in range(rows)]})


def folder_of(path: Path, seed: int, files: int = 20, size: int = 5_000) -> Path:
    source = random.Random(seed)
    for number in range(files):
        file = path / f"{number % 3}" / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(source.randbytes(size))
    return path


def test_every_version_is_kept(place: Place, tmp_path: Path) -> None:
    for seed in range(3):
        place.data.commit("table", noise(seed))
    place.data.commit("table", noise(9).with_columns(pl.col("id") + 10_000), append=True)
    for seed in range(2):
        place.data.commit("files", folder_of(tmp_path / "files", seed))
    place.gc()
    place.gc()
    place.reopen()
    assert place.data.verify().damaged == []
    assert place.data.read("table@1").equals(noise(0))
    assert place.data.read("table").height == 4000


def test_removed_versions_free_their_space(place: Place) -> None:
    place.data.commit("table", noise(0))
    one = place.disk()
    for seed in range(1, 5):
        place.data.commit("table", noise(seed))
    five = place.disk()
    assert five > 4.5 * one
    for number in range(1, 5):
        place.data.rm(f"table@{number}")
    assert place.disk() == five
    report = place.gc()
    assert report.freed.bytes > 3.5 * one
    assert place.disk() < 1.1 * one
    assert place.data.read("table").equals(noise(4))
    assert place.data.verify().damaged == []


def test_a_removed_dataset_of_large_and_small_files_frees_its_space(place: Place, tmp_path: Path) -> None:
    place.data.commit("kept", noise(0))
    before = place.disk()
    folder = folder_of(tmp_path / "files", 1)
    (folder / "large").write_bytes(os.urandom(3_000_000))
    place.data.commit("files", folder)
    place.data.rm("files", force=True)
    for path in (place.root / "working").glob("*"):
        path.unlink()
    place.gc()
    assert place.disk() < before + 20_000


def test_the_default_takes_two_runs_and_the_grace(place: Place) -> None:
    place.data.commit("table", noise(0))
    place.data.commit("table", noise(1))
    place.data.rm("table@1")
    assert place.gc("24h").young.objects > 0
    place.age()
    assert place.gc("24h").condemned.objects > 0
    assert place.gc("24h").waiting.objects > 0
    place.age()
    assert place.gc("24h").freed.objects > 0


def test_what_is_condemned_comes_back_with_the_same_data(place: Place) -> None:
    place.data.commit("table", noise(0))
    place.data.commit("table", noise(1))
    place.data.rm("table@1")
    place.age()
    assert place.gc("24h").condemned.objects > 0
    place.reopen()
    place.data.commit("table", noise(0))
    place.age()
    assert place.gc("24h").freed.objects == 0
    assert place.data.read("table").equals(noise(0))


def test_a_dry_run_tells_the_same_and_does_nothing(place: Place) -> None:
    place.data.commit("table", noise(0))
    place.data.commit("table", noise(1))
    place.data.rm("table@1")
    before = place.disk()
    planned = place.gc(dry_run=True)
    assert place.disk() == before
    done = place.gc()
    assert (planned.freed.objects, planned.freed.bytes) == (done.freed.objects, done.freed.bytes)
    assert planned.kinds == done.kinds
    assert set(planned.kinds) == {"manifest of a table", "part of a table"}


def test_why_gives_the_chain_of_references(place: Place, tmp_path: Path) -> None:
    version = place.data.commit("files", folder_of(tmp_path / "files", 0))
    file = place.data.objects(version)[-1]
    for path in (place.root / "working").glob("*"):
        path.unlink()
    chain = place.gc(why=file[:20]).why
    assert chain[0] == file
    assert chain[-2] == version.digest
    assert chain[-1] == "dataset_version(files, 1).digest"


def test_why_of_what_nothing_keeps_is_empty(place: Place) -> None:
    dead = place.store.put(b"dead")
    assert place.gc(why=dead).why == []
    assert place.store.has(dead)


def test_why_of_an_unclear_prefix_is_refused(place: Place) -> None:
    with pytest.raises(UsageError, match="nothing that is reachable"):
        place.gc(why="b3:00")


def test_a_negative_grace_is_refused(place: Place) -> None:
    with pytest.raises(UsageError, match="negative"):
        place.gc("-1h")


def test_the_ledger_tells_what_was_deleted(place: Place) -> None:
    place.store.put(b"dead")
    place.gc()
    with place.catalog.read() as tx:
        assert ledger.verify(tx).count == 1


def test_nothing_to_do_leaves_no_event(place: Place) -> None:
    place.gc()
    with place.catalog.read() as tx:
        assert ledger.verify(tx).count == 0


def test_a_profile_goes_with_what_it_is_about(place: Place) -> None:
    place.data.commit("table", noise(0))
    place.data.commit("table", noise(1))
    place.data.profile("table@1")
    place.data.profile("table@2")
    place.data.rm("table@1")
    place.gc()
    kept = set(place.store.digests())
    assert place.data.profile("table@2").rows == 2000
    assert set(place.store.digests()) == kept


def test_a_damaged_manifest_stops_gc_before_it_deletes(place: Place) -> None:
    version = place.data.commit("table", noise(0))
    path = next((place.root / "packs").iterdir())
    place.store.close()
    path.write_bytes(path.read_bytes().replace(b'"kind":"table"', b'"kind":"tabel"'))
    before = place.disk()
    with pytest.raises(StoreError, match="gc cannot tell what") as caught:
        place.gc()
    assert version.digest in caught.value.message
    assert place.disk() == before


def test_a_stage_that_was_added_is_kept(place: Place, tmp_path: Path) -> None:
    place.data.add("files", folder_of(tmp_path / "files", 0))
    assert place.gc().freed.objects == 0
    place.data.commit("files", tmp_path / "files")
    assert place.data.verify().damaged == []


def test_a_digest_in_any_column_is_a_reference(place: Place) -> None:
    folder = place.root.parent / "tree"
    folder_of(folder, 1)
    tree, text = put_tree(place.store, folder), place.store.put(b"named within a text")
    dead = place.store.put(b"named by nobody" * 10_000)
    with place.catalog.write() as tx:
        row = {"owner": "run", "name": "folder", "digest": tree, "kind": "tree", "bytes": 1}
        tx.execute(metadata.tables["run_artifact"].insert().values(**row))
        tx.execute(
            metadata.tables["run_param"]
            .insert()
            .values(owner="run", key="from", value={"see": [f"object:{text}, and more"]})
        )
    with place.catalog.read() as tx:
        named = dict(digests_named(tx))
    assert named[to_raw(tree)] == "run_artifact(run, folder).digest"
    place.gc()
    assert place.store.has(text)
    assert not place.store.has(dead)
    assert list(place.store.verify()) == []


def test_history_alone_keeps_nothing(place: Place) -> None:
    dead = place.store.put(b"only told of")
    with place.catalog.write() as tx:
        tx.event("x", {"digest": dead})
        tx.node("object", f"object:{dead}", dead)
    place.gc()
    assert not place.store.has(dead)


def test_facts_that_are_not_in_the_catalog_yet_keep_their_objects(place: Place) -> None:
    kept = place.store.put(b"an artifact")
    spool = place.root / "spool" / "metrics"
    spool.mkdir(parents=True)
    (spool / "worker-00000001.seg").write_bytes(b"MULLESPL" + b"\x95\xa1a\xa3own\xa1n\xd9C" + kept.encode())
    place.gc()
    assert place.store.has(kept)


def test_an_object_that_names_others_keeps_them(place: Place) -> None:
    one = place.store.put(b"one")
    two = place.store.put(b'{"one": "%s"}' % one.encode())
    three = place.store.put(b'[{"two": "%s"}]' % two.encode())
    with place.catalog.write() as tx:
        row = {"owner": "run", "name": "x", "digest": three, "kind": "file", "bytes": 1}
        tx.execute(metadata.tables["run_artifact"].insert().values(**row))
    place.gc()
    assert all(map(place.store.has, (one, two, three)))


def test_a_store_without_gc_says_so(place: Place) -> None:
    class Bare:
        pass

    with pytest.raises(StoreError, match="does not collect garbage"):
        DataService(place.catalog, Bare()).gc()  # type: ignore[arg-type]


def test_the_objects_of_a_refused_commit_are_garbage(place: Place) -> None:
    place.data.commit("table", noise(0), key=["id"])
    size = place.disk()
    with pytest.raises(DataError):
        place.data.commit("table", noise(0), key=["id"], append=True)
    place.gc()
    assert place.disk() <= size


def test_gc_of_another_process_while_this_one_commits(place: Place) -> None:
    """Real processes: nothing that a row names is ever lost."""
    script = Path(__file__).with_name("gc_process.py")
    together = [
        subprocess.Popen([sys.executable, script, place.root, role, str(seed)])
        for seed, role in enumerate(["commit", "commit", "files", "files", "gc", "gc"])
    ]
    assert [process.wait(200) for process in together] == [0] * 6
    place.reopen()
    assert place.data.verify().damaged == []
    place.gc()
    assert place.data.verify().damaged == []
