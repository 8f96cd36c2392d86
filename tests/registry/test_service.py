from __future__ import annotations

import polars as pl
import pytest

from mulle.catalog.lineage import walk
from mulle.errors import RegistryError, UnknownNameError
from mulle.flavors import Model
from mulle.registry import Inputs, evaluate
from mulle.testing.planes import Planes


def test_versions_count_from_one(planes: Planes, summing: list[Model]) -> None:
    assert [version.ref for version in planes.register("sum", *summing)] == ["sum@1", "sum@2"]


def test_the_same_weights_again_are_the_same_version(planes: Planes, summing: list[Model]) -> None:
    one, two = planes.register("sum", summing[0], summing[0])

    assert one == two


def test_what_was_recorded_is_shown(planes: Planes, summing: list[Model]) -> None:
    inputs = Inputs(dataset="flights", key=["flight_id"], label="late", label_delay=86400.0)

    planes.register("sum", summing[0], metrics={"roc_auc": 0.7}, inputs=inputs)

    found = planes.registry.show("sum@1")
    assert (found.metrics, found.inputs, found.flavor) == ({"roc_auc": 0.7}, inputs, "python")


def test_a_version_leads_to_its_run_and_weights(planes: Planes, summing: list[Model]) -> None:
    (version,) = planes.register("sum", summing[0], run="r1")

    with planes.catalog.read() as tx:
        graph = walk(tx, "model:sum@1", "up", {})

    found = {(edge.target, edge.role) for edge in graph.edges if edge.source == "model:sum@1"}
    assert found == {("run:r1", "made_by"), (f"object:{version.bundle}", "weights")}


def test_an_alias_moves(planes: Planes, summing: list[Model]) -> None:
    planes.register("sum", *summing)
    planes.registry.promote("sum", 1)

    moved = planes.registry.promote("sum", 2, reason="better")

    assert (moved.former, planes.registry.show("sum@champion").number) == (1, 2)


def test_references_resolve(planes: Planes, summing: list[Model]) -> None:
    planes.register("sum", *summing)
    planes.registry.promote("sum", 1)

    assert [planes.registry.show(ref).number for ref in ("sum", "sum@latest", "sum@1", "sum@champion")] == [2, 2, 1, 1]


@pytest.mark.parametrize("ref", ["sun", "sum@7", "sum@champoin", "sun@champion"])
def test_an_unknown_reference_suggests(planes: Planes, summing: list[Model], ref: str) -> None:
    planes.register("sum", summing[0])
    planes.registry.promote("sum", 1)

    with pytest.raises(UnknownNameError, match="did you mean"):
        planes.registry.show(ref)


@pytest.mark.parametrize("alias", ["", "latest", "3"])
def test_what_means_a_version_is_no_alias(planes: Planes, summing: list[Model], alias: str) -> None:
    planes.register("sum", summing[0])

    with pytest.raises(RegistryError, match="cannot be an alias"):
        planes.registry.promote("sum", 1, alias=alias)


def test_versions_compare(planes: Planes, summing: list[Model]) -> None:
    planes.register("sum", summing[0], metrics={"rmse": 2.0})
    planes.register("sum", summing[1], metrics={"rmse": 1.5})

    found = planes.registry.compare("sum@1", "sum@2")

    assert found.metrics["rmse"].change == -0.5
    assert not found.same_weights


def test_a_model_is_summed_up(planes: Planes, summing: list[Model]) -> None:
    planes.register("sum", *summing)
    planes.registry.promote("sum", 1)

    (found,) = planes.registry.list()

    assert (found.versions, found.latest, found.aliases) == (2, 2, {"champion": 1})


def test_what_is_no_bundle_is_not_registered(planes: Planes) -> None:
    from mulle.hashing import encode_manifest

    digest = planes.store.put(encode_manifest([]))

    with pytest.raises(RegistryError, match="is no model"):
        planes.registry.register("sum", digest)


def test_a_bad_name_is_refused(planes: Planes, summing: list[Model]) -> None:
    with pytest.raises(RegistryError, match="cannot name a model"):
        planes.register("a name", summing[0])


def test_engines_are_prepared_once(planes: Planes, summing: list[Model]) -> None:
    (version,) = planes.register("sum", summing[0])

    first, second = planes.registry.prepare(version), planes.registry.prepare(version)

    assert first == second
    assert planes.registry.show("sum@1").engine == first


def test_engines_are_compared_on_the_rows_of_the_evaluation(planes: Planes, leaning: Model, rows: pl.DataFrame) -> None:
    report = planes.store.put(evaluate(leaning, rows, "late").to_bytes())
    (version,) = planes.register("lean", leaning, report=report)

    found = planes.registry._real_rows(version)

    assert found["a"].tolist() == rows["a"].to_list()


def test_an_evaluation_keeps_rows_and_scores(leaning: Model, rows: pl.DataFrame) -> None:
    report = evaluate(leaning, rows, "late")

    assert report.metrics["roc_auc"] == 0.5
    assert report.rows.height == len(report.scores) == 4


def test_rows_without_a_label_are_not_evaluated(leaning: Model, rows: pl.DataFrame) -> None:
    unlabelled = pl.DataFrame({"a": [9.0], "late": [None]}, schema_overrides={"late": pl.Boolean})

    assert evaluate(leaning, pl.concat([rows, unlabelled]), "late").metrics["rows"] == 4.0
