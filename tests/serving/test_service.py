from __future__ import annotations

import polars as pl
import pytest

from mulle.catalog import ledger
from mulle.catalog.lineage import walk
from mulle.errors import ServingError, UnknownNameError
from mulle.testing.planes import Planes


def weights(planes: Planes) -> dict[int, float]:
    return planes.deployments.show("sum").traffic.weights


def test_the_first_revision_answers_everything(summing: Planes) -> None:
    assert weights(summing) == {1: 100.0}


def test_the_same_version_again_is_the_same_revision(summing: Planes) -> None:
    again = summing.deployments.deploy("sum", "sum@1")

    assert (again.number, summing.deployments.show("sum").traffic.entry) == (1, 1)


def test_a_new_version_takes_over(summing: Planes) -> None:
    summing.deployments.deploy("sum", "sum@2")

    assert weights(summing) == {2: 100.0}


def test_a_share_leaves_the_rest_to_the_others(summing: Planes) -> None:
    summing.deployments.deploy("sum", "sum@2", share=10)

    assert weights(summing) == {1: 90.0, 2: 10.0}


def test_a_staged_revision_answers_nothing(summing: Planes) -> None:
    summing.deployments.deploy("sum", "sum@2", share=0)

    assert weights(summing) == {1: 100.0}
    assert [one.number for one in summing.deployments.show("sum").revisions] == [2, 1]


def test_traffic_is_shared_as_told(summing: Planes) -> None:
    summing.deployments.deploy("sum", "sum@2", share=0)

    found = summing.deployments.traffic("sum", {1: 3, 2: 1}, shadow=[])

    assert found.weights == {1: 75.0, 2: 25.0}


def test_a_rollback_of_a_canary_ends_it(summing: Planes) -> None:
    summing.deployments.deploy("sum", "sum@2", share=10)

    summing.deployments.rollback("sum", reason="worse")

    assert weights(summing) == {1: 100.0}


def test_rollbacks_go_further_back_each_time(summing: Planes) -> None:
    for version in ("sum@2", "sum@3"):
        summing.deployments.deploy("sum", version)

    found = [next(iter(summing.deployments.rollback("sum").weights)) for _ in range(2)]

    assert found == [2, 1]


def test_a_rollback_without_a_past_is_refused(summing: Planes) -> None:
    with pytest.raises(ServingError, match="nothing to go back to"):
        summing.deployments.rollback("sum")


def test_without_a_version_the_champion_is_deployed(summing: Planes) -> None:
    summing.registry.promote("sum", 2)

    assert summing.deployments.deploy("sum").version == 2


def test_an_undeployed_one_is_not_planned(summing: Planes) -> None:
    summing.deployments.undeploy("sum", reason="over")

    assert summing.deployments.plan().deployments == []


def test_deploying_again_starts_an_undeployed_one(summing: Planes) -> None:
    summing.deployments.undeploy("sum")

    summing.deployments.deploy("sum", "sum@1")

    assert summing.deployments.show("sum").active


def test_every_change_is_noticed(summing: Planes) -> None:
    seen = [summing.deployments.generation()]
    for act in (
        lambda: summing.deployments.deploy("sum", "sum@2"),
        lambda: summing.deployments.rollback("sum"),
        lambda: summing.deployments.undeploy("sum"),
    ):
        act()
        seen.append(summing.deployments.generation())

    assert seen == sorted(set(seen))


@pytest.mark.parametrize("shares", [{}, {1: 0.0}, {1: -1.0}])
def test_traffic_must_go_somewhere(summing: Planes, shares: dict[int, float]) -> None:
    with pytest.raises(ServingError, match="nothing would answer"):
        summing.deployments.traffic("sum", shares)


def test_traffic_to_an_unknown_revision_is_refused(summing: Planes) -> None:
    with pytest.raises(UnknownNameError, match="sum/7"):
        summing.deployments.traffic("sum", {7: 1.0})


def test_a_name_that_is_no_path_is_refused(summing: Planes) -> None:
    with pytest.raises(ServingError, match="part of a URL"):
        summing.deployments.deploy("a/b", "sum@1")


def test_an_unknown_deployment_suggests(summing: Planes) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'sum'"):
        summing.deployments.show("sun")


def test_a_revision_leads_to_its_model(summing: Planes) -> None:
    with summing.catalog.read() as tx:
        graph = walk(tx, "revision:sum/1", "up", {})

    assert ("model:sum@1", "serves") in {(edge.target, edge.role) for edge in graph.edges}


def test_the_reason_is_in_the_ledger(summing: Planes) -> None:
    summing.deployments.deploy("sum", "sum@2", reason="faster")

    with summing.catalog.read() as tx:
        newest = list(ledger.events(tx, subject="deployment:sum"))
    assert "faster" in {event.reason for event in newest}


def test_a_table_is_answered_and_logged(summing: Planes) -> None:
    found = summing.deployments.predict_table("sum", pl.DataFrame({"a": [1.0, 2.0], "b": [10.0, 20.0]}))

    assert found["score"].to_list() == [11.0, 22.0]
    assert summing.log.scan("sum")["score"].to_list() == [11.0, 22.0]


def test_a_table_is_shared_as_requests_are(summing: Planes) -> None:
    summing.deployments.deploy("sum", "sum@2", share=50)
    summing.deployments.traffic("sum", {1: 50, 2: 50})
    rows = pl.DataFrame({"a": [float(n) for n in range(200)], "b": [0.0] * 200})

    found = summing.deployments.predict_table("sum", rows)

    assert found["score"].to_list() == [
        n + (100.0 if r == 2 else 0.0) for n, r in zip(range(200), found["revision"], strict=True)
    ]
    assert set(found["role"]) == {"live", "canary"}


def test_a_shadow_answers_into_the_log_only(summing: Planes) -> None:
    summing.deployments.deploy("sum", "sum@2", share=0)
    summing.deployments.traffic("sum", {1: 100}, shadow=[2])

    found = summing.deployments.predict_table("sum", pl.DataFrame({"a": [1.0], "b": [1.0]}))

    assert found["revision"].to_list() == [1]
    assert sorted(summing.log.scan("sum").select("revision", "role").rows()) == [(1, "live"), (2, "shadow")]


def test_an_undeployed_one_answers_no_table(summing: Planes) -> None:
    summing.deployments.undeploy("sum")

    with pytest.raises(ServingError, match="does not answer"):
        summing.deployments.predict_table("sum", pl.DataFrame({"a": [1.0], "b": [1.0]}))
