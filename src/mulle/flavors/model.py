"""A trained model as a pipeline's step returns it: the estimator, an input example, and what its answers mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from mulle.errors import FlavorError
from mulle.flavors.bundle import Sealer, native_of
from mulle.flavors.kinds import flavor_of
from mulle.flavors.predictor import Outputs, score_of
from mulle.flavors.signature import Signature, columns_of, fields_of

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

EXAMPLE_ROWS = 256


class Model:
    """A trained estimator with its signature.

    Args:
        native: the estimator itself: scikit-learn, LightGBM, or any object with `predict(table)`.
        example: rows as the model takes them: its columns and their order are the signature. The first 256 are kept
            with the model for checks of conversions, so pass real rows.
        name: a name for messages; the registry's name is given at registration.
        outputs: for an object with `predict`, what its answers mean; classifiers and regressors are recognised.
    """

    def __init__(
        self, native: Any, *, example: pl.DataFrame, name: str | None = None, outputs: Outputs | None = None
    ) -> None:
        if example.height == 0:
            raise FlavorError(
                "the input example of a model is empty",
                cause="the signature and the checks of conversions are made from it",
                cure="pass some of the rows that the model was trained on, as example=rows.head(256)",
            )
        self.native = native
        self.name = name
        self.example = example.head(EXAMPLE_ROWS)
        self.flavor = flavor_of(native)
        self.outputs = outputs or self.flavor.outputs(native)
        self.signature = Signature(inputs=fields_of(example), outputs=self.outputs.fields())

    def predict(self, table: pl.DataFrame) -> dict[str, Any]:
        """Outputs for the rows of a table: `prediction`, and for classifiers `probability`."""
        columns_of(table.head(0), self.signature)
        return self.flavor.predict_table(self.native, table.select(self.signature.names), self.outputs)

    def score(self, table: pl.DataFrame) -> Any:
        """The probability of the positive class (binary), of each class (multiclass) or the predicted number."""
        return np.asarray(score_of(self.predict(table), self.outputs.task))

    def __repr__(self) -> str:
        return f"Model({type(self.native).__name__}, {len(self.signature.inputs)} inputs, {self.outputs.task})"


def restore(directory: Path, signer: Sealer | None = None) -> Model:
    """The model that was saved in a directory, as a step takes it.

    Raises:
        FlavorError: there is none, or it is a pickle that this workspace did not sign.
    """
    import polars as pl  # noqa: PLC0415 - start-up time

    bundle, native = native_of(directory, signer)
    rows = pl.DataFrame(msgspec.json.decode((directory / "example.json").read_bytes()), strict=False)
    kinds = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "str": pl.String}
    typed = [pl.col(one.name).cast(kinds[one.kind]) for one in bundle.signature.inputs if one.kind in kinds]
    typed += [
        pl.col(one.name).str.to_datetime(time_zone="UTC") for one in bundle.signature.inputs if one.kind == "datetime"
    ]
    typed += [pl.col(one.name).str.to_date() for one in bundle.signature.inputs if one.kind == "date"]
    return Model(native, example=rows.with_columns(typed), outputs=bundle.outputs)
