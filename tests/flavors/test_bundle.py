from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mulle.access import Signer
from mulle.errors import FlavorError
from mulle.flavors import Model, columns_of, load, read, restore, save
from mulle.flavors import bundle as bundles
from mulle.testing.models import Leaning, Summing

EXAMPLE = pl.DataFrame({"a": [1.0, 2.0, None], "b": [3, 4, 5]})


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, signer: Signer) -> None:
    for name in ("one", "two"):
        save(Model(Summing(2.0), example=EXAMPLE), tmp_path / name, signer)

    one, two = ({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


def test_a_loaded_model_answers_as_before(tmp_path: Path, signer: Signer) -> None:
    model = Model(Summing(2.0), example=EXAMPLE)
    save(model, tmp_path / "bundle", signer)

    predictor = load(tmp_path / "bundle", signer)

    found = predictor.predict(columns_of(EXAMPLE, predictor.signature), 3)
    np.testing.assert_array_equal(found["prediction"], model.predict(EXAMPLE)["prediction"])


def test_a_restored_model_keeps_its_signature(tmp_path: Path, signer: Signer) -> None:
    model = Model(Summing(), example=EXAMPLE)
    save(model, tmp_path / "bundle", signer)

    assert restore(tmp_path / "bundle", signer).signature == model.signature


def test_a_pickle_of_another_workspace_is_not_loaded(tmp_path: Path, signer: Signer) -> None:
    save(Model(Summing(), example=EXAMPLE), tmp_path / "bundle", signer)

    with pytest.raises(FlavorError, match="not signed by this workspace"):
        load(tmp_path / "bundle", Signer(tmp_path / "other keys"))


def test_a_changed_pickle_is_not_loaded(tmp_path: Path, signer: Signer) -> None:
    save(Model(Summing(), example=EXAMPLE), tmp_path / "bundle", signer)
    path = tmp_path / "bundle" / "model.pkl"
    path.write_bytes(path.read_bytes() + b"\0")

    with pytest.raises(FlavorError, match="not signed"):
        load(tmp_path / "bundle", signer)


def test_nothing_unsigned_is_written_as_a_pickle(tmp_path: Path) -> None:
    with pytest.raises(FlavorError, match="nobody signs it"):
        save(Model(Summing(), example=EXAMPLE), tmp_path / "bundle")


def test_a_bundle_of_a_newer_format_names_the_cure(tmp_path: Path, signer: Signer) -> None:
    save(Model(Summing(), example=EXAMPLE), tmp_path / "bundle", signer)
    path = tmp_path / "bundle" / "model.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))

    with pytest.raises(FlavorError, match="pip install --upgrade mulle"):
        load(tmp_path / "bundle", signer)


def test_a_folder_without_a_model_says_so(tmp_path: Path, signer: Signer) -> None:
    with pytest.raises(FlavorError, match="holds no model"):
        load(tmp_path, signer)


def test_an_empty_example_is_refused() -> None:
    with pytest.raises(FlavorError, match="input example"):
        Model(Summing(), example=EXAMPLE.head(0))


def test_what_cannot_predict_is_no_model() -> None:
    with pytest.raises(FlavorError, match="not a model"):
        Model(object(), example=EXAMPLE)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(FlavorError, match="no column 'b'"):
        Model(Summing(), example=EXAMPLE).predict(EXAMPLE.drop("b"))


def test_probabilities_become_predictions() -> None:
    found = Model(Leaning(), example=EXAMPLE).predict(pl.DataFrame({"a": [-2.0, 2.0], "b": [0, 0]}))

    assert found["prediction"].tolist() == [False, True]
    assert found["probability"].tolist() == pytest.approx([0.1192, 0.8808], abs=1e-4)


def test_a_model_that_answers_too_little_is_told(tmp_path: Path, signer: Signer) -> None:
    class Short(Summing):
        def predict(self, columns: Any) -> Any:
            return super().predict(columns)[:1]

    with pytest.raises(FlavorError, match="one value a row"):
        save(Model(Short(), example=EXAMPLE), tmp_path / "bundle", signer)


class Hours:
    """The hour of an instant."""

    def predict(self, columns: Any) -> Any:
        at = columns["at"].astype("datetime64[us]").astype("int64")
        return (at // 3_600_000_000 % 24).astype(np.float64)


@pytest.mark.parametrize("at", [datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 1, 1, 5)])  # noqa: DTZ001
def test_instants_survive_the_way_to_the_disk_and_back(tmp_path: Path, signer: Signer, at: datetime) -> None:
    rows = pl.DataFrame({"at": [at], "day": [at.date()]})
    folder = tmp_path / "bundle"
    save(Model(Hours(), example=rows), folder, signer)

    found = load(folder, signer).predict(bundles.example(folder, read(folder)), 1)

    assert found["prediction"].tolist() == [5.0]
    assert restore(folder, signer).predict(rows)["prediction"].tolist() == [5.0]
