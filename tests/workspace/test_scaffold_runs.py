"""Projects that `mulle init` wrote go round the wheel as they are, with and without a time column."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from sklearn import datasets

from mulle.workspace import Workspace
from mulle.workspace.scaffold import init, take_in

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULLE_EXECUTOR", "in-process")


@pytest.mark.parametrize(("name", "metric"), [("iris", "accuracy"), ("breast_cancer", "roc_auc"), ("diabetes", "rmse")])
def test_a_table_without_time(tmp_path: Path, name: str, metric: str) -> None:
    getattr(datasets, f"load_{name}")(as_frame=True).frame.to_csv(tmp_path / f"{name}.csv", index=False)
    written = init(tmp_path / "p", name=name, data=tmp_path / f"{name}.csv", target="target", key=[])
    with Workspace.open(written.path) as ws:
        take_in(written, ws)
        assert (ws.run().steps_executed, ws.run().steps_executed) == (5, 0)
        assert ws.deploy(name).passed
        assert metric in ws.models.show(name).metrics
        (answer,) = ws.predict(name, json.loads((written.path / "example.json").read_text()))
    assert "prediction" in answer.output


def test_classes_that_are_texts(tmp_path: Path) -> None:
    table = pl.DataFrame({"x": range(300), "z": [n % 17 for n in range(300)], "bought": ["yes", "no", "no"] * 100})
    table.with_columns(pl.when(pl.col("z") > 13).then(None).otherwise("z").alias("z")).write_csv(tmp_path / "t.csv")
    written = init(tmp_path / "p", name="shop", data=tmp_path / "t.csv", target="bought", key=[])
    with Workspace.open(written.path) as ws:
        take_in(written, ws)
        assert ws.run().status == "succeeded"
        assert ws.deploy("shop").passed
        (answer,) = ws.predict("shop", [{"x": 5, "z": None}])
    assert answer.output["prediction"] in {True, False}


def test_more_classes_that_are_texts(tmp_path: Path) -> None:
    table = pl.DataFrame({"x": range(300), "kind": ["oak", "elm", "fir"] * 100})
    table.write_csv(tmp_path / "t.csv")
    written = init(tmp_path / "p", name="trees", data=tmp_path / "t.csv", target="kind", key=[])
    with Workspace.open(written.path) as ws:
        take_in(written, ws)
        assert ws.run().error == ""
        (answer,) = ws.predict("trees", [{"x": 5}]) if ws.deploy("trees").passed else (None,)
    assert answer is not None
    assert answer.output["prediction"] in {"oak", "elm", "fir"}


def test_more_rows_are_learned_from_when_the_file_changes(tmp_path: Path) -> None:
    datasets.load_iris(as_frame=True).frame.to_csv(tmp_path / "iris.csv", index=False)
    written = init(tmp_path / "p", name="iris", data=tmp_path / "iris.csv", target="target", key=[])
    with Workspace.open(written.path) as ws:
        take_in(written, ws)
        ws.run()
        file = written.path / "data" / "iris.csv"
        file.write_text(file.read_text() + "5.0,3.0,1.5,0.2,0\n")
        (version,) = ws.collect()
        assert (version.rows, ws.run().steps_executed) == (151, 5)
