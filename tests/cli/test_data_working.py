"""`mulle data add`, `status` and `checkout` as people type them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.said import Mulle


@pytest.fixture
def photos(mulle: Mulle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is version 1 of `photos`."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    (folder / "2013").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "2013" / "b.txt").write_text("b")
    mulle("data", "commit", "photos", "photos", "-m", "First")
    return folder


def test_status_tells_what_changed(mulle: Mulle, photos: Path) -> None:
    assert mulle("data", "status", "photos", "photos").out == "photos is photos@1, nothing changed\n"
    (photos / "a.txt").write_text("changed")
    (photos / "c.txt").write_text("c")
    (photos / "2013" / "b.txt").unlink()
    said = mulle("data", "status", "photos", "photos")
    assert "1 added, 1 removed, 1 changed" in said.out
    assert mulle("data", "status", "photos", "photos", "--json").json == {
        "dataset": "photos",
        "path": "photos",
        "version": 1,
        "clean": False,
        "added": 1,
        "removed": 1,
        "changed": 1,
        "examples": {"added": ["c.txt"], "removed": ["2013/b.txt"], "changed": ["a.txt"]},
    }


def test_add_then_commit(mulle: Mulle, photos: Path) -> None:
    (photos / "c.txt").write_text("c")
    said = mulle("data", "add", "photos", "photos", "--json")
    assert (said.json["files"], said.json["added"], said.json["version"]) == (3, 1, 1)
    made = mulle("data", "commit", "photos", "photos", "-m", "Second", "--json")
    assert (made.json["number"], made.json["logical"]) == (2, said.json["tree"])
    assert mulle("data", "status", "photos", "photos", "--json").json["clean"]


def test_checkout_goes_back_and_forth(mulle: Mulle, photos: Path) -> None:
    (photos / "a.txt").write_text("second")
    mulle("data", "commit", "photos", "photos", "-m", "Second")
    said = mulle("data", "checkout", "photos@1", "photos", "--json")
    assert (said.json["written"], said.json["removed"], said.json["unchanged"]) == (1, 0, 1)
    assert (photos / "a.txt").read_text() == "a"
    mulle("data", "checkout", "photos", "photos")
    assert (photos / "a.txt").read_text() == "second"


def test_checkout_refuses_to_lose_changes_and_says_how(mulle: Mulle, photos: Path) -> None:
    (photos / "a.txt").write_text("second")
    mulle("data", "commit", "photos", "photos", "-m", "Second")
    (photos / "a.txt").write_text("mine")
    said = mulle("data", "checkout", "photos@1", "photos")
    assert said.code == 1
    assert "a.txt" in said.err
    assert "--force" in said.err
    assert (photos / "a.txt").read_text() == "mine"
    assert mulle("data", "checkout", "photos@1", "photos", "--force").code == 0


def test_part_of_a_version_and_links(mulle: Mulle, photos: Path, tmp_path: Path) -> None:
    assert mulle("data", "checkout", "photos@1", "part", "--path", "2013").code == 0
    assert [path.name for path in (tmp_path / "part").iterdir()] == ["2013"]
    said = mulle("data", "commit", "photos", "part", "-m", "Oops")
    assert said.code == 1
    assert "holds only parts" in said.err
    assert mulle("data", "checkout", "photos@1", "linked", "--link").code == 0
    assert not (tmp_path / "linked" / "a.txt").stat().st_mode & 0o222


def test_a_table_is_one_file_that_is_not_overwritten(mulle: Mulle, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,x\n1,2\n")
    mulle("data", "commit", "t", "t.csv")
    assert mulle("data", "status", "t", "t.csv", "--json").json["clean"]
    assert mulle("data", "checkout", "t@1", "t.csv").code == 0
    (tmp_path / "t.csv").write_text("id,x\n1,3\n")
    assert mulle("data", "status", "t", "t.csv", "--json").json["changed"] == 1
    said = mulle("data", "checkout", "t@1", "t.csv")
    assert said.code == 1
    assert "--force" in said.err
    assert mulle("data", "checkout", "t@1", "t.csv", "--force").code == 0
    assert (tmp_path / "t.csv").read_text() == "id,x\n1,2\n"


@pytest.mark.parametrize("verb", ["add", "status"])
def test_a_path_that_is_not_there_is_an_error_with_a_cure(mulle: Mulle, photos: Path, verb: str) -> None:
    said = mulle("data", verb, "photos", "absent")
    assert said.code == 1
    assert "Cure:" in said.err


def test_status_of_a_known_copy_opens_no_catalog(photos: Path) -> None:
    """The question that is asked most must cost least: no SQLAlchemy, no Polars."""
    code = (
        "import sys; from mulle.cli.main import call; call(['data', 'status', 'photos', 'photos']);"
        "print(sorted({'sqlalchemy', 'polars', 'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=photos.parent, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["photos is photos@1, nothing changed", "[]"]
