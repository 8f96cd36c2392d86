from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from mulle.access import principal


def test_a_verb_takes_its_arguments_by_name_and_answers_a_struct(face: TestClient) -> None:
    answer = face.post("/api/v1/notes.write", json={"text": "hello", "tags": ["a"]})
    assert answer.json()["tags"] == ["a"]


def test_a_verb_without_arguments_needs_no_body(face: TestClient) -> None:
    answer = face.post("/api/v1/notes.list", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_server_says_who_acts_and_the_caller_says_why(face: TestClient) -> None:
    headers = {"mulle-reason": "because%20of%20tea"}
    note = face.post("/api/v1/notes.write", json={"text": "hello"}, headers=headers).json()
    assert (note["actor"], note["reason"]) == (principal(), "because of tea")


def test_an_iterator_is_sent_a_line_an_item(face: TestClient) -> None:
    for text in ("one", "two"):
        face.post("/api/v1/notes.write", json={"text": text})
    lines = face.post("/api/v1/notes.list", json={}).text.splitlines()
    assert [line.partition(",")[0] for line in lines] == ['{"text":"one"', '{"text":"two"']


def test_an_error_in_the_middle_of_a_stream_is_its_last_line(face: TestClient) -> None:
    for text in ("one", "broken"):
        face.post("/api/v1/notes.write", json={"text": text})
    last = face.post("/api/v1/notes.list", json={}).text.splitlines()[-1]
    assert last == '{"error":"this note cannot be read","cause":"it is broken","cure":"write it again"}'


@pytest.mark.parametrize(
    ("call", "arguments", "status"),
    [
        ("notes.show", {"number": 7}, 404),
        ("notes.show", {}, 400),
        ("notes.show", {"number": "seven"}, 400),
        ("notes.show", {"number": 7, "colour": "red"}, 400),
        ("notes.fail", {"how": "access"}, 403),
        ("notes.fail", {"how": "skew"}, 422),
        ("notes.fail", {"how": "data"}, 409),
        ("notes.local_only", {}, 404),
    ],
)
def test_each_error_has_its_status(face: TestClient, call: str, arguments: dict[str, object], status: int) -> None:
    assert face.post(f"/api/v1/{call}", json=arguments).status_code == status


def test_a_wrong_argument_is_named(face: TestClient) -> None:
    answer = face.post("/api/v1/notes.show", json={"number": "seven"}).json()
    assert answer["cause"] == "Expected `int`, got `str` - at `$.number`"


def test_a_form_cannot_call_a_verb(face: TestClient) -> None:
    answer = face.post("/api/v1/notes.write", content=b'{"text":"x"}', headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["error"]) == (400, "the body must be JSON")


def test_an_unknown_verb_names_the_nearest_one(face: TestClient) -> None:
    answer = face.post("/api/v1/notes.wirte", json={})
    assert (answer.status_code, answer.json()["cause"]) == (404, "did you mean 'notes.write'?")


def test_a_fault_of_mulle_itself_is_told_too(face: TestClient) -> None:
    answer = face.post("/api/v1/notes.fail", json={"how": "fault"})
    assert (answer.status_code, answer.json()["cause"]) == (500, "a fault in mulle")
