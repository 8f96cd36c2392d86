"""Versions of many files and of a large one, beside DVC and beside what the disk and the hash allow, in the same run.

`python -m benchmarks.files --files 100000 --rounds 3` (`--cold` also empties the page cache before each command, where
that is permitted). DVC is in an environment of its own (`scripts/install_dvc.sh`). Each round takes turns: mulle, DVC.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil
from benchmarks.harness import MULLE, Cost, Figure, command, publish

DVC = Path(".venv/peers/dvc/bin/dvc").absolute()
SIZE = 4096
FOLDER = 1000
READ = """
import os, sys
from blake3 import blake3
root, parts, part = sys.argv[1], int(sys.argv[2]), int(sys.argv[4])
for name in sorted(os.listdir(root))[part::parts]:
    folder = os.path.join(root, name)
    for file in os.listdir(folder):
        fd = os.open(os.path.join(folder, file), os.O_RDONLY)
        blake3(os.read(fd, 1 << 20)).digest()
        os.close(fd)
"""
LOOK = """
import os, sys
for name in os.listdir(sys.argv[1]):
    with os.scandir(os.path.join(sys.argv[1], name)) as entries:
        for each in entries:
            each.stat()
"""
WRITE = """
import os, sys
root, parts, target, part = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
data = os.urandom(4096)
for name in sorted(os.listdir(root))[part::parts]:
    os.makedirs(os.path.join(target, name))
    for file in os.listdir(os.path.join(root, name)):
        fd = os.open(os.path.join(target, name, file), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(fd, data)
        os.close(fd)
"""
COPY = """
import os, sys
from blake3 import blake3
hasher = blake3()
with open(sys.argv[1], "rb", buffering=0) as source, open(sys.argv[2], "wb", buffering=0) as target:
    while piece := source.read(1 << 20):
        hasher.update(piece)
        target.write(piece)
    os.fdatasync(target.fileno())
"""


@dataclass
class World:
    """A folder of files, a mulle project and a DVC repository beside it, each with a copy of the files."""

    root: Path
    count: int
    cold: bool
    random: random.Random = field(default_factory=lambda: random.Random(7))

    def make(self) -> None:
        """Write the files; both tools then see the same ones."""
        for number in range(self.count):
            folder = self.root / "files" / f"{number // FOLDER:04d}"
            if number % FOLDER == 0:
                folder.mkdir(parents=True)
            (folder / f"{number % FOLDER:04d}.bin").write_bytes(self.random.randbytes(SIZE))

    def begin(self, tool: str) -> Path:
        """A fresh project of one tool with its copy of the files in `data/`."""
        home = self.root / tool
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        shutil.copytree(self.root / "files", home / "data")
        if tool == "dvc":
            subprocess.run([DVC, "init", "-q", "--no-scm"], cwd=home, check=True)
            subprocess.run([DVC, "config", "core.analytics", "false"], cwd=home, check=True)
        else:
            (home / "mulle.toml").write_text('[project]\nname = "bench"\n')
        return home

    def change(self, home: Path, share: float, seed: int) -> None:
        """Give this part of the files other bytes; at least one."""
        chance = random.Random(seed)
        for number in chance.sample(range(self.count), max(1, int(self.count * share))):
            path = home / "data" / f"{number // FOLDER:04d}" / f"{number % FOLDER:04d}.bin"
            path.write_bytes(chance.randbytes(SIZE))

    def settle(self) -> None:
        """Before each command: what was written is on the disk, and, where asked for, the cache is empty."""
        os.sync()
        time.sleep(0.1)
        if self.cold:
            Path("/proc/sys/vm/drop_caches").write_text("3")


class Peak:
    """The largest memory of this process's children together while the block runs, in bytes."""

    def __init__(self) -> None:
        self.bytes = 0
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._over.wait(0.1):
            total = 0
            for child in me.children(recursive=True):
                try:
                    memory = child.memory_full_info()
                    total += memory.pss
                except psutil.Error:
                    continue
            self.bytes = max(self.bytes, total)


STEPS = ("add", "status, nothing changed", "add after 1 change", "add after 1 % changed", "checkout, 1 % differ",
         "checkout of everything")  # fmt: skip
COMMIT = "commit of what was added"
Costs = dict[str, list[Cost]]


def timed(world: World, costs: Costs, step: str, arguments: Sequence[str | Path], home: Path) -> None:
    """Run one command and note what it cost."""
    world.settle()
    costs.setdefault(step, []).append(command(arguments, cwd=home)())


def mulle_round(world: World, costs: Costs, seed: int) -> None:
    """All steps with mulle. A commit after each add makes the version; its time is told too."""
    home = world.begin("mulle")
    add = [MULLE, "data", "add", "images", "data"]
    commit = [MULLE, "data", "commit", "images", "data", "-m", "a version"]
    command([MULLE, "data", "list"], cwd=home)()  # makes the workspace
    timed(world, costs, STEPS[0], add, home)
    timed(world, costs, COMMIT, commit, home)
    timed(world, costs, STEPS[1], [MULLE, "data", "status", "images", "data"], home)
    world.change(home, 0, seed)
    timed(world, costs, STEPS[2], add, home)
    command(commit, cwd=home)()
    world.change(home, 0.01, seed + 1)
    timed(world, costs, STEPS[3], add, home)
    command(commit, cwd=home)()
    timed(world, costs, STEPS[4], [MULLE, "data", "checkout", "images@2", "data"], home)
    shutil.rmtree(home / "data")
    timed(world, costs, STEPS[5], [MULLE, "data", "checkout", "images@3", "data"], home)


def dvc_round(world: World, costs: Costs, seed: int) -> None:
    """All steps with DVC."""
    home = world.begin("dvc")
    add = [DVC, "add", "-q", "data"]
    timed(world, costs, STEPS[0], add, home)
    timed(world, costs, STEPS[1], [DVC, "status"], home)
    world.change(home, 0, seed)
    timed(world, costs, STEPS[2], add, home)
    pointer = (home / "data.dvc").read_bytes()
    world.change(home, 0.01, seed + 1)
    timed(world, costs, STEPS[3], add, home)
    last = (home / "data.dvc").read_bytes()
    (home / "data.dvc").write_bytes(pointer)
    timed(world, costs, STEPS[4], [DVC, "checkout", "-q"], home)
    shutil.rmtree(home / "data")
    (home / "data.dvc").write_bytes(last)
    timed(world, costs, STEPS[5], [DVC, "checkout", "-q"], home)


def limits(world: World, costs: Costs) -> None:
    """What the machine asks for the least of it: reading and hashing the files, looking at them, writing them."""
    for name, program, processes in [("read", READ, 2), ("look", LOOK, 1), ("write", WRITE, 2)]:
        world.settle()
        before, start = os.times(), time.perf_counter()
        command = [sys.executable, "-c", program, world.root / "files", str(processes), world.root / "written"]
        running = [subprocess.Popen([*command, str(at)]) for at in range(processes)]
        if any(each.wait() for each in running):
            raise RuntimeError(f"what measures the limit of '{name}' failed")
        wall, after = time.perf_counter() - start, os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        costs.setdefault(name, []).append(Cost(wall, cpu))
        shutil.rmtree(world.root / "written", ignore_errors=True)


def middle(found: list[Cost], of: Callable[[Cost], float]) -> float:
    """The median of one figure."""
    return statistics.median(of(cost) for cost in found)


def figure(name: str, ours: list[Cost], theirs: list[Cost], baseline: str, budget: float, *, note: str = "") -> Figure:
    """Ours beside a baseline; the budget is of the ratio of wall times."""
    wall, cpu = middle(ours, lambda cost: cost.wall), middle(ours, lambda cost: cost.cpu)
    their_wall, their_cpu = middle(theirs, lambda cost: cost.wall), middle(theirs, lambda cost: cost.cpu)
    return Figure(
        name=name,
        n=len(ours),
        wall=wall,
        cpu=cpu,
        wall_low=min(cost.wall for cost in ours),
        wall_high=max(cost.wall for cost in ours),
        baseline=baseline,
        baseline_wall=their_wall,
        baseline_cpu=their_cpu,
        wall_ratio=wall / their_wall,
        cpu_ratio=cpu / their_cpu,
        budget=budget,
        measure="wall_ratio",
        met=wall / their_wall <= budget,
        note=note,
    )


def small_files(world: World, rounds: int) -> list[Figure]:
    """Every step, beside DVC, and the first add beside reading and hashing alone."""
    ours: Costs = {}
    theirs: Costs = {}
    physical: Costs = {}
    world.make()
    peaks = []
    for number in range(rounds):
        limits(world, physical)
        with Peak() as peak:
            mulle_round(world, ours, number * 10)
        with Peak() as other:
            dvc_round(world, theirs, number * 10)
        peaks.append((peak.bytes, other.bytes))
    where = f"{world.count:,} files of {SIZE} B{', cold' if world.cold else ''}"
    memory = f"peak memory {max(a for a, _ in peaks) >> 20} MiB, DVC {max(b for _, b in peaks) >> 20} MiB"
    shares = [0.1, 0.1, 0.1, 0.1, 0.1, 1 / 3]
    found = [figure(f"{where}: add", ours[STEPS[0]], physical["read"], "reading and BLAKE3, 2 processes", 2.0)]
    found += [
        figure(f"{where}: {step}", ours[step], theirs[step], "DVC 3.67.1", share, note=memory)
        for step, share in zip(STEPS, shares, strict=True)
    ]
    found += [
        figure(f"{where}: {STEPS[1]}", ours[STEPS[1]], physical["look"], "scandir and stat in Python", 3.0),
        figure(f"{where}: {STEPS[5]}", ours[STEPS[5]], physical["write"], "writing the same files, 2 processes", 1.5),
    ]
    found.append(figure(f"{where}: {COMMIT}", ours[COMMIT], theirs[STEPS[0]], "dvc add", 1.0))
    print(memory)
    return found


def large_file(root: Path, size: int, rounds: int) -> list[Figure]:
    """One large file: adding it, and adding it again with 1 % more at its end."""
    source = root / "large"
    with source.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    ours: list[Cost] = []
    copies: list[Cost] = []
    again: list[Cost] = []
    grown: list[float] = []
    for _ in range(rounds):
        home = root / "mulle-large"
        shutil.rmtree(home, ignore_errors=True)
        (home / "data").mkdir(parents=True)
        (home / "mulle.toml").write_text('[project]\nname = "bench"\n')
        shutil.copyfile(source, home / "data" / "large.bin")
        os.sync()
        copies.append(command([sys.executable, "-c", COPY, source, root / "copy"])())
        (root / "copy").unlink()
        os.sync()
        commit = [MULLE, "data", "commit", "images", "data", "-m", "a version"]
        ours.append(command(commit, cwd=home)())
        before = used(home / ".mulle")
        with (home / "data" / "large.bin").open("ab") as file:
            file.write(os.urandom(size // 100))
        os.sync()
        again.append(command(commit, cwd=home)())
        grown.append((used(home / ".mulle") - before) / size)
    name = f"a file of {size / 1e9:.1f} GB"
    note = f"the store grew by {statistics.median(grown):.2%}"
    print(note)
    return [
        figure(f"{name}: add", ours, copies, "BLAKE3 and copy, 1 process", 1 / 0.6),
        figure(
            f"{name}: add with 1 % more at its end", again, copies, "BLAKE3 and copy, 1 process", 1 / 0.6, note=note
        ),
    ]


def status_by_count(root: Path, counts: Sequence[int], rounds: int) -> list[Figure]:
    """`status` of an unchanged folder of more and more files; each figure's baseline is the count before it."""
    found: list[Figure] = []
    before: list[Cost] = []
    for count in counts:
        home = root / "status"
        home.mkdir()
        (home / "mulle.toml").write_text('[project]\nname = "bench"\n')
        for number in range(count):
            folder = home / "data" / f"{number // FOLDER:04d}"
            if number % FOLDER == 0:
                folder.mkdir(parents=True)
            (folder / f"{number % FOLDER:04d}.txt").write_bytes(b"%d" % number)
        command([MULLE, "data", "commit", "images", "data"], cwd=home)()
        costs = [command([MULLE, "data", "status", "images", "data"], cwd=home)() for _ in range(rounds)]
        name = f"status of {count:,} unchanged files"
        found.append(figure(name, costs, before or costs, "a tenth of the files" if before else "itself", 11.0))
        before = costs
        shutil.rmtree(home)
    return found


def used(folder: Path) -> int:
    """The length of all files of a store, without its scratch."""
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in {"tmp", "working"}
    )


def main(arguments: Sequence[str] = ()) -> list[Figure]:
    """Measure, and write `benchmarks/out/files.json`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=1 << 30, help="bytes of the large file; 0: none")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--status", type=int, nargs="*", default=[10_000, 100_000], help="count files for status")
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args(arguments)
    if not DVC.exists():
        subprocess.run(["sh", "scripts/install_dvc.sh"], check=True)
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="mulle-bench-") as folder:
        if options.files:
            found += small_files(World(Path(folder), options.files, options.cold), options.rounds)
        shutil.rmtree(Path(folder) / "dvc", ignore_errors=True)
        if options.large:
            found += large_file(Path(folder), options.large, options.rounds)
        found += status_by_count(Path(folder), options.status, options.rounds)
    publish("files", found)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
