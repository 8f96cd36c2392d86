"""What goes into a model and what comes out: named columns of a few kinds, as arrays that need no table library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from mulle.errors import FlavorError

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["float", "int", "bool", "str", "datetime", "date"]
Columns = Mapping[str, Any]
"""Column name → 1-D array: numbers as float64 or int64 (null is NaN), text as objects (null is None)."""

_KINDS: dict[str, Kind] = {
    "Boolean": "bool",
    "String": "str",
    "Categorical": "str",
    "Enum": "str",
    "Datetime": "datetime",
    "Date": "date",
    "Null": "float",
}


class Field(msgspec.Struct, frozen=True, array_like=True):
    """One named column and its kind; in JSON a pair."""

    name: str
    kind: Kind


class Signature(msgspec.Struct, frozen=True):
    """The columns a model takes, in order, and the columns it gives."""

    inputs: list[Field]
    outputs: list[Field]

    @property
    def names(self) -> list[str]:
        return [field.name for field in self.inputs]

    @property
    def numeric(self) -> bool:
        """Whether every input is a number, so that rows form a matrix."""
        return all(field.kind in ("float", "int", "bool") for field in self.inputs)


def fields_of(table: pl.DataFrame) -> list[Field]:
    """The columns of a table as fields.

    Raises:
        FlavorError: a column has a type that no model takes.
    """
    return [Field(name, _kind(name, dtype)) for name, dtype in table.schema.items()]


def _kind(name: str, dtype: Any) -> Kind:
    base = type(dtype).__name__ if not isinstance(dtype, type) else dtype.__name__
    if base in _KINDS:
        return _KINDS[base]
    if dtype.is_integer():
        return "int"
    if dtype.is_float() or dtype.is_decimal():
        return "float"
    raise FlavorError(
        f"column '{name}' of the input example is {dtype}",
        cause="models take numbers, text, booleans and instants",
        cure="drop the column or turn it into one of these before the model",
    )


def columns_of(table: pl.DataFrame, signature: Signature) -> dict[str, Any]:
    """The signature's columns of a table as arrays.

    Raises:
        FlavorError: a column is missing.
    """
    missing = [name for name in signature.names if name not in table.columns]
    if missing:
        raise FlavorError(
            f"the rows have no column '{missing[0]}'",
            cause=f"the model takes {', '.join(signature.names)}",
            cure="pass rows with the columns of the input example",
        )
    return {field.name: _array(table.get_column(field.name), field.kind) for field in signature.inputs}


def _array(series: Any, kind: Kind) -> Any:
    if kind == "str":
        found = np.empty(len(series), dtype=object)
        found[:] = series.cast(_text()).to_list()
        return found
    if kind in ("datetime", "date"):
        return series.to_numpy().astype("datetime64[us]")
    if kind == "int" and series.null_count() == 0 and series.dtype.is_integer():
        return series.to_numpy()
    return series.cast(_float()).to_numpy()


def _text() -> Any:
    from polars import String  # noqa: PLC0415 - start-up time

    return String


def _float() -> Any:
    from polars import Float64  # noqa: PLC0415 - start-up time

    return Float64


def columns_from(values: Mapping[str, Sequence[Any]], fields: Sequence[Field]) -> dict[str, Any]:
    """Lists of plain values (as JSON gives them) as arrays of the fields' kinds."""
    return {field.name: array_from(values[field.name], field.kind) for field in fields}


def array_from(values: Sequence[Any], kind: Kind) -> Any:
    """Plain values as one array of a kind; None becomes NaN, NaT or stays None in text."""
    if kind == "str":
        found = np.empty(len(values), dtype=object)
        found[:] = values
        return found
    if kind in ("datetime", "date"):
        return np.array([_naive(value) for value in values], dtype="datetime64[us]")
    if kind == "int" and None not in values:
        return np.array(values, dtype=np.int64)
    return np.array(values, dtype=np.float64)


def _naive(value: Any) -> Any:
    """An instant or day as numpy takes it: in UTC, without saying so."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def matrix(columns: Columns, names: Sequence[str], n: int, dtype: Any = np.float64) -> Any:
    """Numeric columns side by side."""
    found = np.empty((n, len(names)), dtype=dtype)
    for place, name in enumerate(names):
        found[:, place] = columns[name]
    return found
