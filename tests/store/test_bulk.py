"""Worker processes that take files in and give them out."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mulle.errors import StoreError
from mulle.hashing import digest_bytes, to_raw
from mulle.store import LocalStore
from mulle.store.bulk import Crew, Question, to_give, to_take
from mulle.store.giving import Wished
from mulle.store.taking import Taken, Wanted, take
from mulle.testing.memory_store import MemoryStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore(tmp_path / "store", pack_limit=100_000) as store:
        yield store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(2_000):
        (tmp_path / "in" / f"{number:04d}").write_bytes(content(number))
    return tmp_path / "in"


def content(number: int) -> bytes:
    return b"%d" % number * 20


def wanted(count: int = 2_000) -> Iterator[tuple[Wanted, int, int]]:
    for number in range(count):
        yield Wanted(b"%04d" % number), 80, number


def taken(crew: Crew, asked: Iterator[Question[int]]) -> dict[int, Taken]:
    return {about: file for abouts, files in crew.work(asked) for about, file in zip(abouts, files, strict=True)}


@pytest.mark.parametrize("processes", [0, 1, 2, 3])
def test_every_file_is_taken_once_and_in_order(store: LocalStore, folder: Path, processes: int) -> None:
    found = taken(Crew(store, folder, processes=processes), to_take(wanted()))
    assert list(found) == list(range(2_000))
    assert {number: file.raw for number, file in found.items()} == {
        number: to_raw(digest_bytes(content(number))) for number in range(2_000)
    }
    assert set(store.digests()) == {digest_bytes(content(number)) for number in range(2_000)}
    assert list(store.verify()) == []


def test_what_workers_kept_is_there_for_others_after_they_ended(store: LocalStore, folder: Path) -> None:
    taken(Crew(store, folder, processes=2), to_take(wanted()))
    with LocalStore(store.root) as other:
        assert all(other.get(digest_bytes(content(number))) == content(number) for number in (0, 999, 1_999))


def test_what_is_there_already_is_not_kept_again(store: LocalStore, folder: Path) -> None:
    taken(Crew(store, folder, processes=2), to_take(wanted()))
    before = sum(path.stat().st_size for path in (store.root / "packs").iterdir())
    taken(Crew(store, folder, processes=2), to_take(wanted()))
    assert sum(path.stat().st_size for path in (store.root / "packs").iterdir()) - before < 1_000


def test_few_packs_are_made(store: LocalStore, folder: Path) -> None:
    for _ in range(3):
        taken(Crew(store, folder, processes=2), to_take(wanted()))
    assert len(list((store.root / "packs").iterdir())) <= 8


@pytest.mark.parametrize("processes", [0, 2])
def test_hashing_alone_keeps_nothing(store: LocalStore, folder: Path, processes: int) -> None:
    found = taken(Crew(store, folder, keep=False, processes=processes), to_take(wanted()))
    assert found[7].raw == to_raw(digest_bytes(content(7)))
    assert list(store.digests()) == []


def test_another_store_is_served_without_workers(folder: Path) -> None:
    store = MemoryStore()
    taken(Crew(store, folder, processes=2), to_take(wanted()))
    assert store.get(digest_bytes(content(1))) == content(1)


@pytest.mark.parametrize("processes", [0, 2])
def test_a_missing_file_is_an_error_with_a_cure(store: LocalStore, folder: Path, processes: int) -> None:
    (folder / "1234").unlink()
    with pytest.raises(StoreError) as caught:
        taken(Crew(store, folder, processes=processes), to_take(wanted()))
    assert caught.value.cure


@pytest.mark.parametrize("gone", [False, True], ids=["later", "before it is told anything"])
def test_a_worker_that_is_killed_is_an_error_with_a_cure(
    store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    class Killed(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[call-overload]
            os.kill(self.pid, signal.SIGKILL)
            if gone:
                self.wait()

    monkeypatch.setattr("mulle.store.bulk.subprocess.Popen", Killed)
    with pytest.raises(StoreError, match="died") as caught:
        taken(Crew(store, folder, processes=2), to_take(wanted()))
    assert caught.value.cure


def test_workers_end_with_whoever_asks_no_further(store: LocalStore, folder: Path) -> None:
    done = Crew(store, folder, processes=2).work(to_take(wanted()))
    next(done)
    done.close()  # type: ignore[attr-defined]
    assert not [line for line in children() if "mulle.store.worker" in line]


def children() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status, line = (path / "stat").read_text(), (path / "cmdline").read_text()
        except OSError:
            continue
        if int(status.rpartition(")")[2].split()[1]) == os.getpid():
            found.append(line)
    return found


@pytest.mark.parametrize("processes", [0, 2])
def test_files_are_written_out(store: LocalStore, folder: Path, tmp_path: Path, processes: int) -> None:
    found = taken(Crew(store, folder, processes=2), to_take(wanted()))
    (tmp_path / "out").mkdir()
    wished = (
        (Wished(b"%04d" % number, file.raw, file.size, 0, number % 2 == 0), number) for number, file in found.items()
    )
    written = taken(Crew(store, tmp_path / "out", keep=False, processes=processes), to_give(wished))
    assert all((tmp_path / "out" / f"{number:04d}").read_bytes() == content(number) for number in range(2_000))
    assert written[5].mtime_ns == (tmp_path / "out" / "0005").stat().st_mtime_ns


def test_questions_are_of_fitting_length() -> None:
    asked = list(to_take((Wanted(b"x" * 100), 1 << 20, number) for number in range(300)))
    assert all(len(each.ask.take) <= 8 for each in asked)
    assert sum(len(each.about) for each in asked) == 300


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "restless"
    path.write_bytes(b"before")
    reads = []

    def pread(fd: int, size: int, offset: int) -> bytes:
        reads.append(size)
        if len(reads) == 1:
            path.write_bytes(b"afterwards")
        return os.read(os.open(path, os.O_RDONLY), size)

    monkeypatch.setattr("mulle.store.taking.os.pread", pread)
    [found] = take(None, os.fsencode(tmp_path), [Wanted(b"restless")])
    assert found.raw == to_raw(digest_bytes(b"afterwards"))
    assert len(reads) == 2
