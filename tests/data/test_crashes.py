"""Each operation is killed, or its disk fails, at each of its file operations in turn; afterwards nothing is lost.

The store is intact, what is named is there, and the operation repeated comes to the same.
"""

from __future__ import annotations

import errno
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.data.crash_operations import OPERATIONS

from mulle.testing.crashes import Nursery
from mulle.testing.soak import repeat


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery("tests.data.crash_operations:OPERATIONS")
    yield made
    made.close()


class Prepared:
    """An operation that was prepared once, copied for every case, and done once without harm."""

    def __init__(self, nursery: Nursery, name: str, folder: Path) -> None:
        self._name, self._folder, self._work = name, folder, folder / "work"
        nursery.order("prepare", name, self._work)
        self._work.rename(folder / "prepared")
        self.done = nursery.order("perform", name, self.copy())

    def copy(self) -> Path:
        """As it was before; always at the same path, by which working copies are known."""
        shutil.rmtree(self._work, ignore_errors=True)
        shutil.copytree(self._folder / "prepared", self._work, symlinks=True)
        return self._work

    def some(self, most: int) -> list[int]:
        """So many of the operation's file operations, the first and the last among them."""
        every = list(range(1, self.done.calls + 1))
        chosen = random.Random(self._name).sample(every, min(most, len(every)))
        return sorted({*chosen, every[0], every[-1]})


@pytest.mark.soak
@pytest.mark.parametrize("name", OPERATIONS)
def test_killed_at_any_file_operation(nursery: Nursery, tmp_path: Path, name: str) -> None:
    prepared = Prepared(nursery, name, tmp_path)
    for number in prepared.some(repeat(3, 10_000)):
        root = prepared.copy()
        assert nursery.order("perform", name, root, number).died, f"it did not come to operation {number}"
        nursery.order("check", name, root)
        again = nursery.order("perform", name, root)
        assert again.names == prepared.done.names, f"killed in operation {number}"


@pytest.mark.soak
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "failing"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_disk_fails_at_any_file_operation(nursery: Nursery, tmp_path: Path, name: str, error: int) -> None:
    prepared = Prepared(nursery, name, tmp_path)
    for number in prepared.some(repeat(1, 10_000)):
        root = prepared.copy()
        again = nursery.order("fail", name, root, number, error)
        assert again.names == prepared.done.names, f"failed in operation {number}"
        nursery.order("check", name, root)
