"""What the crash tests cut short: every operation that writes objects, versions, working copies or remotes."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet  # noqa: F401 - once, not in every child

import mulle.store.bucket
import mulle.testing.schema
from mulle.catalog import Catalog, ledger
from mulle.clock import ClockIds, VirtualClock
from mulle.data import DataService
from mulle.hashing import digest_file
from mulle.store import LocalStore
from mulle.types import instant

mulle.testing.schema.import_all_tables()


@contextlib.contextmanager
def opened(root: Path, name: str = "here") -> Iterator[tuple[DataService, LocalStore]]:
    """The workspace `root/name`, made where it is missing."""
    folder = root / name / ".mulle"
    folder.mkdir(parents=True, exist_ok=True)
    clock = VirtualClock(instant("2013-01-01"))
    path = folder / "catalog.db"
    with contextlib.ExitStack() as stack:
        ids = ClockIds(clock, time.time_ns())
        make = Catalog.open if path.exists() else Catalog.create
        catalog = stack.enter_context(make(path, clock, ids, durable=False))
        store = stack.enter_context(LocalStore(folder, small=20_000, pack_limit=30_000))
        yield DataService(catalog, store, root / name), store


def table(seed: int, start: int = 0) -> pl.DataFrame:
    source = random.Random(seed)
    return pl.DataFrame({"id": range(start, start + 40), "text": [source.randbytes(40).hex() for _ in range(40)]})


def folder(path: Path, seed: int) -> Path:
    """Small files, and one that is an object of its own."""
    source = random.Random(seed)
    for number in range(6):
        file = path / str(number % 2) / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(source.randbytes(3_000))
    (path / "large.bin").write_bytes(source.randbytes(50_000))
    return path


def sound(root: Path, name: str = "here") -> None:
    """Everything stored is intact, everything named is there, and nothing is left half-written."""
    with opened(root, name) as (data, store):
        assert list(store.verify()) == []
        assert data.verify().damaged == []
        with data._catalog.read() as tx:
            ledger.verify(tx)


@dataclass(frozen=True)
class Case:
    """An operation on one workspace."""

    before: Callable[[DataService, Path], object]
    work: Callable[[DataService, Path], list[str]]

    def prepare(self, root: Path) -> None:
        with opened(root) as (data, _):
            self.before(data, root)

    def perform(self, root: Path) -> list[str]:
        with opened(root) as (data, _):
            return self.work(data, root)

    def check(self, root: Path) -> None:
        sound(root)


def _append(data: DataService, _: Path) -> list[str]:
    if data.head("t").rows == 40:
        data.commit("t", table(2, 40), key=["id"], append=True)
    return [data.head("t").logical]


def _change(data: DataService, _: Path) -> list[str]:
    changed = table(1).with_columns(
        pl.when(pl.col("id") == 7).then(pl.lit("x")).otherwise(pl.col("text")).alias("text")
    )
    return [data.commit("t", changed, key=["id"]).logical]


def _two_trees(data: DataService, root: Path) -> None:
    data.commit("f", folder(root / "files", 1))
    folder(root / "files", 2)


def _garbage(data: DataService, root: Path) -> None:
    for seed in range(4):
        data.commit("t", table(seed))
        data.commit("f", folder(root / "files", seed))
    for number in (1, 2, 3):
        data.rm(f"t@{number}")
        data.rm(f"f@{number}")


def _collect(data: DataService, _: Path) -> list[str]:
    for _again in range(2):
        data.gc(grace="0s")
    return sorted(data._store.digests())


def _contents(path: Path) -> list[str]:
    return [f"{file.relative_to(path)} {digest_file(file)}" for file in sorted(path.rglob("*")) if file.is_file()]


def _checkout(data: DataService, root: Path) -> list[str]:
    data.checkout("f@1", root / "out")
    return _contents(root / "out")


def _checkout_over(data: DataService, root: Path) -> list[str]:
    data.checkout("f@2", root / "files")
    return _contents(root / "files")


def _there_and_back(data: DataService, root: Path) -> None:
    _two_trees(data, root)
    data.commit("f", root / "files")
    data.checkout("f@1", root / "files")


class Pushing(Case):
    """Also what arrived must be whole: another workspace pulls it."""

    def check(self, root: Path) -> None:
        sound(root)
        with opened(root) as (data, _):
            there = [each.name for each in data.remotes.list(str(root / "remote"))] if _reached(root) else []
        for name in there:
            with opened(root, f"check-{os.getpid()}-{time.time_ns()}") as (other, store):
                other.pull(name, str(root / "remote"))
                assert other.verify().damaged == []
                assert list(store.verify()) == []


def _reached(root: Path) -> bool:
    return (root / "remote").exists()


def _push(data: DataService, root: Path) -> list[str]:
    for name in ("t", "f"):
        data.push(name, str(root / "remote"))
    return sorted(each.name for each in data.remotes.list(str(root / "remote")))


class Pulling(Case):
    """From a remote that another workspace has filled."""

    def prepare(self, root: Path) -> None:
        with opened(root, "origin") as (data, _):
            _some(data, root)
            _push(data, root)
        with opened(root):
            pass


def _some(data: DataService, root: Path) -> None:
    data.commit("t", table(1), key=["id"])
    data.commit("t", table(2, 40), key=["id"], append=True)
    data.commit("f", folder(root / "files", 1))


def _pull(data: DataService, root: Path) -> list[str]:
    for name in ("t", "f"):
        data.pull(name, str(root / "remote"))
    return [each.id for name in ("t", "f") for each in data.versions(name)]


OPERATIONS = {
    "commit": Case(lambda data, _: data.commit("t", table(0)), lambda data, _: [data.commit("t", table(1)).logical]),
    "append": Case(lambda data, _: data.commit("t", table(1), key=["id"]), _append),
    "update": Case(lambda data, _: data.commit("t", table(1), key=["id"]), _change),
    "add": Case(_two_trees, lambda data, root: [data.add("f", root / "files").tree]),
    "commit files": Case(_two_trees, lambda data, root: [data.commit("f", root / "files").logical]),
    "checkout": Case(_two_trees, _checkout),
    "checkout over": Case(_there_and_back, _checkout_over),
    "gc": Case(_garbage, _collect),
    "push": Pushing(_some, _push),
    "pull": Pulling(_some, _pull),
}
