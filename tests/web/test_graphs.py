from __future__ import annotations

from mulle.catalog.lineage import Edge, Graph, Node
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
