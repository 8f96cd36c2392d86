from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from tests.http.notebook import Workspace

import mulle.http as http  # noqa: PLR0402 - `mulle.http` is also the name of a source


@pytest.mark.parametrize("host", ["localhost", "localhost:8300", "127.0.0.1:8300", "127.8.0.1", "[::1]:8300"])
def test_loopback_is_served(face: TestClient, host: str) -> None:
    assert face.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""])
def test_another_host_name_is_refused_so_that_rebinding_a_name_gains_nothing(face: TestClient, host: str) -> None:
    assert face.get("/healthz", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
def test_a_page_of_another_origin_may_not_change_anything(face: TestClient, origin: str) -> None:
    answer = face.post("/api/v1/notes.write", json={"text": "x"}, headers={"origin": origin})
    assert answer.status_code == 403


def test_a_page_of_this_server_may(face: TestClient) -> None:
    answer = face.post("/api/v1/notes.write", json={"text": "x"}, headers={"origin": "http://127.0.0.1:8300"})
    assert answer.status_code == 200


def test_a_host_that_was_named_is_served(workspace: Workspace) -> None:
    client = TestClient(http.app(workspace, hosts=["mulle.internal"]), base_url="http://mulle.internal")
    assert client.get("/healthz").status_code == 200
