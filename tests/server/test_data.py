"""The data plane over HTTP: content comes as rows or as paths below the project, and leads nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mulle import server
from mulle.workspace import Workspace

BASE = "http://127.0.0.1:8300"


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Any]:
    """`post("data.log", dataset="x")` gives the status and what was answered; the project is `tmp_path / "project"`."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "mulle.toml").write_text('[project]\nname = "far"\n')
    (root / "in.csv").write_text("id,v\n1,a\n2,b\n")
    (tmp_path / "secret.csv").write_text("id\n1\n")
    with Workspace.create(root) as workspace, TestClient(server.app(workspace), base_url=BASE) as client:

        def call(verb: str, **arguments: Any) -> tuple[int, Any]:
            answer = client.post(f"/api/v1/{verb}", json=arguments)
            return answer.status_code, answer.json()

        yield call


def test_rows_are_committed(post: Any) -> None:
    status, version = post("data.commit", name="x", data=[{"id": 1, "v": "a"}, {"id": 2, "v": None}], key=["id"])
    assert (status, version["rows"], version["schema"]) == (200, 2, [["id", "int64"], ["v", "str"]])


def test_a_path_is_one_below_the_project(post: Any) -> None:
    assert post("data.commit", name="x", data="in.csv")[1]["rows"] == 2


@pytest.mark.parametrize("path", ["../secret.csv", "/etc/passwd", "sub/../../secret.csv"])
@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("data.commit", {"name": "x", "data": "PATH"}),
        ("data.add", {"dataset": "x", "path": "PATH"}),
        ("data.status", {"dataset": "x", "path": "PATH"}),
        ("data.checkout", {"ref": "x", "path": "PATH"}),
        ("data.export", {"ref": "x", "path": "PATH", "to": "csv"}),
        ("data.import", {"door": "csv", "path": "PATH", "name": "y"}),
        ("data.push", {"dataset": "x", "remote": "PATH"}),
        ("data.pull", {"dataset": "x", "remote": "PATH"}),
    ],
)
def test_no_verb_reaches_out_of_the_project(post: Any, tmp_path: Path, verb: str, arguments: Any, path: str) -> None:
    post("data.commit", name="x", data="in.csv")
    before = sorted(tmp_path.iterdir())
    status, said = post(verb, **{name: path if text == "PATH" else text for name, text in arguments.items()})
    assert status == 400, said
    assert sorted(tmp_path.iterdir()) == before


def test_branches_tags_merges_and_removal(post: Any) -> None:
    post("data.commit", name="x", data=[{"id": 1}])
    assert post("data.branch", dataset="x", name="dev")[1][0]["version"] == "x@1"
    post("data.commit", name="x", data=[{"id": 2}], branch="dev", append=True)
    assert post("data.merge", dataset="x", source="dev")[1]["result"] == "fast-forward"
    assert post("data.tag", dataset="x", name="v1")[1][0]["number"] == 2
    assert [each["tags"] for each in post("data.log", dataset="x")[1]] == [["v1"], []]
    assert post("data.rm", ref="x@2")[0] == 409
    assert post("data.diff", a="x@1", b="x@v1")[1]["rows"]["added"] == 1


def test_every_verb_of_the_plane_is_described(tmp_path: Path) -> None:
    (tmp_path / "mulle.toml").write_text('[project]\nname = "far"\n')
    with Workspace.create(tmp_path) as workspace, TestClient(server.app(workspace), base_url=BASE) as client:
        paths = client.get("/openapi.json").json()["paths"]
    assert sum(path.startswith("/api/v1/data.") for path in paths) == 20
    assert "/api/v1/data.import" in paths
