from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.serving.asking import Callers, ask

from mulle.errors import ServingError
from mulle.flavors import Model
from mulle.serving import Server
from mulle.testing.models import Failing, Slow
from mulle.testing.planes import Planes

ROW = {"a": 1.0, "b": 2.0}


@pytest.fixture
def server(summing: Planes) -> Iterator[Server]:
    with summing.server() as running:
        yield running


def predict(server: Server, rows: Any, **more: Any) -> tuple[int, Any]:
    return ask(f"{server.url}/predict/sum", {"rows": rows, **more})


def logged(planes: Planes) -> set[str]:
    return set(planes.log.scan("sum", columns=["id"])["id"])


def test_rows_are_answered(server: Server) -> None:
    status, found = predict(server, [ROW, {"a": 0, "b": 5}])

    assert status == 200
    assert [one["output"] for one in found["predictions"]] == [{"prediction": 3.0}, {"prediction": 5.0}]


def test_an_answer_is_in_the_log_before_it_is_seen(server: Server, summing: Planes) -> None:
    _, found = predict(server, [ROW])

    assert logged(summing) == {found["predictions"][0]["id"]}


def test_ids_and_keys_of_the_caller_are_kept(server: Server, summing: Planes) -> None:
    predict(server, [ROW], ids=["mine-1"], key=["UA1545"])

    assert summing.log.find("mine-1")["key"].to_list() == ["UA1545"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "no rows"),
        ([{"a": 1.0}], "no column 'b'"),
        ([{"a": "one", "b": 2.0}], "cannot be read"),
        ("rows", "cannot be read"),
    ],
)
def test_bad_rows_are_explained(server: Server, rows: Any, told: str) -> None:
    status, found = predict(server, rows)

    assert status == 400
    assert told in str(found["error"])
    assert found["cure"]


def test_an_unknown_deployment_suggests(server: Server) -> None:
    status, found = ask(f"{server.url}/predict/sun", {"rows": [ROW]})

    assert (status, found["cause"]) == (404, "did you mean 'sum'?")


def test_too_large_a_body_is_refused(server: Server) -> None:
    status, _ = predict(server, [ROW], padding="x" * (9 << 20))

    assert status == 413


def test_an_empty_batch_leaves_the_server_working(server: Server) -> None:
    predict(server, [])

    assert predict(server, [ROW])[0] == 200


def test_a_swap_under_load_fails_and_falsifies_nothing(server: Server, summing: Planes) -> None:
    with Callers(server.url, "/predict/sum") as callers:
        for version in ("sum@2", "sum@3"):
            time.sleep(0.3)
            summing.deployments.deploy("sum", version)
        time.sleep(0.3)
        summing.deployments.rollback("sum")
        time.sleep(0.4)

    assert callers.failures == []
    assert {revision for _, revision, _, _ in callers.answers} == {1, 2, 3}
    assert all(answer == value + 100.0 * (revision - 1) for value, revision, answer, _ in callers.answers)
    assert callers.answers[-1][1] == 2


def test_a_canary_gets_its_share_of_the_keys(server: Server, summing: Planes) -> None:
    summing.deployments.deploy("sum", "sum@2", share=30)
    server.refresh()

    _, found = predict(server, [ROW] * 300, key=[str(number) for number in range(300)])

    share = [one["revision"] for one in found["predictions"]].count(2) / 300
    assert 0.2 < share < 0.4


def test_a_shadow_is_logged_and_not_seen(server: Server, summing: Planes) -> None:
    summing.deployments.deploy("sum", "sum@2", share=0)
    summing.deployments.traffic("sum", {1: 100}, shadow=[2])
    server.refresh()

    _, found = predict(server, [ROW])
    deadline = time.monotonic() + 60
    while summing.log.scan("sum").height < 2 and time.monotonic() < deadline:
        time.sleep(0.02)

    assert [one["revision"] for one in found["predictions"]] == [1]
    assert sorted(summing.log.scan("sum")["role"]) == ["live", "shadow"]


def test_a_killed_worker_loses_nothing_that_was_answered(summing: Planes) -> None:
    with summing.server() as server:
        with Callers(server.url, "/predict/sum", count=4) as callers:
            time.sleep(0.4)
            os.kill(server.pids[0], signal.SIGKILL)
            time.sleep(1.2)
        assert server.restarts == 1

    acknowledged = [identity for *_, identity in callers.answers]
    assert len(acknowledged) > 100
    assert set(acknowledged) <= logged(summing)
    assert len(callers.failures) <= 8


def test_a_restarted_worker_answers(server: Server) -> None:
    os.kill(server.pids[0], signal.SIGKILL)

    assert predict(server, [ROW])[0] == 200


def test_a_graceful_end_answers_what_is_open(summing: Planes, example: pl.DataFrame) -> None:
    summing.register("slow", Model(Slow(0.5), example=example))
    summing.deployments.deploy("slow", "slow@1")
    server = summing.server().start()
    with Callers(server.url, "/predict/slow", count=3) as callers:
        time.sleep(0.3)
        for thread in callers.threads:
            assert thread.is_alive()
        callers._stop.set()
        server.stop()

    assert [failure for failure in callers.failures if "Refused" not in failure] == []
    assert len(callers.answers) == 3


def test_a_full_queue_is_answered_at_once(summing: Planes, example: pl.DataFrame) -> None:
    summing.register("slow", Model(Slow(0.4), example=example))
    summing.deployments.deploy("slow", "slow@1")
    with summing.server(max_pending_rows=2) as server, Callers(server.url, "/predict/slow", count=6) as callers:
        time.sleep(0.3)

    assert any(failure.startswith("503") for failure in callers.failures)


def test_one_bad_request_does_not_spoil_the_others(summing: Planes, example: pl.DataFrame) -> None:
    summing.register("failing", Model(Failing(), example=example))
    summing.deployments.deploy("failing", "failing@1")
    with summing.server() as server, Callers(server.url, "/predict/failing", count=4) as callers:
        for _ in range(20):
            status, found = ask(f"{server.url}/predict/failing", {"rows": [{"a": -5, "b": 0}]})
            assert (status, found["cause"]) == (500, "ValueError: negative rows are refused")

    assert callers.failures == []


def test_a_model_that_cannot_be_loaded_leaves_the_former_serving(server: Server, summing: Planes) -> None:
    broken = summing.registry.show("sum@2")
    summing.registry.prepare(broken)
    (summing.registry.bundle_directory(broken) / "model.pkl").write_bytes(b"nonsense")

    summing.deployments.deploy("sum", "sum@2")
    error = server.refresh()

    endpoint = summing.deployments.show("sum").endpoint
    assert endpoint is not None
    assert "not signed" in (error or endpoint.error)
    assert predict(server, [ROW])[1]["predictions"][0]["revision"] == 1


def test_a_worker_that_starts_after_a_refused_plan_serves_the_former(server: Server, summing: Planes) -> None:
    broken = summing.registry.show("sum@2")
    summing.registry.prepare(broken)
    (summing.registry.bundle_directory(broken) / "model.pkl").write_bytes(b"nonsense")
    summing.deployments.deploy("sum", "sum@2")
    server.refresh()

    os.kill(server.pids[0], signal.SIGKILL)

    assert predict(server, [ROW])[1]["predictions"][0]["revision"] == 1


def test_a_port_in_use_is_told(summing: Planes) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ServingError, match="is in use"):
            summing.server(port=taken.getsockname()[1])


def test_only_loopback_is_listened_on(summing: Planes) -> None:
    with pytest.raises(ServingError, match="no authentication"):
        summing.server(host="0.0.0.0")


def test_the_catalog_says_where_a_deployment_answers(server: Server, summing: Planes) -> None:
    endpoint = summing.deployments.show("sum").endpoint

    assert endpoint is not None
    assert endpoint.url == f"{server.url}/predict/sum"


def test_a_stopped_server_answers_nowhere(summing: Planes) -> None:
    with summing.server():
        pass

    assert summing.deployments.show("sum").endpoint is None


def test_counters_are_summed_over_workers(summing: Planes) -> None:
    with summing.server(workers=2) as server:
        for _ in range(20):
            predict(server, [ROW])
        time.sleep(1.5)
        _, text = ask(f"{server.url}/metrics", method="GET")

    assert 'mulle_predictions_total{deployment="sum",revision="1",role="live"} 20' in text.decode()


def test_workers_load_no_table_library_and_no_catalog() -> None:
    heavy = ("polars", "pyarrow", "sqlalchemy", "pandas", "sklearn", "lightgbm", "scipy")
    code = f"import sys, mulle.serving.worker; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_running_worker_loads_no_table_library(server: Server) -> None:
    predict(server, [ROW])

    loaded = Path(f"/proc/{server.pids[0]}/maps").read_text()
    assert not [name for name in ("polars", "pyarrow", "sqlalchemy", "sklearn") if name in loaded]
