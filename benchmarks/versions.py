"""Versions of a table of about 1 GB: what a second version adds to the store, and what writing and reading it costs.

Beside plain Parquet files, DVC (where `scripts/install_dvc.sh` has put it), which keeps whole files, and Delta tables
by deltalake. The store is durable; a plain file is synced too. The CPU seconds are the figures to trust on a machine
that does something else as well.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
from benchmarks.harness import Cost, Figure, line, publish

import mulle.data.tables  # noqa: F401 - declares the tables
from mulle.catalog import Catalog
from mulle.clock import ClockIds, system_clock
from mulle.data import DataService, parts
from mulle.store import LocalStore

ROWS = 9_000_000
DVC = Path(".venv/peers/dvc/bin/dvc").absolute()


def table(rows: int, seed: int = 0) -> pl.DataFrame:
    """Twelve columns: numbers that do not repeat, numbers that do, names and unlike text; 102 bytes a row."""
    draw = np.random.default_rng(seed)
    numbers = {f"f{place}": draw.normal(size=rows) for place in range(6)}
    counts = {f"n{place}": draw.integers(0, 1000, rows) for place in range(3)}
    names = pl.Series(draw.integers(0, 100_000, rows)).cast(pl.String).str.pad_start(8, "n")
    text = pl.Series(np.arange(rows) * 7 + seed).cast(pl.String).str.pad_start(14, "t")
    return pl.DataFrame({"id": np.arange(rows) + seed * 10**9, **numbers, **counts, "name": names, "text": text})


def appended(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    return pl.concat([rows, table(rows.height // 100, seed)])


def contiguous(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    at, count = rows.height // 3, rows.height // 100
    return pl.concat([rows.head(at), table(count, seed + 100), rows.slice(at + count)])


def scattered(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """One row in a hundred has two other cells."""
    mine = pl.col("id") % 100 == seed % 100
    f0 = pl.when(mine).then(pl.col("f0") + seed).otherwise("f0")
    return rows.with_columns(f0=f0, name=pl.when(mine).then(pl.lit(f"other {seed}")).otherwise("name"))


def deleted(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    return rows.filter(pl.col("id") % 100 != seed % 100)


CHANGES: dict[str, tuple[Callable[[pl.DataFrame, int], pl.DataFrame], float]] = {
    "1 % appended": (appended, 0.015),
    "1 % contiguous": (contiguous, 0.015),
    "1 % scattered by key": (scattered, 0.03),
    "1 % deleted by key": (deleted, 0.015),
}


def measured(call: Callable[[], Any]) -> tuple[Cost, Any]:
    cpu, start = time.process_time(), time.perf_counter()
    result = call()
    return Cost(time.perf_counter() - start, time.process_time() - cpu), result


def size_of(folder: Path) -> int:
    """The bytes of what is stored, without databases, which are caches or hold names."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and ".db" not in path.name)


class Bench:
    """One table in one workspace, and a plain file beside it."""

    def __init__(self, root: Path, rows: int, n: int) -> None:
        clock = system_clock()
        self.root = root
        self.n = n
        self.store = LocalStore(root / "store")
        self.data = DataService(Catalog.create(root / "catalog.db", clock, ClockIds(clock)), self.store, root)
        self.first = table(rows)
        self.plain = root / "plain.parquet"
        self.figures: list[Figure] = []

    def write_plain(self, rows: pl.DataFrame) -> None:
        rows.write_parquet(self.plain)
        with self.plain.open("rb") as file:
            os.fsync(file.fileno())

    def commit(self, rows: pl.DataFrame) -> Any:
        return self.data.commit("t", rows, key=["id"])

    def add(self, made: Figure) -> None:
        print(line(made), made.note, flush=True)
        self.figures.append(made)

    def run(self) -> None:
        plain, _ = measured(lambda: self.write_plain(self.first))
        ours, _ = measured(lambda: self.commit(self.first))
        self.size = size_of(self.root / "store")
        self.add(figure("first version committed", [ours], [plain], "a Parquet file"))
        self.add(self.read("first version read", self.first))
        for name, (change, most) in CHANGES.items():
            self.change(name, change, most)

    def change(self, name: str, change: Callable[[pl.DataFrame, int], pl.DataFrame], most: float) -> None:
        ours, theirs, shares = [], [], []
        for turn in range(self.n):
            rows = change(self.first, turn + 1)
            self.data.advance("t", 1)
            before = size_of(self.root / "store")
            theirs.append(measured(lambda rows=rows: self.write_plain(rows))[0])  # type: ignore[misc]
            ours.append(measured(lambda rows=rows: self.commit(rows))[0])  # type: ignore[misc]
            shares.append((size_of(self.root / "store") - before) / self.size)
        share = statistics.median(shares)
        made = figure(f"{name}: committed, and what it adds", ours, theirs, "a Parquet file anew")
        told = f"adds {share:.2%} of the first version"
        self.add(
            msgspec.structs.replace(
                made, bytes_ratio=share, budget=most, measure="bytes_ratio", met=share <= most, note=told
            )
        )
        self.add(self.read(f"{name}: read back", rows))
        if "key" in name:
            cost, found = measured(lambda: self.data.diff("t@1", "t"))
            assert found.rows.changed + found.rows.removed == len(range(self.n % 100, self.first.height, 100))
            self.add(figure(f"{name}: diff of both versions", [cost], [], ""))

    def read(self, name: str, rows: pl.DataFrame) -> Figure:
        self.write_plain(rows)
        ours, theirs = [], []
        for turn in range(self.n + 1):
            parts.forget()
            cost, found = measured(lambda: self.data.read("t"))
            assert turn or found.equals(rows)
            del found
            other, found = measured(lambda: pl.read_parquet(self.plain))
            del found
            if turn:
                ours.append(cost)
                theirs.append(other)
        made = figure(name, ours, theirs, "a Parquet file read")
        assert made.cpu_ratio is not None
        return msgspec.structs.replace(made, budget=1.5, measure="cpu_ratio", met=made.cpu_ratio <= 1.5)


def figure(name: str, ours: list[Cost], theirs: list[Cost], baseline: str) -> Figure:
    walls, cpus = [cost.wall for cost in ours], [cost.cpu for cost in ours]
    made = Figure(
        name=name,
        n=len(ours),
        wall=statistics.median(walls),
        cpu=statistics.median(cpus),
        wall_low=min(walls),
        wall_high=max(walls),
    )
    if not theirs:
        return made
    wall, cpu = (statistics.median(getattr(cost, kind) for cost in theirs) for kind in ("wall", "cpu"))
    ratios = {"wall_ratio": made.wall / wall, "cpu_ratio": made.cpu / cpu}
    return msgspec.structs.replace(made, baseline=baseline, baseline_wall=wall, baseline_cpu=cpu, **ratios)


def with_dvc(root: Path, first: pl.DataFrame) -> list[Figure]:
    """The scattered change as DVC keeps it: the whole file again."""
    if not DVC.exists():
        return []
    home = root / "dvc"
    home.mkdir()
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}

    def dvc(*words: str) -> Cost:
        before, start = os.times(), time.perf_counter()
        subprocess.run([DVC, *words], cwd=home, env=environment, check=True, capture_output=True)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Cost(time.perf_counter() - start, cpu)

    dvc("init", "--no-scm", "-q")
    first.write_parquet(home / "t.parquet")
    dvc("add", "-q", "t.parquet")
    size = size_of(home / ".dvc" / "cache")
    (home / "t.parquet").unlink()
    scattered(first, 1).write_parquet(home / "t.parquet")
    again = dvc("add", "-q", "t.parquet")
    share = (size_of(home / ".dvc" / "cache") - size) / size
    shutil.rmtree(home)
    return [_other("DVC: 1 % scattered, added", again, share)]


def with_delta(root: Path, first: pl.DataFrame) -> list[Figure]:
    """The scattered change in a Delta table: overwritten, and merged by key from the changed rows alone."""
    from deltalake import DeltaTable, write_deltalake  # noqa: PLC0415 - an extra

    home = root / "delta"
    write_deltalake(home, first.to_arrow())
    size = size_of(home)
    rows = scattered(first, 1)
    anew, _ = measured(lambda: write_deltalake(home, rows.to_arrow(), mode="overwrite"))
    whole = (size_of(home) - size) / size
    shutil.rmtree(home)
    write_deltalake(home, first.to_arrow())
    size = size_of(home)
    few = rows.filter(pl.col("id") % 100 == 1)

    def merge() -> None:
        merger = DeltaTable(home).merge(few.to_arrow(), "t.id = s.id", source_alias="s", target_alias="t")
        merger.when_matched_update_all().execute()

    merged, _ = measured(merge)
    share = (size_of(home) - size) / size
    shutil.rmtree(home)
    return [
        _other("deltalake: 1 % scattered, overwritten", anew, whole),
        _other("deltalake: 1 % scattered, merged by key", merged, share),
    ]


def _other(name: str, cost: Cost, share: float) -> Figure:
    told = f"adds {share:.0%} of the first version"
    return msgspec.structs.replace(figure(name, [cost], [], ""), bytes_ratio=share, note=told)


def main(words: list[str] | None = None) -> list[Figure]:
    """Measure and publish."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("-n", type=int, default=3)
    given = parser.parse_args(words or [])
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), given.rows, given.n)
        bench.run()
        figures = [*bench.figures, *with_dvc(Path(folder), bench.first), *with_delta(Path(folder), bench.first)]
    publish("versions", figures, rows=given.rows, bytes=int(bench.first.estimated_size()))
    return figures


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
