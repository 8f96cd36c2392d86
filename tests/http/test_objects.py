from __future__ import annotations

from starlette.testclient import TestClient
from tests.http.notebook import Workspace

from mulle.hashing import digest_bytes

DATA = b"0123456789" * 1000
DIGEST = digest_bytes(DATA)


def stored(workspace: Workspace) -> str:
    digest = workspace.store.put(DATA)
    workspace.store.flush()
    return f"/objects/{digest}"


def test_an_object_is_served_whole(face: TestClient, workspace: Workspace) -> None:
    assert face.get(stored(workspace)).content == DATA


def test_an_object_is_served_by_range(face: TestClient, workspace: Workspace) -> None:
    answer = face.get(stored(workspace), headers={"range": "bytes=5-14"})
    assert (answer.status_code, answer.content) == (206, b"5678901234")


def test_a_head_says_how_long_it_is(face: TestClient, workspace: Workspace) -> None:
    assert face.head(stored(workspace)).headers["content-length"] == "10000"


def test_an_object_never_changes_so_a_cached_one_is_not_sent_again(face: TestClient, workspace: Workspace) -> None:
    answer = face.get(stored(workspace), headers={"if-none-match": f'"{DIGEST}"'})
    assert (answer.status_code, answer.content) == (304, b"")


def test_an_object_that_is_put_is_there(face: TestClient, workspace: Workspace) -> None:
    assert face.put(f"/objects/{DIGEST}", content=DATA).status_code == 201
    assert workspace.store.get(DIGEST) == DATA


def test_putting_an_object_twice_is_the_same_as_once(face: TestClient) -> None:
    assert [face.put(f"/objects/{DIGEST}", content=DATA).status_code for _ in range(2)] == [201, 201]


def test_bytes_that_are_not_what_their_name_says_are_refused(face: TestClient, workspace: Workspace) -> None:
    assert face.put(f"/objects/{DIGEST}", content=DATA + b"!").status_code == 400
    assert not workspace.store.has(DIGEST)


def test_an_object_that_is_not_here_is_not_found(face: TestClient) -> None:
    assert face.get(f"/objects/{DIGEST}").status_code == 404


def test_what_is_no_digest_is_refused(face: TestClient) -> None:
    assert face.get("/objects/b3:..%2F..%2Fetc").status_code in {400, 404}
