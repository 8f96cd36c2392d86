"""The table of flavors: one row a library, one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from mulle.errors import FlavorError
from mulle.flavors.boosting import LightGbm
from mulle.flavors.plain import Plain
from mulle.flavors.scikit import Scikit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from mulle.flavors.predictor import Outputs, Predictor
    from mulle.flavors.signature import Signature


class Flavor(Protocol):
    """How models of one library are recognised, described, written, read and asked. Stateless."""

    name: str
    file: str
    pickled: bool

    def claims(self, native: Any) -> bool:
        """Whether the object is of this flavor, found without importing its library."""

    def outputs(self, native: Any) -> Outputs:
        """What the model's answers mean."""

    def dump(self, native: Any) -> bytes:
        """The model as bytes: the same model gives the same bytes."""

    def load(self, data: bytes) -> Any:
        """The inverse of `dump`."""

    def hints(self, native: Any, example: pl.DataFrame, outputs: Outputs) -> dict[str, Any]:
        """What was found out when saving and is needed to ask the loaded model; builtins only."""

    def predictor(self, native: Any, signature: Signature, outputs: Outputs, hints: Mapping[str, Any]) -> Predictor:
        """A predictor over arrays."""

    def predict_table(self, native: Any, table: pl.DataFrame, outputs: Outputs) -> dict[str, Any]:
        """Outputs for a table, by the library's own way of taking one."""


FLAVORS: dict[str, Flavor] = {flavor.name: flavor for flavor in (LightGbm(), Scikit(), Plain())}
"""In the order in which they are asked."""


def flavor_of(native: Any) -> Flavor:
    """The first flavor that claims the object.

    Raises:
        FlavorError: none does.
    """
    for flavor in FLAVORS.values():
        if flavor.claims(native):
            return flavor
    raise FlavorError(
        f"a {type(native).__name__} is not a model",
        cause="it has no predict method",
        cure="pass a fitted estimator, or an object with predict(table) that returns one value a row",
    )
