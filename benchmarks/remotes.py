"""Push and pull over a real S3 server: seconds, and bytes on the wire; beside DVC with dvc-s3 where it is installed.

The server is Ceph's gateway on this machine, in memory; a relay between it and the clients counts what passes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from benchmarks.harness import MULLE, Cost, Figure, command, publish

from mulle.testing.ceph import Gateway, missing_programs
from mulle.testing.wire import Relay

FILES, SIZE, FOLDERS = 20_000, 4096, 200
ROWS = 200_000
CHANGED = 0.01
DVC = Path(sys.executable).parent / ".." / "peers" / "dvc" / "bin" / "dvc"
N = int(os.environ.get("MULLE_BENCH_N", "3"))


class Wire:
    """A bucket of its own on the server, reached through a relay that counts."""

    def __init__(self, server: Gateway, relay: Relay) -> None:
        self.bucket = server.bucket()
        self.environment = {**os.environ, **server.environment(), "AWS_ENDPOINT_URL": relay.url}
        self._relay = relay

    def counted(self, call: Callable[[], Cost]) -> tuple[Cost, int]:
        """What the call cost, and the bytes that passed both ways."""
        before = self._relay.sent + self._relay.received
        cost = call()
        return cost, self._relay.sent + self._relay.received - before


def make_files(folder: Path, seed: int) -> None:
    """Many small files that cannot be compressed."""
    draw = np.random.default_rng(seed)
    for number in range(FILES):
        path = folder / f"d{number % FOLDERS:03}" / f"f{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw.bytes(SIZE))


def change_files(folder: Path, seed: int) -> None:
    """One in a hundred is another one."""
    draw = np.random.default_rng(seed)
    for number in draw.choice(FILES, int(FILES * CHANGED), replace=False):
        (folder / f"d{number % FOLDERS:03}" / f"f{number:05}").write_bytes(draw.bytes(SIZE))


def rows(start: int, count: int) -> pl.DataFrame:
    """Rows of a table with a key."""
    draw = np.random.default_rng(start)
    numbers = {f"number_{place}": draw.normal(size=count) for place in range(8)}
    return pl.DataFrame(
        {"key": np.arange(start, start + count), "text": [f"row {each}" for each in range(count)], **numbers}
    )


Round = dict[str, tuple[Cost, int]]


def mulle_files(wire: Wire, scratch: Path, source: Path) -> Round:
    """Push, change and push, clone, change and pull: a tree of files."""
    ann, ben = _workspace(scratch / "ann"), _workspace(scratch / "ben")
    copy = scratch / "copy"
    shutil.copytree(source, copy)

    def mulle(folder: Path, *words: str | Path) -> Callable[[], Cost]:
        return command([MULLE, "-C", folder, "data", *words, "--json"], env=wire.environment)

    mulle(ann, "commit", "images", copy)()
    found = {"push": wire.counted(mulle(ann, "push", "images", wire.bucket))}
    found["pull"] = wire.counted(mulle(ben, "pull", "images", wire.bucket))
    found["push, nothing new"] = wire.counted(mulle(ann, "push", "images", wire.bucket))
    change_files(copy, 2)
    mulle(ann, "commit", "images", copy)()
    found["push 1 %"] = wire.counted(mulle(ann, "push", "images", wire.bucket))
    found["pull 1 %"] = wire.counted(mulle(ben, "pull", "images", wire.bucket))
    found |= _table(wire, mulle, ann, ben)
    return found


def _table(wire: Wire, mulle: Callable[..., Callable[[], Cost]], ann: Path, ben: Path) -> Round:
    rows(0, ROWS).write_parquet(ann / "first.parquet")
    rows(ROWS, int(ROWS * CHANGED)).write_parquet(ann / "more.parquet")
    mulle(ann, "commit", "table", ann / "first.parquet", "--key", "key")()
    found = {"table: push": wire.counted(mulle(ann, "push", "table", wire.bucket))}
    mulle(ann, "commit", "table", ann / "more.parquet", "--append")()
    found["table: push 1 %"] = wire.counted(mulle(ann, "push", "table", wire.bucket))
    found["table: pull"] = wire.counted(mulle(ben, "pull", "table", wire.bucket))
    return found


def dvc_files(wire: Wire, scratch: Path, source: Path) -> Round:
    """The same with DVC: its cache and its remote, without git."""
    ann, ben = scratch / "dvc-ann", scratch / "dvc-ben"

    def dvc(folder: Path, *words: str) -> Callable[[], Cost]:
        return command([DVC, *words, "-q"], cwd=folder, env={**wire.environment, "DVC_NO_ANALYTICS": "1"})

    for folder in (ann, ben):
        folder.mkdir(parents=True)
        dvc(folder, "init", "--no-scm")()
        dvc(folder, "remote", "add", "-d", "origin", f"{wire.bucket}/dvc")()
        dvc(folder, "remote", "modify", "origin", "endpointurl", wire.environment["AWS_ENDPOINT_URL"])()
    shutil.copytree(source, ann / "images")
    dvc(ann, "add", "images")()
    found = {"push": wire.counted(dvc(ann, "push"))}
    shutil.copy(ann / "images.dvc", ben)
    found["pull"] = wire.counted(dvc(ben, "pull"))
    found["push, nothing new"] = wire.counted(dvc(ann, "push"))
    change_files(ann / "images", 2)
    dvc(ann, "add", "images")()
    found["push 1 %"] = wire.counted(dvc(ann, "push"))
    shutil.copy(ann / "images.dvc", ben)
    found["pull 1 %"] = wire.counted(dvc(ben, "pull"))
    return found


def _workspace(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "mulle.toml").touch()
    return folder


def main() -> list[Figure]:
    """Measure and publish; nothing where the server is not installed."""
    if missing_programs():
        print(f"not installed: {', '.join(missing_programs())} (scripts/install_ceph.sh)")
        return []
    has_dvc = DVC.exists() and _has_s3()
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        make_files(source, 1)
        for number in range(N):
            with Gateway(Path(folder) / f"s3-{number}") as server, Relay(server.endpoint) as relay:
                ours.append(mulle_files(Wire(server, relay), Path(folder) / f"mulle-{number}", source))
                if has_dvc:
                    theirs.append(dvc_files(Wire(server, relay), Path(folder) / f"dvc-{number}", source))
            for each in (f"mulle-{number}", f"dvc-{number}"):
                shutil.rmtree(Path(folder) / each, ignore_errors=True)
    figures = [_figure(name, ours, theirs) for name in ours[0]]
    publish("remotes", figures, files=FILES, size=SIZE, rows=ROWS)
    return figures


def _has_s3() -> bool:
    words = [DVC.parent / "python", "-c", "import dvc_s3"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _figure(name: str, ours: list[Round], theirs: list[Round]) -> Figure:
    """The medians of one step, beside DVC's; of a second push, its share of the first one's bytes."""
    size = _median([each[name][1] for each in ours])
    told = f"{name}: {size / 1e6:.2f} MB on the wire"
    there = [each[name] for each in theirs if name in each]
    if there:
        told += f" (DVC {_median([size for _, size in there]) / 1e6:.2f} MB)"
    walls = [each[name][0].wall for each in ours]
    cpu = _median([each[name][0].cpu for each in ours])
    figure = Figure(name=told, n=len(ours), wall=_median(walls), cpu=cpu, wall_low=min(walls), wall_high=max(walls))
    if there:
        wall, other = _median([cost.wall for cost, _ in there]), _median([cost.cpu for cost, _ in there])
        figure = msgspec.structs.replace(
            figure,
            baseline="DVC",
            baseline_wall=wall,
            baseline_cpu=other,
            wall_ratio=figure.wall / wall,
            cpu_ratio=figure.cpu / other,
        )
    first = name.replace(" 1 %", "")
    if "push 1 %" in name:
        ratio = size / _median([each[first][1] for each in ours])
        figure = msgspec.structs.replace(
            figure, bytes_ratio=ratio, budget=0.05, measure="bytes_ratio", met=ratio <= 0.05
        )
        figure = msgspec.structs.replace(figure, name=f"{told}, {ratio:.1%} of the first")
    return figure


def _median(values: list[float] | list[int]) -> float:
    return float(np.median(values))
