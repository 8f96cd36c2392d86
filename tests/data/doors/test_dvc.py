"""The door from DVC, against what DVC itself checks out."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests import s3
from tests.data.doors import dvcworld
from tests.data.doors.conftest import Known

from mulle.catalog import Catalog
from mulle.data import DataService
from mulle.data.doors.git import Repository
from mulle.data.model import ImportedDataset, ImportReport
from mulle.errors import DataError, UsageError
from mulle.store.bucket import Bucket
from mulle.testing import ceph
from mulle.testing.memory_store import MemoryStore
from mulle.verbs import acting

DVC = Path(__file__).parents[3] / ".venv" / "peers" / "dvc" / "bin" / "dvc"


def checked_out(data: DataService, ref: str, folder: Path) -> dict[str, tuple[str, bool]]:
    """The sha256 of each file and whether it is executable."""
    shutil.rmtree(folder, ignore_errors=True)
    data.checkout(ref, folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            bool(path.stat().st_mode & 0o100),
        )
        for path in files
    }


def versions_at(repo: Path, imported: ImportedDataset) -> dict[str, int]:
    """By revision the version that holds then: its own, or that of the revision before it."""
    found: dict[str, int] = {}
    with Repository(repo) as repository:
        for revision in repository.revisions(list(repository.refs("heads").values())):
            before = [found[parent] for parent in revision.parents if parent in found]
            number = imported.revisions.get(revision.id, before[0] if before else None)
            if number is not None:
                found[revision.id] = number
    return found


def by_source(report: ImportReport) -> dict[str, ImportedDataset]:
    return {each.source: each for each in report.datasets}


def require_identical(data: DataService, known: Known, folder: Path) -> None:
    imported = by_source(data.import_("dvc", str(known.repo), all_revs=True))
    at = {out: versions_at(known.repo, each) for out, each in imported.items()}
    for revision, outs in known.truth.items():
        for out, files in outs.items():
            ref = f"{imported[out].name}@{at[out][revision]}"
            assert checked_out(data, ref, folder) == files, (revision, out)


def test_every_revision_checks_out_byte_identical(data: DataService, dvc: Known, tmp_path: Path) -> None:
    require_identical(data, dvc, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.skipif(not DVC.exists(), reason="DVC is not installed: sh scripts/install_dvc.sh")
def test_a_repository_made_now_by_dvc_checks_out_byte_identical(data: DataService, tmp_path: Path) -> None:
    dvcworld.main(str(DVC), tmp_path / "dvc")
    require_identical(data, Known.of(tmp_path / "dvc"), tmp_path / "out")


def test_each_output_is_a_dataset_named_by_its_path(data: DataService, dvc: Known) -> None:
    found = by_source(data.import_("dvc", str(dvc.repo)))
    assert {out: each.name for out, each in found.items()} == {
        "count.txt": "count.txt",
        "data/images": "data-images",
        "data/rows.csv": "data-rows.csv",
        "data/table.csv": "data-table.csv",
        "tool.sh": "tool.sh",
        "work/a": "work-a",
        "work/b": "work-b",
    }


def test_a_version_has_the_time_author_and_message_of_its_revision(data: DataService, dvc: Known) -> None:
    data.import_("dvc", str(dvc.repo))
    version = data.resolve("data-images@1")
    assert (version.at, version.actor) == (datetime(2020, 1, 3, 12, tzinfo=UTC), "Ada <ada@example.org>")
    assert version.message == "images\n\nwith odd names"


def test_time_travels_by_the_time_of_the_revisions(data: DataService, dvc: Known) -> None:
    data.import_("dvc", str(dvc.repo))
    assert data.resolve("data-table.csv@2020-01-03").number == 1
    assert data.resolve("data-table.csv@2020-01-05").number == 2


def test_tags_of_git_are_tags(data: DataService, dvc: Known) -> None:
    data.import_("dvc", str(dvc.repo))
    assert (data.resolve("data-images@v1.0").number, data.resolve("data-images@v2.0").number) == (1, 2)


def test_branches_of_git_are_branches(data: DataService, dvc: Known) -> None:
    data.import_("dvc", str(dvc.repo), all_revs=True)
    side = data.resolve("data-images@side")
    assert (side.message, side.parent) == ("on the side", 1)
    assert data.head("data-images").message == "a file renamed, one removed"


def test_importing_again_brings_nothing_and_reads_nothing(data: DataService, dvc: Known) -> None:
    first = data.import_("dvc", str(dvc.repo), all_revs=True)
    shutil.rmtree(dvc.repo / ".dvc" / "cache")
    again = data.import_("dvc", str(dvc.repo), all_revs=True)
    assert [each.added for each in again.datasets] == [[]] * len(first.datasets)
    assert [each.revisions for each in again.datasets] == [each.revisions for each in first.datasets]


def test_the_same_repository_gives_the_same_ids_elsewhere(data: DataService, dvc: Known, tmp_path: Path) -> None:
    from mulle.clock import ClockIds, VirtualClock

    clock = VirtualClock(datetime(2030, 1, 1, tzinfo=UTC))
    with_other = Catalog.create(tmp_path / "other.db", clock, ClockIds(clock, seed=2), durable=False)
    other = DataService(with_other, MemoryStore(), tmp_path)
    data.import_("dvc", str(dvc.repo))
    other.import_("dvc", str(dvc.repo), output="data/images", name="pictures")
    assert other.head("pictures").id == data.head("data-images").id
    with_other.close()


def test_a_new_revision_brings_one_version(data: DataService, dvc: Known) -> None:
    commits = ["git", "-C", str(dvc.repo), "-c", "user.name=B", "-c", "user.email=b@x"]
    subprocess.run([*commits, "checkout", "-q", "main~3"], check=True)
    data.import_("dvc", str(dvc.repo))
    subprocess.run([*commits, "checkout", "-q", "main"], check=True)
    found = by_source(data.import_("dvc", str(dvc.repo)))
    assert (found["data/table.csv"].added, found["data/rows.csv"].added) == ([3], [1, 2])


def test_one_revision_is_one_version(data: DataService, dvc: Known) -> None:
    found = data.import_("dvc", str(dvc.repo), "pictures", rev="v1.0", output="data/images")
    assert [(each.name, each.added) for each in found.datasets] == [("pictures", [1])]
    assert data.resolve("pictures").at == datetime(2020, 1, 3, 12, tzinfo=UTC)


def test_the_md5_is_kept_and_told(data: DataService, dvc: Known) -> None:
    data.import_("dvc", str(dvc.repo))
    metafile = subprocess.run(
        ["git", "-C", str(dvc.repo), "show", "main:data/rows.csv.dvc"], check=True, capture_output=True, text=True
    ).stdout
    shown = data.show("data-rows.csv")
    assert shown.parts[0].aliases["md5"] in metafile
    assert data.show("data-images").aliases["md5"].endswith(".dir")


def test_missing_contents_are_all_told_before_anything_is_made(data: DataService, dvc: Known) -> None:
    cache = dvc.repo / ".dvc" / "cache" / "files" / "md5"
    gone = data_md5(dvc.repo, "main~8", "data/table.csv.dvc")
    (cache / gone[:2] / gone[2:]).unlink()
    with pytest.raises(DataError, match="lacks contents of 1 version") as caught:
        data.import_("dvc", str(dvc.repo))
    assert "data/table.csv at " in str(caught.value)
    assert "dvc fetch --all-commits" in str(caught.value)
    assert data.list() == []


def test_a_folder_with_a_missing_file_says_how_many(data: DataService, dvc: Known) -> None:
    cache = dvc.repo / ".dvc" / "cache" / "files" / "md5"
    odd = hashlib.md5(b"odd 0\n").hexdigest()
    (cache / odd[:2] / odd[2:]).unlink()
    with pytest.raises(DataError, match=r"data/images at \w+ \(1 file\)"):
        data.import_("dvc", str(dvc.repo))


def test_versions_with_missing_contents_may_be_left_out(data: DataService, dvc: Known) -> None:
    cache = dvc.repo / ".dvc" / "cache" / "files" / "md5"
    gone = data_md5(dvc.repo, "main~8", "data/table.csv.dvc")
    (cache / gone[:2] / gone[2:]).unlink()
    found = by_source(data.import_("dvc", str(dvc.repo), skip_missing=True))["data/table.csv"]
    assert (len(found.added), len(found.left_out)) == (2, 1)


def test_a_damaged_content_is_refused(data: DataService, dvc: Known) -> None:
    cache = dvc.repo / ".dvc" / "cache" / "files" / "md5"
    odd = hashlib.md5(b"odd 0\n").hexdigest()
    path = cache / odd[:2] / odd[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(DataError, match="is damaged"):
        data.import_("dvc", str(dvc.repo))


def test_contents_come_from_a_remote_that_is_a_folder(data: DataService, dvc: Known, tmp_path: Path) -> None:
    shutil.move(dvc.repo / ".dvc" / "cache", dvc.repo.parent / "remote")
    (dvc.repo / ".dvc" / "config").write_text(
        "[core]\n    remote = away\n['remote \"away\"']\n    url = ../../remote\n"
    )
    require_identical(data, dvc, tmp_path / "out")


@s3.GROUP
@pytest.mark.slow
def test_contents_come_from_a_remote_in_s3(data: DataService, dvc: Known, tmp_path: Path) -> None:
    server = s3.gateway()
    bucket = Bucket(f"{server.bucket()}/dvc", environment=server.environment())
    cache = dvc.repo / ".dvc" / "cache"
    for path in (each for each in cache.rglob("*") if each.is_file()):
        bucket.create(path.relative_to(cache).as_posix(), path.read_bytes())
    shutil.rmtree(cache)
    settings = {"url": bucket.url, "endpointurl": server.endpoint, "region": "us-east-1"}
    settings |= {"access_key_id": ceph.KEY, "secret_access_key": ceph.SECRET}
    lines = "".join(f"    {name} = {value}\n" for name, value in settings.items())
    (dvc.repo / ".dvc" / "config.local").write_text(f"['remote \"far\"']\n{lines}")
    require_identical(data, dvc, tmp_path / "out")


def test_contents_of_the_old_layout_are_found(data: DataService, dvc: Known) -> None:
    cache = dvc.repo / ".dvc" / "cache"
    for folder in (cache / "files" / "md5").iterdir():
        shutil.move(folder, cache / folder.name)
    (dvc.repo / "data" / "rows.csv.dvc").write_text(
        (dvc.repo / "data" / "rows.csv.dvc").read_text().replace("  hash: md5\n", "")
    )
    shutil.rmtree(dvc.repo / ".git")
    found = by_source(data.import_("dvc", str(dvc.repo)))
    assert data.show(found["data/rows.csv"].name).parts[0].aliases == {"md5-dos2unix": hashlib.md5(b"").hexdigest()}


def test_versions_of_ones_own_are_not_overwritten(data: DataService, dvc: Known, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("a")
    data.commit("data-images", tmp_path / "mine")
    with pytest.raises(DataError, match="has versions that the imported history does not know"):
        data.import_("dvc", str(dvc.repo), output="data/images")
    assert data.head("data-images").number == 1


def test_a_folder_that_is_no_repository_is_told(data: DataService, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no DVC repository"):
        data.import_("dvc", str(tmp_path))


def test_an_unknown_output_is_told(data: DataService, dvc: Known) -> None:
    with pytest.raises(DataError, match="no output 'data/nothing'"):
        data.import_("dvc", str(dvc.repo), output="data/nothing")


def test_an_unknown_revision_is_told(data: DataService, dvc: Known) -> None:
    with pytest.raises(DataError, match="git cannot read"):
        data.import_("dvc", str(dvc.repo), rev="--output=/nowhere")


def data_md5(repo: Path, revision: str, path: str) -> str:
    shown = subprocess.run(["git", "-C", str(repo), "show", f"{revision}:{path}"], check=True, capture_output=True)
    return shown.stdout.decode().partition("md5: ")[2].split()[0]


def test_a_name_that_cannot_be_is_refused(data: DataService, dvc: Known) -> None:
    with pytest.raises(UsageError, match="cannot name a dataset"):
        data.import_("dvc", str(dvc.repo), "a b", output="data/images")
    assert data.list() == []


def test_over_a_wire_only_what_is_in_the_project_comes_and_goes(data: DataService, dvc: Known) -> None:
    data.import_("dvc", str(dvc.repo), output="tool.sh")
    with acting(far=True):
        with pytest.raises(UsageError, match="is not in the project"):
            data.import_("dvc", "/elsewhere")
        with pytest.raises(UsageError, match="is not in the project"):
            data.export("tool.sh", "../outside", "files")
        assert data.import_("dvc", "dvc/repo", output="tool.sh").datasets[0].added == []
