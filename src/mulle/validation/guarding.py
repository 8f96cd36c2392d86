"""A check to put in front of a commit or a step: rows that do not fit the declared schema stop there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mulle.stats.checks import check_table, schema_skew

if TYPE_CHECKING:
    import polars as pl

    from mulle.stats.schema import Schema


def guard(schema: type[Schema], what: str = "the table") -> Callable[[pl.DataFrame], None]:
    """A function that lets a table pass, or raises SchemaSkewError: a declared column is missing or its type changed.

    Values that break a limit pass: they ask for a look or a retraining, they do not stop the wheel.
    """

    def check(table: pl.DataFrame) -> None:
        skew = schema_skew(check_table(schema, table), what)
        if skew is not None:
            raise skew

    return check
