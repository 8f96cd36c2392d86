import msgspec
import pytest

from mulle.catalog import Catalog, Tx, lineage
from mulle.catalog.lineage import Edge, Node
from mulle.errors import UnknownNameError

CHAIN = [
    ("revision:delay/1", "model:delay@1", "serves"),
    ("model:delay@1", "run:r", "made_by"),
    ("run:r", "step_run:s2", "executed"),
    ("step_run:s2", "step_run:s1", "input"),
    ("step_run:s1", "dataset:flights@3", "read"),
    ("step_run:s1", "dataset:weather@2", "read"),
]


@pytest.fixture
def recorded(catalog: Catalog) -> Catalog:
    with catalog.write() as tx:
        tx.node("revision", "revision:delay/1")
        tx.node("model_version", "model:delay@1", "b3:bundle")
        for source, target, role in CHAIN:
            tx.edge(source, target, role)
    return catalog


def walk(catalog: Catalog, subject: str, direction: lineage.Direction, **options: object) -> lineage.Graph:
    with catalog.read() as tx:
        return lineage.walk(tx, subject, direction, **options)  # type: ignore[arg-type]


def test_up_to_what_it_came_from(recorded: Catalog) -> None:
    graph = walk(recorded, "revision:delay/1", "up")
    assert {(edge.source, edge.target, edge.role) for edge in graph.edges} == set(CHAIN)


def test_down_to_what_came_from_it(recorded: Catalog) -> None:
    graph = walk(recorded, "dataset:weather@2", "down")
    assert [node.name for node in graph.nodes] == [
        "dataset:weather@2", "step_run:s1", "step_run:s2", "run:r", "model:delay@1", "revision:delay/1",
    ]  # fmt: skip


def test_edges_keep_their_direction_on_the_way_down(recorded: Catalog) -> None:
    graph = walk(recorded, "model:delay@1", "down")
    assert graph.edges == [Edge("revision:delay/1", "model:delay@1", "serves")]


def test_nodes_have_their_digest(recorded: Catalog) -> None:
    graph = walk(recorded, "model:delay@1", "up")
    assert graph.nodes[0] == Node("model_version", "model:delay@1", "b3:bundle")


def test_the_kind_of_a_node_that_was_not_made_is_told_by_its_name(recorded: Catalog) -> None:
    graph = walk(recorded, "revision:delay/1", "up")
    assert {node.name: node.kind for node in graph.nodes}["dataset:flights@3"] == "dataset_version"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model:delay@3", "model_version"), ("dataset:flights@7", "dataset_version"), ("object:b3:ab", "object"),
        ("run:1", "run"), ("deployment:a@b", "deployment"), ("dataset:flights", "dataset"),
    ],
)  # fmt: skip
def test_kinds(name: str, kind: str) -> None:
    assert lineage.kind_of(name) == kind


def test_what_is_expanded_joins_the_graph(recorded: Catalog) -> None:
    def objects(_: Tx, node: Node) -> list[tuple[Node, str]]:
        return [(Node("object", f"object:of-{node.name}"), "part")]

    graph = walk(recorded, "step_run:s1", "up", expand={"dataset_version": objects})
    assert Edge("dataset:flights@3", "object:of-dataset:flights@3", "part") in graph.edges


def test_a_subject_that_only_an_expansion_knows(recorded: Catalog) -> None:
    def revision(_: Tx, node: Node) -> list[tuple[Node, str]]:
        return [(Node("revision", "revision:delay/1"), "answered_by")]

    graph = walk(recorded, "prediction:p", "up", expand={"prediction": revision})
    assert graph.nodes[-1].name.startswith("dataset:")


def test_an_unknown_subject_suggests_the_nearest(recorded: Catalog) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'model:delay@1'"):
        walk(recorded, "model:delay@11", "up")


def test_a_node_without_edges_is_a_graph_of_one(catalog: Catalog) -> None:
    with catalog.write() as tx:
        tx.node("run", "run:alone")
    assert walk(catalog, "run:alone", "up").nodes == [Node("run", "run:alone")]


def test_a_cycle_ends(catalog: Catalog) -> None:
    with catalog.write() as tx:
        tx.edge("a:1", "a:2", "r")
        tx.edge("a:2", "a:1", "r")
    assert len(walk(catalog, "a:1", "up").edges) == 2


def test_a_wide_graph_is_walked_whole(catalog: Catalog) -> None:
    with catalog.write() as tx:
        for number in range(1200):
            tx.edge("run:1", f"object:{number}", "read")
            tx.edge(f"object:{number}", "source:1", "part")
    assert len(walk(catalog, "run:1", "up").nodes) == 1202


def test_the_json_has_from_and_to(recorded: Catalog) -> None:
    assert msgspec.json.encode(Edge("a", "b", "r")) == b'{"from":"a","to":"b","role":"r"}'
