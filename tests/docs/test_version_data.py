"""The commands of the how-to on versions are run in order, but for those that need a bucket or another repository."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.docs.typed import ROOT, blocks, lines

from mulle.cli.main import call

PAGE = ROOT / "docs" / "en" / "how-to" / "version-data.md"
ELSEWHERE = ("s3://", "import dvc", "import lfs", "sales@2013-02-01")
"""What is not here: a bucket, other tools' repositories, and a past."""


def test_the_how_to_works_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("january.csv").write_text("id,amount\n1,10\n2,20\n")
    Path("february.csv").write_text("id,amount\n3,30\n")
    Path("cleaned.csv").write_text("id,amount\n1,10\n2,25\n3,30\n")
    Path("photos").mkdir()
    Path("photos/a.jpg").write_bytes(b"a")
    said = [line for block in blocks(PAGE) for line in lines(block) if not any(each in line for each in ELSEWHERE)]
    assert len(said) > 20
    for line in said:
        assert call(shlex.split(line, comments=True)[1:]) == 0, line
    assert Path("sales.parquet").exists()
    assert Path("out/a.jpg").read_bytes() == b"a"
