from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.serving.asking import ask

from mulle.serving import Server
from mulle.testing.planes import Planes


@pytest.fixture
def server(summing: Planes) -> Iterator[Server]:
    with summing.server() as running:
        yield running


def get(server: Server, path: str) -> tuple[int, Any]:
    return ask(server.url + path, method="GET")


def infer(server: Server, inputs: list[dict[str, Any]], path: str = "/v2/models/sum/infer") -> tuple[int, Any]:
    return ask(server.url + path, {"inputs": inputs, "id": "r1"})


def column(name: str, *data: float) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": "FP64", "data": list(data)}


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/models/sum/ready"])
def test_a_warm_server_is_ready(server: Server, path: str) -> None:
    assert get(server, path)[0] == 200


def test_the_server_names_itself(server: Server) -> None:
    assert get(server, "/v2") == (200, {"name": "mulle", "version": "2", "extensions": []})


def test_metadata_names_the_tensors(server: Server) -> None:
    _, found = get(server, "/v2/models/sum/versions/1")

    assert [one["name"] for one in found["inputs"]] == ["a", "b"]
    assert found["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [-1]}]


def test_a_tensor_a_column(server: Server) -> None:
    status, found = infer(server, [column("a", 1, 2), column("b", 10, 20)])

    assert status == 200
    assert (found["id"], found["model_version"], found["outputs"][0]["data"]) == ("r1", "1", [11.0, 22.0])


def test_one_matrix(server: Server) -> None:
    _, found = infer(server, [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]}])

    assert found["outputs"][0]["data"] == [3.0, 7.0]


def test_a_version_is_asked_by_number(server: Server, summing: Planes) -> None:
    summing.deployments.deploy("sum", "sum@2", share=10)
    server.refresh()

    _, found = infer(server, [column("a", 1), column("b", 1)], "/v2/models/sum/versions/2/infer")

    assert (found["model_version"], found["outputs"][0]["data"]) == ("2", [102.0])


def test_answers_are_logged(server: Server, summing: Planes) -> None:
    _, found = infer(server, [column("a", 1), column("b", 1)])

    assert summing.log.scan("sum")["id"].to_list() == found["parameters"]["prediction_ids"]


@pytest.mark.parametrize(
    ("path", "told"),
    [("/v2/models/sun", "unknown deployment"), ("/v2/models/sum/versions/9", "version '9'"), ("/v2/nothing", "no /v2")],
)
def test_what_is_not_there_is_not_found(server: Server, path: str, told: str) -> None:
    status, found = get(server, path)

    assert status == 404
    assert told in found["error"]


def test_tensors_that_do_not_fit_are_refused(server: Server) -> None:
    status, found = infer(server, [column("a", 1, 2), column("b", 1)])

    assert (status, found["cause"]) == (400, "a: 2, b: 1")


def test_a_wrong_shape_is_refused(server: Server) -> None:
    status, _ = infer(server, [{"name": "a", "shape": [3], "datatype": "FP64", "data": [1.0]}, column("b", 1)])

    assert status == 400
