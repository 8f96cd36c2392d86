"""Every answer resolves to the rows that taught it, and every dataset version to the endpoints that it teaches now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.acceptance.prompt import must
from tests.acceptance.shop import ROWS

from mulle.errors import UsageError
from mulle.workspace import Workspace

pytestmark = pytest.mark.slow

CHAIN = ["prediction", "revision", "model_version", "run", "step_run", "dataset_version", "object"]


def plain(graph: Any) -> Any:
    return msgspec.to_builtins(graph)


def check(graph: Any) -> None:
    """Nodes are whole, and edges lead from node to node."""
    assert set(graph) == {"subject", "nodes", "edges"}
    names = [node["name"] for node in graph["nodes"]]
    assert len(names) == len(set(names))
    assert graph["subject"] in names
    for node in graph["nodes"]:
        assert set(node) == {"kind", "name", "digest"}
        assert all(node.values()), node
    for edge in graph["edges"]:
        assert set(edge) == {"from", "to", "role"}
        assert edge["role"]
        assert {edge["from"], edge["to"]} <= set(names)


def paths(graph: Any, name: str) -> Iterator[list[str]]:
    """Every way from a node to where it ends, as names."""
    below = [edge["to"] for edge in graph["edges"] if edge["from"] == name]
    if not below:
        yield [name]
    for following in below:
        for path in paths(graph, following):
            yield [name, *path]


def without_repeats(kinds: list[str]) -> list[str]:
    return [kind for place, kind in enumerate(kinds) if place == 0 or kinds[place - 1] != kind]


def chains(graph: Any) -> list[list[str]]:
    """The ways from the subject to raw rows: those whose kinds are the chain, several step runs told as one."""
    kind = {node["name"]: node["kind"] for node in graph["nodes"]}
    found = paths(graph, graph["subject"])
    return [path for path in found if without_repeats([kind[name] for name in path]) == CHAIN]


def live_in(graph: Any) -> set[str]:
    return {node["name"] for node in graph["nodes"] if node["kind"] == "deployment"}


@pytest.fixture(scope="module")
def given(built: Path) -> Any:
    return must(built, "predictions", "list", "--deployment", "front", "--limit", str(10 * ROWS))


def test_every_prediction_of_two_versions_has_its_chain(ws: Workspace, given: list[Any]) -> None:
    assert {one["revision"] for one in given} == {1, 2}
    version = {1: "dataset:visits@6", 2: "dataset:visits@10"}
    for one in given:
        graph = plain(ws.lineage.why(f"prediction:{one['id']}"))
        check(graph)
        parts = {f"object:{part.digest}" for part in ws.data.show(version[one["revision"]][8:]).parts}
        found = chains(graph)
        assert {path[1] for path in found} == {f"revision:front/{one['revision']}"}
        assert {path[2] for path in found} == {f"model:front@{one['revision']}"}
        assert {path[-2] for path in found} == {version[one["revision"]]}
        assert {path[-1] for path in found} == parts


def test_the_prompt_says_what_the_workspace_says(ws: Workspace, answer: Any, given: list[Any]) -> None:
    subject = f"prediction:{given[0]['id']}"
    assert answer("why", subject) == plain(ws.lineage.why(subject))


def test_impact_names_the_deployments_that_a_version_teaches_now(answer: Any) -> None:
    first, second = (answer("impact", f"dataset:visits@{number}") for number in (6, 10))
    check(first)
    check(second)
    assert (live_in(first), live_in(second)) == ({"deployment:back"}, {"deployment:front"})


def test_impact_of_a_version_that_taught_nothing(ws: Workspace) -> None:
    assert live_in(plain(ws.lineage.impact("dataset:visits@7"))) == set()


def test_impact_follows_a_rollback(answer: Any) -> None:
    answer("rollback", "front", "--reason", "for a look")
    there = [live_in(answer("impact", f"dataset:visits@{number}")) for number in (6, 10)]
    answer("deploy", "front", "--version", "2")
    assert there == [{"deployment:back", "deployment:front"}, set()]
    assert live_in(answer("impact", "dataset:visits@10")) == {"deployment:front"}


def test_every_node_of_an_explanation_is_a_subject(ws: Workspace, given: list[Any]) -> None:
    graph = plain(ws.lineage.why(f"prediction:{given[0]['id']}"))
    for node in [*graph["nodes"], {"name": "deployment:front"}, {"name": "model:front@champion"}]:
        check(plain(ws.lineage.why(node["name"])))
        check(plain(ws.lineage.impact(node["name"])))


def test_raw_rows_come_from_nothing_and_go_to_their_endpoints(ws: Workspace, answer: Any) -> None:
    part = ws.data.show("visits@6").parts[0].digest
    graph = answer("why", f"object:{part}")
    check(graph)
    assert [node["name"] for node in graph["nodes"]] == [f"object:{part}"]
    assert live_in(answer("impact", f"object:{part[:15]}")) == {"deployment:front", "deployment:back"}


@pytest.mark.parametrize(
    ("subject", "cause"),
    [
        ("dataset:visit@6", "did you mean 'visits'?"),
        ("deployment:frnt", "did you mean 'front'?"),
        ("model:fron@1", "did you mean 'front'?"),
        ("object:b3:0000", "no object"),
        ("object:b3:" + "0" * 64, "no object"),
        ("run:nothing", ""),
        ("step_run:nothing", ""),
        ("prediction:nothing", ""),
        ("revision:front/9", ""),
        ("flights@3", "a subject is KIND:NAME"),
    ],
)
def test_an_unknown_subject_is_told(ws: Workspace, subject: str, cause: str) -> None:
    for question in (ws.lineage.why, ws.lineage.impact):
        with pytest.raises(UsageError) as caught:
            question(subject)
        assert cause in str(caught.value.cause)
        assert caught.value.cure
