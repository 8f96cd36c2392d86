from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mulle.access import Signer
from mulle.flavors import EngineReport, Model, columns_of, load, load_engine, prepare, read, save

Flights = tuple[pl.DataFrame, np.ndarray]


def pipeline(model: Any) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    words = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    head = ColumnTransformer([("words", words, ["carrier", "dest"])], remainder="passthrough")
    return Pipeline([("columns", head), ("model", model)])


@pytest.fixture(scope="module")
def delay(flights: Flights) -> Model:
    lightgbm = pytest.importorskip("lightgbm")
    rows, late = flights
    trained = pipeline(lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1)).fit(rows, late)
    return Model(trained, example=rows)


def prepared(model: Model, tmp_path: Path, signer: Signer) -> EngineReport:
    save(model, tmp_path / "bundle", signer)
    return prepare(tmp_path / "bundle", tmp_path / "engine", signer)


def awkward(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with an unseen word and with nulls."""
    return rows.head(3).with_columns(
        carrier=pl.Series(["AA", "never seen", None]), wind=pl.Series([None, 0.5, None], dtype=pl.Float64)
    )


def test_words_and_numbers_are_served_without_a_table_library(delay: Model, tmp_path: Path, signer: Signer) -> None:
    save(delay, tmp_path / "bundle", signer)

    assert read(tmp_path / "bundle").hints == {"way": "parts"}


def test_parts_answer_as_the_pipeline_does(delay: Model, flights: Flights, tmp_path: Path, signer: Signer) -> None:
    save(delay, tmp_path / "bundle", signer)
    rows = awkward(flights[0])

    found = load(tmp_path / "bundle", signer).predict(columns_of(rows, delay.signature), rows.height)

    np.testing.assert_array_equal(found["probability"], delay.score(rows))


def test_the_pipeline_converts_and_agrees(delay: Model, tmp_path: Path, signer: Signer) -> None:
    report = prepared(delay, tmp_path, signer)

    assert report.why_not == ""
    assert report.parity is not None
    assert report.parity.holds
    assert report.single == "onnx"


def test_onnx_answers_unseen_words_and_nulls(delay: Model, flights: Flights, tmp_path: Path, signer: Signer) -> None:
    prepared(delay, tmp_path, signer)
    rows = awkward(flights[0])

    engine = load_engine(tmp_path / "bundle", tmp_path / "engine", signer)

    found = engine.predict(columns_of(rows, delay.signature), rows.height)
    np.testing.assert_allclose(found["probability"], delay.score(rows), atol=1e-5)


def test_a_conversion_that_is_wrong_does_not_serve(
    flights: Flights, tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import LogisticRegression

    from mulle.flavors import conversion

    rows, late = flights[0].select("hour"), flights[1]
    right = Model(LogisticRegression().fit(rows, late), example=rows)
    wrong = LogisticRegression().fit(rows, ~late)
    faithful = conversion.convert
    monkeypatch.setattr(conversion, "convert", lambda bundle, _, width: faithful(bundle, wrong, width))

    report = prepared(right, tmp_path, signer)

    assert (report.single, report.batch) == ("native", "native")
    assert "differs" in report.why_not


def test_what_does_not_convert_serves_natively(flights: Flights, tmp_path: Path, signer: Signer) -> None:
    from sklearn.dummy import DummyClassifier

    rows, late = flights[0].select("hour", "wind"), flights[1]
    model = Model(DummyClassifier(strategy="prior").fit(rows, late), example=rows)

    report = prepared(model, tmp_path, signer)

    assert report.single == "native"
    assert report.why_not


def test_histogram_boosting_with_words_is_served(flights: Flights, tmp_path: Path, signer: Signer) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows, late = flights
    model = Model(pipeline(HistGradientBoostingClassifier(max_iter=5)).fit(rows, late), example=rows)
    prepared(model, tmp_path, signer)

    engine = load_engine(tmp_path / "bundle", tmp_path / "engine", signer)

    found = engine.predict(columns_of(rows, model.signature), rows.height)
    np.testing.assert_allclose(found["probability"], model.score(rows), atol=1e-4)


def test_a_regressor_predicts_numbers(flights: Flights, tmp_path: Path, signer: Signer) -> None:
    from sklearn.linear_model import LinearRegression

    rows = flights[0].select("hour")
    model = Model(LinearRegression().fit(rows, rows["hour"].to_numpy() * 2.0), example=rows)
    prepared(model, tmp_path, signer)

    engine = load_engine(tmp_path / "bundle", tmp_path / "engine", signer)

    assert engine.predict({"hour": np.array([3.0])}, 1)["prediction"].tolist() == pytest.approx([6.0], abs=1e-3)


def test_three_classes_give_a_probability_each(flights: Flights, tmp_path: Path, signer: Signer) -> None:
    from sklearn.tree import DecisionTreeClassifier

    rows = flights[0].select("hour")
    classes = np.array(["early", "day", "late"])[rows["hour"].to_numpy() // 8]
    model = Model(DecisionTreeClassifier().fit(rows, classes), example=rows)
    prepared(model, tmp_path, signer)

    engine = load_engine(tmp_path / "bundle", tmp_path / "engine", signer)

    found = engine.predict({"hour": np.array([20.0])}, 1)
    assert found["prediction"].tolist() == ["late"]
    assert found["probability"].shape == (1, 3)


def test_saving_is_cheap(delay: Model, tmp_path: Path, signer: Signer) -> None:
    import time

    save(delay, tmp_path / "warm", signer)
    start = time.process_time()
    save(delay, tmp_path / "bundle", signer)
    assert time.process_time() - start < 0.1


def test_lightgbm_alone_is_written_as_text(flights: Flights, tmp_path: Path, signer: Signer) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    rows, late = flights[0].select("hour", "wind"), flights[1]
    trained = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(rows.to_numpy(), late)
    model = Model(trained, example=rows)

    report = prepared(model, tmp_path, signer)

    assert read(tmp_path / "bundle").flavor == "lightgbm"
    assert report.parity is not None
    assert report.parity.holds
    native = load(tmp_path / "bundle")
    found = native.predict(columns_of(rows, model.signature), rows.height)
    np.testing.assert_allclose(found["probability"], trained.predict_proba(rows.to_numpy())[:, 1])
