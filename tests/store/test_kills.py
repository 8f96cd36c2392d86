"""kill -9 in the middle of every file operation, and at random instants."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from mulle.hashing import digest_bytes
from mulle.store import LocalStore
from mulle.store.files import Files
from mulle.testing.kills import LethalFiles, acknowledged_before_death, fork
from mulle.testing.soak import repeat
from mulle.types import Digest


def contents(seed: int) -> list[bytes]:
    source = random.Random(seed)
    return [source.randbytes(source.choice([0, 10, 500, 3_000, 20_000])) for _ in range(30)]


def puts(root: Path, seed: int, files: Files | None = None) -> Callable[[Callable[[str], None]], None]:
    def work(acknowledge: Callable[[str], None]) -> None:
        store = LocalStore(root, small=10_000, pack_limit=8_000, files=files)
        for data in contents(seed):
            digest = store.put(data)
            store.flush()
            acknowledge(digest)

    return work


def check(root: Path, acknowledged: list[str], seed: int) -> None:
    store = LocalStore(root, small=10_000, pack_limit=8_000)
    for name in acknowledged:
        assert digest_bytes(store.get(Digest(name))) == name
    assert list(store.verify()) == []
    for data in contents(seed):
        assert store.get(store.put(data)) == data


@pytest.mark.soak
@pytest.mark.parametrize("kill_at", range(1, repeat(60, 140)))
def test_killed_in_a_file_operation(tmp_path: Path, kill_at: int) -> None:
    LocalStore(tmp_path)
    acknowledged = acknowledged_before_death(puts(tmp_path, kill_at, LethalFiles(kill_at)))
    check(tmp_path, acknowledged, kill_at)


@pytest.mark.soak
def test_killed_again_and_again(tmp_path: Path) -> None:
    source = random.Random(0)
    acknowledged: list[Digest] = []
    for seed in range(repeat(20, 2000)):
        lines = acknowledged_before_death(puts(tmp_path, seed), kill_after=source.uniform(0.001, 0.03))
        acknowledged += map(Digest, lines)
        store = LocalStore(tmp_path)
        assert all(map(store.has, acknowledged))
    check(tmp_path, list(acknowledged), 0)


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    LocalStore(tmp_path)
    children = []
    for seed in (1, 2, 1):
        child = fork()
        if child == 0:
            puts(tmp_path, seed)(lambda _: None)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    expected = {digest_bytes(data) for seed in (1, 2) for data in contents(seed)}
    assert set(LocalStore(tmp_path).digests()) == expected
    check(tmp_path, sorted(expected), 1)
