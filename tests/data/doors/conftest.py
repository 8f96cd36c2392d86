"""A repository made by DVC, with what DVC checks out of it at each revision."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
Truth = dict[str, dict[str, dict[str, tuple[str, bool]]]]


@dataclass(frozen=True)
class Known:
    """A repository, and by revision and output the sha256 of each file and whether it is executable."""

    repo: Path
    truth: Truth

    @classmethod
    def of(cls, folder: Path) -> Known:
        read = json.loads((folder / "truth.json").read_text())
        truth: Truth = {
            revision: {out: {path: (sha, bit) for path, (sha, bit) in files.items()} for out, files in outs.items()}
            for revision, outs in read.items()
        }
        return cls(folder / "repo", truth)


@pytest.fixture
def dvc(tmp_path: Path) -> Known:
    """A golden one, made by DVC 3.67.1 with `dvcworld.py`."""
    with tarfile.open(GOLDEN / "dvc.tar.gz") as archive:
        archive.extractall(tmp_path / "dvc", filter="data")
    return Known.of(tmp_path / "dvc")
