"""Everything one does with data, in any order, with crashes in between: what is reachable reads back, garbage goes.

A model in plain dicts says what every version must read. Two "processes" (each with a store and a lease of its own)
work on one workspace; either may die in the middle of any file operation.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import mulle.testing.schema
from mulle.catalog import Catalog, ledger
from mulle.clock import ClockIds, VirtualClock
from mulle.data import DataService, branches, manifest, parts
from mulle.data.gc import collect_garbage
from mulle.data.model import Version
from mulle.data.reach import Reach
from mulle.errors import DataError, MulleError, StoreError
from mulle.hashing import to_raw
from mulle.store import LocalStore, condemned, leases
from mulle.store.files import Files
from mulle.store.leases import Lease
from mulle.testing.crashes import everywhere
from mulle.testing.faults import FaultyFiles
from mulle.testing.soak import repeat

mulle.testing.schema.import_all_tables()

Content = dict[Any, Any]
"""The rows of a table by key, or the bytes of files by path."""
TABLES, FOLDERS = ["t", "u"], ["f"]
rows = st.dictionaries(st.integers(0, 12), st.sampled_from("abcd"), min_size=1, max_size=6)
files = st.dictionaries(
    st.sampled_from(["a", "b", "d/a", "d/b", "d/e/c"]),
    st.one_of(st.binary(max_size=20), st.integers(0, 5).map(lambda n: bytes([n]) * 2_500)),
    min_size=1,
    max_size=4,
)
which = st.integers(0, 1)
places = st.integers(0, 10_000)


class Death(BaseException):
    """The process dies here."""


class Dying(FaultyFiles):
    """From one file operation on, nothing is done any more: the process is dead."""

    def _fails(self) -> bool:
        if super()._fails():
            raise Death
        return False


class Process:
    """A store and the data plane over it, as a process of its own has them."""

    def __init__(self, root: Path, catalog: Catalog) -> None:
        self.store = LocalStore(root / ".mulle", durable=False, small=2_000, pack_limit=6_000)
        leases.let_go(self.store._lease)
        self.store._lease = self.lease = Lease(root / ".mulle", Files())
        self.data = DataService(catalog, self.store, root)

    def end(self) -> None:
        self.store._writer.close()
        self.store._index.close()
        self.lease.release()


def frame(content: Content) -> pl.DataFrame:
    return pl.DataFrame({"k": list(content), "v": list(content.values())}, schema={"k": pl.Int64, "v": pl.String})


def merged(base: Content, ours: Content, theirs: Content) -> Content | None:
    """What both sides changed; None where they changed the same differently."""
    found: Content = {}
    for key in {*base, *ours, *theirs}:
        was, mine, other = base.get(key), ours.get(key), theirs.get(key)
        if mine != other and was not in (mine, other):
            return None
        kept = other if mine == was else mine
        if kept is not None:
            found[key] = kept
    return found


class Workspace(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="mulle-machine-"))
        (self.root / ".mulle").mkdir()
        clock = VirtualClock(datetime(2013, 1, 1, tzinfo=UTC))
        ids = ClockIds(clock, seed=0)
        self.catalog = Catalog.create(self.root / ".mulle" / "catalog.db", clock, ids, durable=False)
        self.processes = [Process(self.root, self.catalog) for _ in range(2)]
        self.versions: dict[str, dict[int, Content]] = {}
        self.heads: dict[str, dict[str, int]] = {}
        self.tags: dict[str, dict[str, int]] = {}
        self.remote: dict[str, Content] = {}

    # -- the model -------------------------------------------------------------------------------------------------

    def data(self, process: int) -> DataService:
        return self.processes[process].data

    def some(self, place: int, names: list[str]) -> tuple[str, int] | None:
        """Some version that is there."""
        every = [(name, number) for name in names for number in sorted(self.versions.get(name, {}))]
        return every[place % len(every)] if every else None

    def head(self, name: str, branch: str = "main") -> Content:
        number = self.heads.get(name, {}).get(branch)
        return {} if number is None else self.versions[name][number]

    def made(self, version: Version, content: Content, branch: str = "main") -> None:
        self.versions.setdefault(version.dataset, {})[version.number] = dict(content)
        self.heads.setdefault(version.dataset, {})[branch] = version.number
        self.tags.setdefault(version.dataset, {})

    def branch_of(self, name: str, place: int) -> str:
        known = sorted(self.heads.get(name, {}))
        return known[place % len(known)] if known else "main"

    # -- what one does ---------------------------------------------------------------------------------------------

    @rule(process=which, name=st.sampled_from(TABLES), content=rows, place=places)
    def commit(self, process: int, name: str, content: Content, place: int) -> None:
        branch = self.branch_of(name, place)
        self.made(self.data(process).commit(name, frame(content), key=["k"], branch=branch), content, branch)

    @rule(process=which, name=st.sampled_from(TABLES), content=rows, place=places)
    def append(self, process: int, name: str, content: Content, place: int) -> None:
        branch = self.branch_of(name, place)
        before = self.head(name, branch)
        if before.keys() & content.keys():
            with pytest.raises(DataError, match="duplicate key"):
                self.data(process).commit(name, frame(content), key=["k"], branch=branch, append=True)
            return
        version = self.data(process).commit(name, frame(content), key=["k"], branch=branch, append=True)
        self.made(version, {**before, **content}, branch)

    @rule(process=which, name=st.sampled_from(TABLES), place=places, value=st.sampled_from("xyz"))
    def change_a_row(self, process: int, name: str, place: int, value: str) -> None:
        branch = self.branch_of(name, place)
        before = self.head(name, branch)
        if before:
            changed = {**before, sorted(before)[place % len(before)]: value}
            self.made(self.data(process).commit(name, frame(changed), key=["k"], branch=branch), changed, branch)

    @rule(process=which, name=st.sampled_from(FOLDERS), content=files, place=places)
    def commit_files(self, process: int, name: str, content: Content, place: int) -> None:
        branch = self.branch_of(name, place)
        version = self.data(process).commit(name, self.folder(content), branch=branch)
        self.made(version, content, branch)

    def folder(self, content: Content) -> Path:
        path = self.root / "files"
        shutil.rmtree(path, ignore_errors=True)
        for name, data in content.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path

    @rule(process=which, name=st.sampled_from(FOLDERS), content=files)
    def add(self, process: int, name: str, content: Content) -> None:
        self.data(process).add(name, self.folder(content))

    @rule(process=which, place=places, name=st.sampled_from(["one", "two"]))
    def branch(self, process: int, place: int, name: str) -> None:
        found = self.some(place, TABLES + FOLDERS)
        if found is not None and name not in self.heads[found[0]]:
            self.data(process).branch(found[0], name, f"{found[0]}@{found[1]}")
            self.heads[found[0]][name] = found[1]

    @rule(process=which, place=places, name=st.sampled_from(["v-one", "v-two", "v-three"]))
    def tag(self, process: int, place: int, name: str) -> None:
        found = self.some(place, TABLES + FOLDERS)
        if found is not None and name not in self.tags[found[0]]:
            self.data(process).tag(found[0], name, f"{found[0]}@{found[1]}")
            self.tags[found[0]][name] = found[1]

    @rule(process=which, dataset=st.sampled_from(TABLES + FOLDERS), source=places, into=places)
    def merge(self, process: int, dataset: str, source: int, into: int) -> None:
        ours, theirs = self.branch_of(dataset, into), self.branch_of(dataset, source)
        if dataset not in self.heads or ours == theirs:
            return
        with self.catalog.read() as tx:
            met = branches.meeting(tx, dataset, theirs, ours)
        if met.result == "up to date":
            return
        base = {} if met.common is None else self.versions[dataset].get(met.common.number)
        expected = None if base is None else merged(base, self.head(dataset, ours), self.head(dataset, theirs))
        try:
            done = self.data(process).merge(dataset, theirs, ours)
        except DataError:  # a conflict, or what both come from was removed
            assert expected is None
            assert met.result == "merged"
            return
        if met.result == "fast-forward":
            self.heads[dataset][ours] = self.heads[dataset][theirs]
            return
        assert expected is not None
        self.made(done.version, expected, ours)

    @rule(process=which, place=places)
    def remove(self, process: int, place: int) -> None:
        found = self.some(place, TABLES + FOLDERS)
        if found is None:
            return
        name, number = found
        if number in {*self.heads[name].values(), *self.tags[name].values()}:
            with pytest.raises(DataError):
                self.data(process).rm(f"{name}@{number}")
            return
        self.data(process).rm(f"{name}@{number}")
        del self.versions[name][number]

    @rule(process=which, name=st.sampled_from(TABLES + FOLDERS))
    def remove_a_dataset(self, process: int, name: str) -> None:
        if name in self.versions:
            self.data(process).rm(name, force=True)
            del self.versions[name], self.heads[name], self.tags[name]

    @rule(process=which, place=places)
    def check_out(self, process: int, place: int) -> None:
        found = self.some(place, FOLDERS)
        if found is not None:
            target = self.root / "out"
            self.data(process).checkout(f"{found[0]}@{found[1]}", target, force=True)
            assert self.contents(target) == self.versions[found[0]][found[1]]

    def contents(self, path: Path) -> Content:
        return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}

    @rule(process=which, name=st.sampled_from(TABLES + FOLDERS))
    def push(self, process: int, name: str) -> None:
        if name not in self.heads or "main" not in self.heads[name]:
            return
        try:
            self.data(process).push(name, str(self.root / "remote"))
        except DataError:  # it was removed here and begun again, or pulled lines are gone: the remote goes its own way
            assert name in self.remote
            return
        self.remote[name] = dict(self.head(name))

    @precondition(lambda self: self.remote)
    @rule(place=places)
    def clone(self, place: int) -> None:
        name = sorted(self.remote)[place % len(self.remote)]
        elsewhere = Path(tempfile.mkdtemp(prefix="mulle-machine-", dir=self.root))
        (elsewhere / ".mulle").mkdir()
        clock = VirtualClock(datetime(2013, 1, 1, tzinfo=UTC))
        ids = ClockIds(clock, seed=1)
        with contextlib.closing(Catalog.create(elsewhere / ".mulle" / "c.db", clock, ids, durable=False)) as catalog:
            process = Process(elsewhere, catalog)
            process.data.pull(name, str(self.root / "remote"))
            self.reads_as(process.data, name, self.remote[name], elsewhere)
            assert process.data.verify().damaged == []
            process.end()
        shutil.rmtree(elsewhere)

    @rule(process=which, grace=st.sampled_from(["0s", "1h", "24h"]), dry_run=st.booleans())
    def gc(self, process: int, grace: str, dry_run: bool) -> None:
        with contextlib.suppress(StoreError) if grace == "0s" else contextlib.nullcontext():
            self.data(process).gc(grace=grace, dry_run=dry_run)

    @rule(hours=st.sampled_from([1, 12, 30]))
    def time_passes(self, hours: int) -> None:
        folder = self.root / ".mulle"
        for path in [*folder.glob("packs/*.pack"), *folder.glob("objects/*/*"), *folder.glob("recipes/*/*")]:
            then = path.stat().st_mtime - hours * 3600
            os.utime(path, (then, then))
        generation, marks = condemned.load(folder)
        older = {raw: mark._replace(at=mark.at - int(hours * 3600e6)) for raw, mark in marks.items()}
        if older:
            condemned.save(folder, generation, older, Files())

    @rule(process=which)
    def end_and_start_again(self, process: int) -> None:
        self.processes[process].end()
        self.processes[process] = Process(self.root, self.catalog)

    # -- deaths ----------------------------------------------------------------------------------------------------

    def die_in(self, process: int, operation: int, work: Callable[[DataService], object]) -> None:
        """Do something in a process that dies in its so-manieth file operation, if it comes to it."""
        with everywhere(Dying(operation)), contextlib.suppress(Death, MulleError):
            work(self.data(process))
        self.end_and_start_again(process)

    def found_after(self, name: str, content: Content) -> None:
        """The commit that was cut short is there as a whole, or not at all."""
        with contextlib.suppress(MulleError):
            head = self.data(0).head(name)
            if head.number not in self.versions.get(name, {}):
                self.made(head, content)

    @rule(process=which, name=st.sampled_from(TABLES), content=rows, operation=st.integers(1, 14))
    def die_in_a_commit(self, process: int, name: str, content: Content, operation: int) -> None:
        self.die_in(process, operation, lambda data: data.commit(name, frame(content), key=["k"]))
        self.found_after(name, content)
        if "main" in self.heads.get(name, {}):
            self.heads[name]["main"] = self.data(0).head(name).number

    @rule(process=which, name=st.sampled_from(FOLDERS), content=files, operation=st.integers(1, 20))
    def die_in_a_commit_of_files(self, process: int, name: str, content: Content, operation: int) -> None:
        folder = self.folder(content)
        self.die_in(process, operation, lambda data: data.commit(name, folder))
        self.found_after(name, content)

    @rule(process=which, operation=st.integers(1, 20))
    def die_in_gc(self, process: int, operation: int) -> None:
        self.processes[1 - process].lease.release()
        self.die_in(process, operation, lambda data: data.gc(grace="0s"))

    @rule(process=which, name=st.sampled_from(TABLES + FOLDERS), operation=st.integers(1, 15))
    def die_in_a_push(self, process: int, name: str, operation: int) -> None:
        if name in self.heads:
            self.die_in(process, operation, lambda data: data.push(name, str(self.root / "remote")))
            with contextlib.suppress(DataError):
                self.data(process).push(name, str(self.root / "remote"))
                self.remote[name] = dict(self.head(name))

    @rule(process=which, place=places, operation=st.integers(1, 8))
    def die_in_a_checkout(self, process: int, place: int, operation: int) -> None:
        found = self.some(place, FOLDERS)
        if found is not None:
            ref = f"{found[0]}@{found[1]}"
            self.die_in(process, operation, lambda data: data.checkout(ref, self.root / "out", force=True))

    # -- what must hold --------------------------------------------------------------------------------------------

    def reads_as(self, data: DataService, ref: str, content: Content, root: Path) -> None:
        if ref.partition("@")[0] in TABLES:
            assert dict(data.read(ref).rows()) == content
        else:
            target = Path(tempfile.mkdtemp(dir=root)) / "out"
            data.checkout(ref, target)
            assert self.contents(target) == content
            shutil.rmtree(target.parent)

    @rule(process=which, place=places)
    def some_version_reads_back(self, process: int, place: int) -> None:
        found = self.some(place, TABLES + FOLDERS)
        if found is not None:
            forget()
            name, number = found
            self.reads_as(self.data(process), f"{name}@{number}", self.versions[name][number], self.root)

    @invariant()
    def everything_reachable_is_there(self) -> None:
        if hasattr(self, "processes"):
            forget()
            assert self.data(0).verify().damaged == []

    def teardown(self) -> None:
        if not hasattr(self, "processes"):
            return
        try:
            forget()
            for name, numbers in self.versions.items():
                assert {version.number for version in self.data(0).log(name)} >= set(self.heads[name].values())
                for number, content in numbers.items():
                    self.reads_as(self.data(1), f"{name}@{number}", content, self.root)
            with self.catalog.read() as tx:
                ledger.verify(tx)
            assert list(self.processes[1].store.verify()) == []
            self.garbage_goes()
        finally:
            for process in self.processes:
                process.end()
            self.catalog.close()
            shutil.rmtree(self.root)

    def garbage_goes(self) -> None:
        """After two runs nothing is left but what is reachable."""
        for process in self.processes:
            process.end()
        self.processes = [Process(self.root, self.catalog)] * 2
        store = self.processes[0].store
        for _ in range(2):
            collect_garbage(self.catalog, store, grace="0s", waste=0)
        reached = Reach(self.catalog, store, store.root).mark()
        assert {to_raw(digest) for digest in store.digests()} <= reached
        assert self.data(0).verify().damaged == []


def forget() -> None:
    """What this process holds in memory is no proof that it is stored."""
    parts.forget()
    manifest._decoded.clear()


TestWorkspace = pytest.mark.soak(Workspace.TestCase)
TestWorkspace.settings = settings(
    max_examples=repeat(7, 200),
    stateful_step_count=repeat(30, 50),
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink takes longer than to read it
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
