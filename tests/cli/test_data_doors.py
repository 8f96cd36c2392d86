"""Data from and to other tools, and pointer files, at the prompt."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.cli.said import Mulle

GOLDEN = Path(__file__).parents[1] / "data" / "doors" / "golden" / "dvc.tar.gz"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "here"
    (made / "photos").mkdir(parents=True)
    (made / "photos" / "a.txt").write_text("a")
    (made / "people.csv").write_text("id,name\n1,Ann\n2,Bo\n")
    subprocess.run(["git", "init", "-q", str(made)], check=True)
    monkeypatch.chdir(made)
    return made


def test_a_dvc_repository_comes_in(mulle: Mulle, folder: Path) -> None:
    with tarfile.open(GOLDEN) as archive:
        archive.extractall(folder.parent / "dvc", filter="data")
    said = mulle("data", "import", "dvc", "../dvc/repo", "--json")
    found = {each["source"]: each for each in said.json["datasets"]}
    assert (said.code, found["data/images"]["name"], found["data/images"]["added"]) == (0, "data-images", [1, 2])
    again = mulle("data", "import", "dvc", "../dvc/repo")
    assert "data-images" in again.out
    assert "known as" in mulle("data", "show", "data-images").out
    assert "md5=" in mulle("data", "show", "data-images").out


def test_what_is_no_repository_fails_with_its_cure(mulle: Mulle, folder: Path) -> None:
    said = mulle("data", "import", "dvc", "photos", "--json")
    assert (said.code, said.json["cure"]) == (1, "git clone it, and name that folder")


def test_an_unknown_door_is_a_wrong_call(mulle: Mulle, folder: Path) -> None:
    assert mulle("data", "import", "zip", "photos").code == 2


def test_a_table_goes_out_and_comes_back(mulle: Mulle, folder: Path) -> None:
    mulle("data", "commit", "people", "people.csv", "--key", "id")
    for door, path in (("parquet", "out.parquet"), ("csv", "out.csv"), ("delta", "out-delta"), ("mulle", "people.tar")):
        written = mulle("data", "export", "people", path, "--to", door, "--json").json
        back = mulle("data", "import", door, path, *(["--name", f"from-{door}"] if door != "mulle" else []), "--json")
        name = back.json["datasets"][0]["name"]
        assert mulle("data", "show", name, "--json").json["version"]["logical"] == written["logical"]


def test_an_export_says_where_it_is(mulle: Mulle, folder: Path) -> None:
    mulle("data", "commit", "people", "people.csv")
    said = mulle("data", "export", "people", "out.parquet", "--to", "parquet")
    assert said.out.startswith("people@1 → out.parquet: 1 file, ")


def test_data_follow_pointer_files(mulle: Mulle, folder: Path) -> None:
    assert mulle("data", "add", "photos", "-m", "first").out.endswith("for git: git add photos.mulle\n")
    first = (folder / "photos.mulle").read_text()
    (folder / "photos" / "b.txt").write_text("b")
    assert [(row["state"], row["added"]) for row in mulle("data", "status", "--json").json] == [("modified", 1)]
    mulle("data", "add", "photos")
    (folder / "photos.mulle").write_text(first)
    assert mulle("data", "status", "photos", "--json").json[0]["state"] == "other version"
    assert mulle("data", "checkout", "--json").json[0]["state"] == "clean"
    assert [path.name for path in (folder / "photos").iterdir()] == ["a.txt"]
    assert "photos" in mulle("data", "status").out


def test_a_pointer_file_is_a_version_to_compare(mulle: Mulle, folder: Path) -> None:
    mulle("data", "add", "photos")
    (folder / "photos" / "b.txt").write_text("b")
    mulle("data", "commit", "photos", "photos")
    assert mulle("data", "diff", "photos.mulle", "photos", "--json").code == 0


def test_without_pointer_files_that_is_said(mulle: Mulle, folder: Path) -> None:
    mulle("data", "commit", "people", "people.csv")
    assert mulle("data", "status").out == "no pointer files here\n"
    said = mulle("data", "checkout", "photos")
    assert (said.code, "mulle data add photos" in said.err) == (2, True)


def test_a_name_goes_with_a_path_alone(mulle: Mulle, folder: Path) -> None:
    assert mulle("data", "add", "photos", "photos", "--name", "x").code == 2
    assert mulle("data", "add", "photos", "--name", "pictures", "--json").json["dataset"] == "pictures"
