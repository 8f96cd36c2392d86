"""A table's declared columns, written as a class with annotations.

    class FlightSchema(mulle.Schema):
        carrier: str
        distance: float = mulle.column(minimum=0)
        late: bool | None = mulle.outcome()

`T | None` lets a column hold nulls. An `outcome` is known only when the label is: it never reaches a model as an input,
nor a feature before it was available. The class is never instantiated.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from mulle.errors import ProjectError

KINDS: dict[type, str] = {
    int: "int",
    float: "float",
    str: "str",
    bool: "bool",
    datetime: "datetime",
    date: "date",
    timedelta: "duration",
    bytes: "bytes",
    list: "list",
    dict: "struct",
}


class ColumnSpec(msgspec.Struct, frozen=True):
    """What one column must be. `minimum` and `maximum` are inclusive."""

    name: str
    kind: str
    nullable: bool = False
    outcome: bool = False
    minimum: Any = None
    maximum: Any = None
    values: tuple[Any, ...] | None = None
    unique: bool = False


class _Declared(msgspec.Struct, frozen=True):
    """The right-hand side of a column's declaration."""

    minimum: Any = None
    maximum: Any = None
    values: tuple[Any, ...] | None = None
    unique: bool = False
    nullable: bool = False
    outcome: bool = False


def column(
    *,
    minimum: Any = None,
    maximum: Any = None,
    values: Sequence[Any] | None = None,
    unique: bool = False,
    nullable: bool = False,
) -> Any:
    """Limits on a column's values, inclusive; `values` lists the only ones allowed."""
    allowed = None if values is None else tuple(values)
    return _Declared(minimum, maximum, allowed, unique=unique, nullable=nullable)


def outcome(*, minimum: Any = None, maximum: Any = None, values: Sequence[Any] | None = None) -> Any:
    """A column that is known only when the label is; it may be null until then."""
    allowed = None if values is None else tuple(values)
    return _Declared(minimum, maximum, allowed, nullable=True, outcome=True)


class Schema:
    """Subclass it and annotate the columns; a subclass of a subclass adds columns."""

    @classmethod
    def columns(cls) -> dict[str, ColumnSpec]:
        """The declared columns by name, in order.

        Raises:
            ProjectError: an annotation is not one of the types a column can have.
        """
        hints = typing.get_type_hints(cls)
        return {name: _spec(cls.__name__, name, hint, getattr(cls, name, None)) for name, hint in hints.items()}

    @classmethod
    def outcomes(cls) -> list[str]:
        """The columns that are known only when the label is."""
        return [name for name, spec in cls.columns().items() if spec.outcome]


def _spec(owner: str, name: str, hint: Any, declared: Any) -> ColumnSpec:
    optional = False
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        inner = [each for each in typing.get_args(hint) if each is not type(None)]
        optional = len(inner) < len(typing.get_args(hint))
        hint = inner[0] if len(inner) == 1 else hint
    kind = KINDS.get(typing.get_origin(hint) or hint)
    if kind is None:
        raise ProjectError(
            f"{owner}.{name} is declared as {hint!r}, which no column can be",
            cause=f"a column is one of {', '.join(each.__name__ for each in KINDS)}, or one of them | None",
            cure="change the annotation",
        )
    if declared is None:
        return ColumnSpec(name, kind, nullable=optional)
    if not isinstance(declared, _Declared):
        raise ProjectError(
            f"{owner}.{name} has the value {declared!r}",
            cause="a declared column has limits, not a default",
            cure="write mulle.column(…) or mulle.outcome(), or nothing",
        )
    return ColumnSpec(
        name,
        kind,
        nullable=optional or declared.nullable,
        outcome=declared.outcome,
        minimum=declared.minimum,
        maximum=declared.maximum,
        values=declared.values,
        unique=declared.unique,
    )
