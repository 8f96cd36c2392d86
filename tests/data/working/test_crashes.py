"""A checkout and an add that fail, or are killed, at every write, rename and sync in turn; then they are repeated."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.working.folders import Files, checkout, read, write

from mulle.data.working.copies import Copies
from mulle.errors import DataError, StoreError
from mulle.store import LocalStore, put_tree
from mulle.testing.faults import FaultyFiles
from mulle.testing.kills import LethalFiles, acknowledged_before_death
from mulle.testing.memory_store import MemoryStore
from mulle.types import Digest

ONE: Files = {b"a": (b"1", False), b"d/x": (b"2", True), b"d/y": (b"3", False), b"gone/z": (b"4", False)}
TWO: Files = {b"a": (b"1", False), b"d/x": (b"2", False), b"d/y": (b"changed", False), b"new/n": (b"5", False),
              b"new/deep/er": (b"6", False), b"large": (b"7" * 1_500_000, False)}  # fmt: skip
STEPS = range(1, 22)


class Site:
    """A store with two trees, and a folder that is the first of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "out"
        with LocalStore(root / "store", durable=False) as store:
            self.one, self.two = (
                put_tree(store, write(root / name, files)) for name, files in (("1", ONE), ("2", TWO))
            )
            checkout(Copies(store, root / "working", processes=0), self.one, self.folder)

    def move(self, files: FaultyFiles | LethalFiles | None = None, **options: bool) -> None:
        """Bring the folder to the second tree."""
        with LocalStore(self.root / "store", durable=False) as store:
            copies = (
                Copies(store, self.root / "working", 0, files) if files else Copies(store, self.root / "working", 0)
            )
            checkout(copies, self.two, self.folder, 2, **options)

    def check_whole_files_only(self) -> None:
        """Every file is as in one of the two versions."""
        for path, file in read(self.folder).items():
            if b".mulle-" not in path:
                assert file in (ONE.get(path), TWO.get(path))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "failing"])
@pytest.mark.parametrize("fail_at", STEPS)
def test_a_checkout_that_fails_leaves_whole_files_and_can_be_repeated(site: Site, fail_at: int, error: int) -> None:
    files = FaultyFiles(fail_at, error)
    try:
        site.move(files)
    except StoreError as failure:
        assert failure.cure  # noqa: PT017 - it need not fail: the last steps are beyond the end
    site.check_whole_files_only()
    site.move()
    assert read(site.folder) == TWO


@pytest.mark.parametrize("kill_at", STEPS)
def test_a_checkout_that_is_killed_leaves_whole_files_and_can_be_repeated(site: Site, kill_at: int) -> None:
    def work(_: Callable[[str], None]) -> None:
        site.move(LethalFiles(kill_at))

    acknowledged_before_death(work)
    site.check_whole_files_only()
    site.move()
    assert read(site.folder) == TWO


def test_a_change_made_after_the_kill_is_not_overwritten(site: Site) -> None:
    acknowledged_before_death(lambda _: site.move(LethalFiles(5)))
    (site.folder / "d" / "y").write_bytes(b"mine")
    with pytest.raises(DataError, match="d/y"):
        site.move()
    site.move(force=True)
    assert read(site.folder) == TWO


def added(root: Path, files: FaultyFiles | LethalFiles | None = None) -> Digest:
    with LocalStore(root / "store", files=files, pack_limit=2_000, small=100_000) as store:
        return Copies(store, root / "working", processes=0).add("d", root / "in").tree


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    LocalStore(tmp_path / "store").close()
    many: Files = {b"%02d" % number: (b"%d" % number * 100, False) for number in range(30)}
    write(tmp_path / "in", TWO | many)
    return tmp_path


@pytest.mark.parametrize("kill_at", range(1, 16))
def test_an_add_that_is_killed_is_repeated(folder: Path, kill_at: int) -> None:
    def work(_: Callable[[str], None]) -> None:
        added(folder, LethalFiles(kill_at))

    acknowledged_before_death(work)
    assert added(folder) == put_tree(MemoryStore(), folder / "in")
    assert list(LocalStore(folder / "store").verify()) == []


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "failing"])
@pytest.mark.parametrize("fail_at", range(1, 16))
def test_an_add_that_fails_says_so_and_is_repeated(folder: Path, fail_at: int, error: int) -> None:
    files = FaultyFiles(fail_at, error)
    try:
        added(folder, files)
    except StoreError as failure:
        assert failure.cure  # noqa: PT017 - it need not fail: the last steps are beyond the end
    assert added(folder) == put_tree(MemoryStore(), folder / "in")
    assert list(LocalStore(folder / "store").verify()) == []
