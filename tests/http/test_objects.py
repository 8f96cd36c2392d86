from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from tests.http.notebook import Workspace

from mulle.hashing import digest_bytes, to_raw
from mulle.store import packing

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


def digests(*contents: bytes) -> bytes:
    return b"".join(to_raw(digest_bytes(content)) for content in contents)


def test_those_of_many_that_are_missing_are_told(face: TestClient, workspace: Workspace) -> None:
    workspace.store.put(b"here")
    answer = face.post("/objects/missing", content=digests(b"here", b"not"))
    assert answer.content == digests(b"not")


def test_a_pack_brings_many_objects(face: TestClient, workspace: Workspace) -> None:
    items = [(to_raw(digest_bytes(each)), each) for each in (b"one", b"", b"three")]
    answer = face.post("/objects/pack", content=packing.seal(items).data)
    assert (answer.status_code, answer.json()) == (201, {"objects": 3})
    assert workspace.store.get(digest_bytes(b"three")) == b"three"


def test_a_pack_with_one_wrong_object_brings_none(face: TestClient, workspace: Workspace) -> None:
    items = [(to_raw(digest_bytes(b"one")), b"one"), (to_raw(digest_bytes(b"two")), b"another")]
    answer = face.post("/objects/pack", content=packing.seal(items).data)
    assert answer.status_code == 400
    assert not workspace.store.has(digest_bytes(b"one"))


@pytest.mark.parametrize("cut", [0, 1, 40, -1])
def test_a_pack_that_is_cut_off_brings_none(face: TestClient, workspace: Workspace, cut: int) -> None:
    data = packing.seal([(to_raw(digest_bytes(b"one")), b"one")]).data
    assert face.post("/objects/pack", content=data[:cut]).status_code == 400
    assert list(workspace.store.digests()) == []


def test_a_body_that_is_too_long_is_refused_before_it_is_read(face: TestClient) -> None:
    answer = face.post("/objects/missing", content=bytes(5 << 20))
    assert (answer.status_code, answer.json()["error"]) == (400, "the body is too long")


def test_a_list_of_half_a_digest_is_refused(face: TestClient) -> None:
    assert face.post("/objects/missing", content=b"half").status_code == 400


def test_many_are_read_in_one_request_and_large_ones_are_passed_over(face: TestClient, workspace: Workspace) -> None:
    contents = [b"one", bytes(2 << 20), b"three"]
    for each in contents:
        workspace.store.put(each)
    found = face.post("/objects/read", content=digests(*contents)).content
    assert [data for _, data in packing.objects_in(found, "it")] == [b"one", b"three"]


def test_reading_one_that_is_not_here_names_it(face: TestClient) -> None:
    answer = face.post("/objects/read", content=digests(b"not"))
    assert (answer.status_code, digest_bytes(b"not") in answer.json()["error"]) == (404, True)


def test_an_object_may_come_in_pieces(face: TestClient, workspace: Workspace) -> None:
    url = f"/objects/{DIGEST}"
    first = face.put(url, content=DATA[:4000], headers={"content-range": "bytes 0-3999/10000"})
    there = face.get(f"{url}/received").json()
    last = face.put(url, content=DATA[4000:], headers={"content-range": "bytes 4000-9999/10000"})
    assert (first.status_code, there, last.status_code) == (202, {"there": False, "received": 4000}, 201)
    assert workspace.store.get(DIGEST) == DATA
    assert list((workspace.root / "tmp" / "incoming").iterdir()) == []


def test_a_piece_that_leaves_a_gap_is_refused_and_says_where_to_go_on(face: TestClient) -> None:
    url = f"/objects/{DIGEST}"
    face.put(url, content=DATA[:4000], headers={"content-range": "bytes 0-3999/10000"})
    again = face.put(url, content=DATA[5000:], headers={"content-range": "bytes 5000-9999/10000"})
    assert (again.status_code, again.json()["error"]) == (409, f"{DIGEST} has arrived up to byte 4000")


def test_a_piece_may_come_again(face: TestClient, workspace: Workspace) -> None:
    url = f"/objects/{DIGEST}"
    for start, end in ((0, 4000), (0, 4000), (3000, 9000), (9000, 10_000)):
        headers = {"content-range": f"bytes {start}-{end - 1}/10000"}
        face.put(url, content=DATA[start:end], headers=headers)
    assert workspace.store.get(DIGEST) == DATA


def test_a_piece_of_another_length_than_it_says_leaves_nothing(face: TestClient) -> None:
    url = f"/objects/{DIGEST}"
    answer = face.put(url, content=DATA[:100], headers={"content-range": "bytes 0-3999/10000"})
    assert (answer.status_code, face.get(f"{url}/received").json()["received"]) == (400, 0)


def test_pieces_that_make_something_else_are_dropped(face: TestClient, workspace: Workspace) -> None:
    url = f"/objects/{DIGEST}"
    answer = face.put(url, content=bytes(10_000), headers={"content-range": "bytes 0-9999/10000"})
    assert (answer.status_code, workspace.store.has(DIGEST)) == (400, False)
    assert face.get(f"{url}/received").json()["received"] == 0


@pytest.mark.parametrize("header", ["bytes 5-4/10", "bytes 0-10/10", "bytes x-1/10", "items 0-1/10", "bytes */10"])
def test_a_malformed_content_range_is_refused(face: TestClient, header: str) -> None:
    assert face.put(f"/objects/{DIGEST}", content=b"x", headers={"content-range": header}).status_code == 400


def test_more_than_the_disk_has_is_refused_before_it_is_read(face: TestClient) -> None:
    huge = str(1 << 60)
    answer = face.put(f"/objects/{DIGEST}", content=b"x", headers={"content-range": f"bytes 0-0/{huge}"})
    assert (answer.status_code, "free space" in answer.json()["cure"]) == (500, True)


def test_every_object_is_listed(face: TestClient, workspace: Workspace) -> None:
    for each in (b"one", b"two"):
        workspace.store.put(each)
    found = face.get("/objects").content
    assert {found[:32], found[32:]} == {to_raw(digest_bytes(each)) for each in (b"one", b"two")}


def test_damage_is_told_a_line_each(face: TestClient, workspace: Workspace) -> None:
    digest = workspace.store.put(bytes(2 << 20))
    path = workspace.store.path(digest)
    path.chmod(0o644)
    path.write_bytes(b"damage")
    [line] = face.post("/objects/verify").text.splitlines()
    assert digest in line
