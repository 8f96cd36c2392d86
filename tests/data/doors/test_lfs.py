"""The door from git-lfs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.doors.test_dvc import checked_out

from mulle.data import DataService
from mulle.errors import DataError

Git = Callable[..., str]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def git(repo: Path) -> Git:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment |= {"GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(repo)}

    def run(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=repo, env=environment, check=True, capture_output=True)
        return done.stdout.decode()

    run("init", "-q", "-b", "main")
    return run


def point(repo: Path, path: str, data: bytes) -> Path:
    """A pointer as git-lfs writes it, and the content where it keeps it."""
    oid = hashlib.sha256(data).hexdigest()
    held = repo / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
    held.parent.mkdir(parents=True, exist_ok=True)
    held.write_bytes(data)
    file = repo / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(data)}\n")
    return held


def three_revisions(repo: Path, git: Git) -> None:
    point(repo, "a b.bin", b"one")
    point(repo, "deep/b.bin", b"two")
    (repo / "README").write_text("not large")
    git("add", "-A")
    git("commit", "-qm", "first")
    git("commit", "-qm", "nothing", "--allow-empty")
    point(repo, "deep/b.bin", b"three")
    git("add", "-A")
    git("commit", "-qm", "third")


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed: sh scripts/install_dvc.sh")
def test_a_repository_made_by_git_lfs_checks_out_byte_identical(
    data: DataService, repo: Path, git: Git, tmp_path: Path
) -> None:
    git("lfs", "install", "--local")
    git("lfs", "track", "*.bin")
    truth: dict[str, dict[str, bytes]] = {}
    for number in range(3):
        (repo / "large.bin").write_bytes(bytes(range(256)) * (number + 1))
        (repo / f"odd ü {number}.bin").write_bytes(b"\r\n" * number + b"x")
        (repo / "tool.bin").write_bytes(b"#!/bin/sh\n")
        (repo / "tool.bin").chmod(0o755)
        (repo / "small.txt").write_text(str(number))
        git("add", "-A")
        git("commit", "-qm", f"number {number}")
        files = {path.name: path.read_bytes() for path in repo.glob("*.bin")}
        truth[git("rev-parse", "HEAD").strip()] = files
    (imported,) = data.import_("lfs", str(repo)).datasets
    for revision, files in truth.items():
        number = imported.revisions[revision]
        found = checked_out(data, f"photos@{number}", tmp_path / "out")
        assert found == {name: (hashlib.sha256(held).hexdigest(), name == "tool.bin") for name, held in files.items()}


def test_a_version_is_a_revision_that_changed_a_pointer(data: DataService, repo: Path, git: Git) -> None:
    three_revisions(repo, git)
    (imported,) = data.import_("lfs", str(repo)).datasets
    assert (imported.name, imported.added) == ("photos", [1, 2])
    assert [version.message for version in data.log("photos")] == ["third", "first"]


def test_importing_again_needs_no_contents(data: DataService, repo: Path, git: Git) -> None:
    three_revisions(repo, git)
    data.import_("lfs", str(repo))
    shutil.rmtree(repo / ".git" / "lfs")
    assert data.import_("lfs", str(repo)).datasets[0].added == []


def test_a_folder_of_the_repository_alone(data: DataService, repo: Path, git: Git, tmp_path: Path) -> None:
    three_revisions(repo, git)
    (imported,) = data.import_("lfs", str(repo / "deep"), "deep").datasets
    assert imported.added == [1, 2]
    assert list(checked_out(data, "deep", tmp_path / "out")) == ["b.bin"]


def test_the_sha256_is_told(data: DataService, repo: Path, git: Git) -> None:
    three_revisions(repo, git)
    data.import_("lfs", str(repo))
    assert data.show("photos@1").parts[0].aliases == {"sha256": hashlib.sha256(b"one").hexdigest()}


def test_a_missing_content_is_told_by_its_path(data: DataService, repo: Path, git: Git) -> None:
    three_revisions(repo, git)
    point(repo, "deep/b.bin", b"gone").unlink()
    git("commit", "-qam", "fourth")
    with pytest.raises(DataError, match=r"deep/b\.bin is not in \.git/lfs/objects"):
        data.import_("lfs", str(repo))
    (imported,) = data.import_("lfs", str(repo), skip_missing=True).datasets
    assert (imported.added, len(imported.left_out)) == ([1, 2], 1)


def test_a_damaged_content_is_refused(data: DataService, repo: Path, git: Git) -> None:
    three_revisions(repo, git)
    point(repo, "deep/b.bin", b"good").write_bytes(b"bad")
    git("commit", "-qam", "fourth")
    with pytest.raises(DataError, match="another sha256"):
        data.import_("lfs", str(repo))


def test_a_repository_without_large_files_is_told(data: DataService, repo: Path, git: Git) -> None:
    (repo / "a").write_text("a")
    git("add", "-A")
    git("commit", "-qm", "small")
    with pytest.raises(DataError, match="has no files of git-lfs"):
        data.import_("lfs", str(repo))
