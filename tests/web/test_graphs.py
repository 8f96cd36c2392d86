from __future__ import annotations

from itertools import pairwise

from mulle.catalog.lineage import Edge, Graph, Node
from mulle.pipelines.model import GraphEdge, GraphNode, RunGraph, StepStatus
from mulle.web import graphs
from mulle.web.language import Words

WORDS = Words("en")


def test_what_something_came_from_stands_before_it() -> None:
    graph = Graph(
        "model:m@1",
        [Node("model_version", "model:m@1"), Node("run", "run:r")],
        [Edge("model:m@1", "run:r", "made_by")],
    )
    drawing = graphs.lineage(WORDS, {}, graph)
    assert [(arrow.source, arrow.target, arrow.role) for arrow in drawing.edges] == [("run:r", "model:m@1", "made by")]


def test_the_subject_is_marked_and_step_runs_have_the_names_of_their_steps() -> None:
    graph = Graph("step_run:1", [Node("step_run", "step_run:1")], [])
    box = graphs.lineage(WORDS, {"step_run:1": "train"}, graph).nodes[0]
    assert (box.subject, box.label, box.note) == (True, "train", "step run")


def test_many_objects_of_a_version_are_one_box() -> None:
    objects = [Node("object", f"object:b3:{number}") for number in range(20)]
    edges = [Edge("dataset:d@1", node.name, "contains") for node in objects]
    graph = Graph("dataset:d@1", [Node("dataset_version", "dataset:d@1"), *objects], edges)
    drawing = graphs.lineage(WORDS, {}, graph)
    assert [box.label for box in drawing.nodes] == ["d@1", "20 objects"]
    assert len(drawing.edges) == 1


def test_only_the_last_steps_lead_to_their_run() -> None:
    nodes = [Node("run", "run:r"), Node("step_run", "step_run:a"), Node("step_run", "step_run:b")]
    edges = [
        Edge("run:r", "step_run:a", "executed"),
        Edge("run:r", "step_run:b", "executed"),
        Edge("step_run:b", "step_run:a", "input"),
    ]
    drawing = graphs.lineage(WORDS, {}, Graph("run:r", nodes, edges))
    assert sorted((arrow.source, arrow.target) for arrow in drawing.edges) == [
        ("step_run:a", "step_run:b"),
        ("step_run:b", "run:r"),
    ]


def test_a_wide_graph_is_given_more_height() -> None:
    objects = [Node("object", f"object:b3:{number}") for number in range(4)]
    edges = [Edge("dataset:d@1", node.name, "contains") for node in objects]
    tall = graphs.lineage(WORDS, {}, Graph("dataset:d@1", [Node("dataset_version", "dataset:d@1"), *objects], edges))
    flat = graphs.lineage(WORDS, {}, Graph("dataset:d@1", [Node("dataset_version", "dataset:d@1")], []))
    assert tall.height > flat.height


def run_graph(names: list[str], edges: list[tuple[str, str]], status: StepStatus = "executed") -> RunGraph:
    nodes = [GraphNode(name, "step", status, 1.0, name) for name in names]
    return RunGraph("r", nodes, [GraphEdge(source, target, "x") for source, target in edges])


def test_the_many_calls_of_a_mapped_step_are_one_box() -> None:
    calls = [f"measure[{number}]" for number in range(100)]
    graph = run_graph(["load", *calls, "join"], [*(("load", one) for one in calls), *((one, "join") for one in calls)])
    drawing = graphs.steps(WORDS, graph)
    assert [(box.label, box.note) for box in drawing.nodes][1] == ("measure[…]", "100 steps")
    assert len(drawing.edges) == 2


def test_a_failed_call_shows_on_the_box_of_all() -> None:
    calls = [f"measure[{number}]" for number in range(20)]
    graph = run_graph(calls, [])
    graph.nodes[7] = GraphNode("measure[7]", "step", "failed", 1.0, "seven")
    (box,) = graphs.steps(WORDS, graph).nodes
    assert (box.state, box.href) == ("bad", "#step-seven")


def test_a_long_chain_is_laid_out_at_once() -> None:
    names = [f"s{number}" for number in range(5000)]
    drawing = graphs.steps(WORDS, run_graph(names, list(pairwise(names))))
    assert (len(drawing.nodes), drawing.height) == (5000, graphs.LOWEST)
