"""Pointer files, and working copies that follow them."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.data import DataService, pointers
from mulle.data.model import Version
from mulle.data.pointers import Pointer
from mulle.errors import DataError
from mulle.hashing import digest_bytes

DIGEST = digest_bytes(b"")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    (folder / "photos" / "deep").mkdir(parents=True)
    (folder / "photos" / "a.txt").write_text("a")
    (folder / "photos" / "deep" / "b.txt").write_text("b")
    (folder / "table.csv").write_bytes(b"id\r\n1\r\n")
    git(folder, "init", "-q", "-b", "main")
    return folder


def git(repo: Path, *words: str) -> str:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    return subprocess.run(["git", *who, *words], cwd=repo, check=True, capture_output=True, text=True).stdout


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


texts = st.text(st.characters(codec="utf-8"))


@given(
    st.builds(
        Pointer,
        name=texts.filter(bool),
        version=st.just(DIGEST),
        logical=st.just(DIGEST),
        kind=st.just("table"),
        bytes=st.integers(0, 1 << 60),
        rows=st.integers(0, 1 << 60),
        message=texts,
        schema=st.dictionaries(texts, texts, max_size=3),
    )
)
def test_a_pointer_is_read_as_it_was_written(pointer: Pointer) -> None:
    text = pointers.render(pointer)
    assert msgspec.convert(tomllib.loads(text), Pointer) == pointer


def test_a_pointer_tells_what_a_review_needs(data: DataService, repo: Path) -> None:
    data.pointed.add(repo / "photos", message="first photos")
    told = tomllib.loads((repo / "photos.mulle").read_text())
    version = data.head("photos")
    assert told == {
        "name": "photos",
        "version": version.id,
        "logical": version.logical,
        "kind": "files",
        "bytes": 2,
        "files": 2,
        "message": "first photos",
    }


def test_a_pointer_to_a_table_tells_rows_and_columns(data: DataService, repo: Path, people: pl.DataFrame) -> None:
    version: Version = data.commit("people", people)
    told = tomllib.loads(data.pointed.write(version, repo / "people.parquet").read_text())
    assert (told["rows"], told["schema"]) == (3, {"id": "int64", "name": "str", "age": "int64"})


def test_git_sees_the_pointer_and_not_the_data(data: DataService, repo: Path) -> None:
    data.pointed.add(repo / "photos")
    data.pointed.add(repo / "table.csv")
    git(repo, "add", "-A")
    assert git(repo, "ls-files").split() == [".gitignore", "photos.mulle", "table.csv.mulle"]


def test_the_data_follow_the_branch(data: DataService, repo: Path) -> None:
    data.pointed.add(repo / "photos")
    data.pointed.add(repo / "table.csv")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "one")
    git(repo, "checkout", "-qb", "more")
    (repo / "photos" / "deep" / "b.txt").unlink()
    (repo / "photos" / "c.txt").write_text("c")
    (repo / "table.csv").write_bytes(b"id\r\n2\r\n")
    data.pointed.add(repo / "photos")
    data.pointed.add(repo / "table.csv")
    git(repo, "commit", "-qam", "more")
    for branch, photos, table in (
        ("main", {"a.txt": "a", "deep/b.txt": "b"}, b"id\r\n1\r\n"),
        ("more", {"a.txt": "a", "c.txt": "c"}, b"id\r\n2\r\n"),
    ):
        git(repo, "checkout", "-q", branch)
        found = data.pointed.checkout(pointers.found_below(repo))
        assert [each.state for each in found] == ["clean", "clean"]
        assert (contents(repo / "photos"), (repo / "table.csv").read_bytes()) == (photos, table)


def test_what_is_not_there_is_brought(data: DataService, repo: Path) -> None:
    data.pointed.add(repo / "photos")
    data.pointed.add(repo / "table.csv")
    (repo / "photos").rename(repo / "elsewhere")
    (repo / "table.csv").unlink()
    files = list(pointers.found_below(repo))
    assert [each.state for each in data.pointed.states(files)] == ["missing", "missing"]
    data.pointed.checkout(files)
    assert contents(repo / "photos") == contents(repo / "elsewhere")
    assert (repo / "table.csv").read_bytes() == b"id\r\n1\r\n"


def test_changes_are_told_and_not_overwritten(data: DataService, repo: Path) -> None:
    file = Path(data.pointed.add(repo / "photos").file)
    (repo / "photos" / "a.txt").write_text("new")
    (repo / "photos" / "c.txt").write_text("c")
    found = data.pointed.state(file)
    assert (found.state, found.added, found.removed, found.changed) == ("modified", 1, 0, 1)
    with pytest.raises(DataError, match="in no version"):
        data.pointed.checkout([file])
    data.pointed.checkout([file], force=True)
    assert contents(repo / "photos")["a.txt"] == "a"


def test_a_copy_of_another_version_is_told(data: DataService, repo: Path) -> None:
    file = Path(data.pointed.add(repo / "photos").file)
    before = file.read_text()
    (repo / "photos" / "a.txt").write_text("new")
    data.pointed.add(repo / "photos")
    file.write_text(before)
    found = data.pointed.state(file)
    assert (found.state, found.version, found.at) == ("other version", 1, 2)


def test_adding_what_the_pointer_says_makes_no_version(data: DataService, repo: Path) -> None:
    file = Path(data.pointed.add(repo / "photos").file)
    before = file.read_text()
    (repo / "photos" / "a.txt").write_text("new")
    data.pointed.add(repo / "photos")
    file.write_text(before)
    data.pointed.checkout([file])
    data.pointed.add(repo / "photos")
    assert (file.read_text(), len(data.log("photos"))) == (before, 2)


def test_a_version_that_is_not_here_is_told(data: DataService, repo: Path) -> None:
    file = Path(data.pointed.add(repo / "photos").file)
    file.write_text(file.read_text().replace(data.head("photos").id, DIGEST))
    assert data.pointed.state(file).state == "not here"
    with pytest.raises(DataError, match="is not in this workspace") as caught:
        data.pointed.checkout([file])
    assert "mulle data pull photos" in str(caught.value)


def test_two_folders_of_one_name_are_not_mixed(data: DataService, repo: Path) -> None:
    data.pointed.add(repo / "photos")
    (repo / "other" / "photos").mkdir(parents=True)
    (repo / "other" / "photos" / "x").touch()
    with pytest.raises(DataError, match="there is a dataset 'photos' already"):
        data.pointed.add(repo / "other" / "photos")
    assert data.pointed.add(repo / "other" / "photos", "others").dataset == "others"


def test_a_conflict_that_git_left_is_told(data: DataService, repo: Path) -> None:
    file = Path(data.pointed.add(repo / "photos").file)
    file.write_text(f"<<<<<<< HEAD\n{file.read_text()}=======\n>>>>>>> more\n")
    with pytest.raises(DataError, match="git left a conflict"):
        data.pointed.checkout([file])


def test_what_is_no_pointer_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.mulle").write_text("name = 1")
    with pytest.raises(DataError, match="is no pointer file"):
        pointers.read(tmp_path / "x.mulle")
    with pytest.raises(DataError, match="there is no pointer file"):
        pointers.read(tmp_path / "y.mulle")


def test_what_a_pointer_points_at_is_not_searched(data: DataService, repo: Path) -> None:
    data.pointed.add(repo / "photos")
    (repo / "photos" / "inner.mulle").touch()
    (repo / "sub").mkdir()
    (repo / "sub" / "z.mulle").touch()
    found = [path.relative_to(repo).as_posix() for path in pointers.found_below(repo)]
    assert found == ["photos.mulle", "sub/z.mulle"]


def test_a_pointer_file_stands_for_its_version(data: DataService, repo: Path) -> None:
    file = data.pointed.add(repo / "photos").file
    assert data.resolve(pointers.ref_of(file)) == data.head("photos")
    assert pointers.ref_of("photos@1") == "photos@1"
