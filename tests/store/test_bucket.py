from __future__ import annotations

from pathlib import Path

import pytest

from mulle.errors import StoreError, UsageError
from mulle.store.bucket import Bucket, _config
from mulle.testing.faults import FaultyFiles


@pytest.fixture(params=["folder", "memory"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    return Bucket(str(tmp_path / "remote") if request.param == "folder" else "memory:")


def test_a_file_is_created_once(bucket: Bucket) -> None:
    assert (bucket.create("a/b", b"first"), bucket.create("a/b", b"second")) == (True, False)
    assert bucket.read("a/b") == b"first"


def test_what_is_not_there_is_none(bucket: Bucket) -> None:
    assert [
        bucket.read("a"),
        bucket.size("a"),
        bucket.stream("a"),
        bucket.tail("a", 3),
        bucket.ranges("a", [(0, 1)]),
    ] == [None] * 5


def test_ranges_come_in_their_order(bucket: Bucket) -> None:
    bucket.create("a", bytes(range(100)))
    assert bucket.ranges("a", [(90, 2), (3, 0), (1, 3)]) == [bytes([90, 91]), b"", bytes([1, 2, 3])]


def test_a_stream_begins_where_it_is_told(bucket: Bucket) -> None:
    bucket.create("a", bytes(range(100)))
    assert b"".join(bucket.stream("a", 95) or ()) == bytes(range(95, 100))


def test_a_large_file_is_written_from_pieces(bucket: Bucket) -> None:
    bucket.write("a", iter([b"x" * (9 << 20), b"y"]), (9 << 20) + 1)
    assert bucket.size("a") == (9 << 20) + 1
    assert bucket.tail("a", 2) == b"xy"


def test_pieces_that_fail_leave_nothing(bucket: Bucket) -> None:
    def failing() -> object:
        yield b"x" * (9 << 20)
        raise StoreError("no", cause="told to", cure="none")

    with pytest.raises(StoreError, match="no"):
        bucket.write("a", failing(), 1)  # type: ignore[arg-type]
    assert bucket.size("a") is None


def test_keys_and_folders_are_listed(bucket: Bucket) -> None:
    for key in ("a/b/c", "a/b/d", "a/e", "x"):
        bucket.create(key, b"12")
    assert sorted(bucket.keys("a/b")) == [("a/b/c", 2), ("a/b/d", 2)]
    assert bucket.folders("a") == ["b"]


def test_a_folder_is_made_durable(tmp_path: Path) -> None:
    files = Counting()
    bucket = Bucket(str(tmp_path / "remote"), files=files)
    bucket.create("a/b", b"1")
    bucket.settle()
    bucket.settle()
    assert files.synced == ["file", "folder", "folder"]


@pytest.mark.parametrize("url", ["ftp://host/path", "nonsense://x"])
def test_an_address_of_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="cannot be a remote"):
        Bucket(url)


def test_credentials_of_the_environment_win_over_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = file\naws_secret_access_key = s\n"
        "[work]\naws_access_key_id = work\nregion = eu\n"
    )
    file = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    told = {**file, "AWS_ACCESS_KEY_ID": "told", "AWS_SECRET_ACCESS_KEY": "s2"}
    found = [_config("s3", {}, each) for each in (file, {**file, "AWS_PROFILE": "work"}, told)]
    assert [(each["access_key_id"], each["region"]) for each in found] == [
        ("file", "us-east-1"),
        ("work", "eu"),
        ("told", "us-east-1"),
    ]


def test_the_address_says_where_the_endpoint_is(tmp_path: Path) -> None:
    environment = {"AWS_ENDPOINT_URL": "http://one", "HOME": str(tmp_path)}
    assert _config("s3", {"endpoint": "http://two"}, environment)["endpoint"] == "http://two"


class Counting(FaultyFiles):
    """Files that say what was made safe."""

    def __init__(self) -> None:
        super().__init__()
        self.synced: list[str] = []

    def sync(self, fd: int) -> None:
        self.synced.append("file")
        super().sync(fd)

    def sync_folder(self, folder: Path) -> None:
        self.synced.append("folder")
        super().sync_folder(folder)
