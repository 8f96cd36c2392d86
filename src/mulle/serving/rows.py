"""Rows of requests: decoded straight from JSON into typed records, then turned into columns; for workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from mulle.errors import UsageError
from mulle.flavors.signature import Field, array_from

MISSING = msgspec.UNSET
_TYPES: dict[str, Any] = {
    "float": float | None,
    "int": float | None,
    "bool": bool | float | None,
    "str": str | None,
    "datetime": datetime | None,
    "date": date | None,
}
_KEY_TYPE = str | int | float | None
_WIDER = ("bool", "int", "float")


class RowShape:
    """The columns that a deployment's requests may have: its models' inputs, then the rest of the key and entities."""

    def __init__(self, inputs: Sequence[Field], others: Iterable[str]) -> None:
        self.fields = list(inputs)
        self.names = [one.name for one in inputs]
        self.others = [name for name in dict.fromkeys(others) if name not in self.names]
        types = [_TYPES[one.kind] for one in inputs] + [_KEY_TYPE] * len(self.others)
        places = [f"c{place}" for place in range(len(types))]
        self._all = dict(zip([*self.names, *self.others], places, strict=True))
        self.row: type[msgspec.Struct] = msgspec.defstruct(
            "Row",
            [(place, type_ | msgspec.UnsetType, MISSING) for place, type_ in zip(places, types, strict=True)],
            rename={place: name for name, place in self._all.items()},
            gc=False,
        )
        request: Any = msgspec.defstruct(
            "Request",
            [("rows", list[self.row]), ("ids", list[str] | None, None), ("key", list[str] | str | None, None)],  # type: ignore[name-defined]
            gc=False,
        )
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(request, strict=True).decode
        self._values = _getter(places[: len(self.names)])

    def tuples(self, rows: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The inputs of each row, in order."""
        return [self._values(row) for row in rows]

    def value(self, row: Any, name: str) -> Any:
        """One column of a row; None when it is missing or null."""
        found = getattr(row, self._all[name], None)
        return None if found is MISSING else found

    def set(self, row: Any, name: str, value: Any) -> None:
        """Fill in a column of a row."""
        setattr(row, self._all[name], value)

    def missing(self, row: Any) -> list[str]:
        """The input columns that a row leaves out."""
        return [name for name in self.names if getattr(row, self._all[name]) is MISSING]

    def mapping(self, row: Any) -> dict[str, Any]:
        """The columns that a row has."""
        found = {name: getattr(row, place) for name, place in self._all.items()}
        return {name: value for name, value in found.items() if value is not MISSING}


def _getter(places: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(places) == 1:
        one = attrgetter(places[0])
        return lambda row: (one(row),)
    return attrgetter(*places) if places else lambda _: ()


def merged(signatures: Iterable[Sequence[Field]]) -> list[Field]:
    """One list of columns for several models.

    Raises:
        UsageError: the same column is a number for one and something else for another.
    """
    kinds: dict[str, Field] = {}
    for field in (one for signature in signatures for one in signature):
        known = kinds.setdefault(field.name, field)
        if known.kind == field.kind:
            continue
        if known.kind not in _WIDER or field.kind not in _WIDER:
            raise UsageError(
                f"column '{field.name}' is {known.kind} for one revision and {field.kind} for another",
                cause="both would have to answer the same requests",
                cure="deploy the other model under a name of its own",
            )
        kinds[field.name] = Field(field.name, max(known.kind, field.kind, key=_WIDER.index))
    return list(kinds.values())


def columns(values: Sequence[tuple[Any, ...]], fields: Sequence[Field]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows of values as arrays for a model, and as plain sequences for the log."""
    plain = dict(zip((one.name for one in fields), zip(*values, strict=True), strict=True))
    arrays = {
        one.name: np.array(plain[one.name], dtype=np.float64)
        if one.kind in _WIDER
        else array_from(plain[one.name], one.kind)
        for one in fields
    }
    return arrays, plain
