"""Rows against a declared schema: what does not hold, counted, in one pass.

Schema skew (a missing column, a changed type) means that nothing downstream can run; value skew (nulls, limits, foreign
values, duplicates) means that the world has changed and asks for a look or a retraining.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
import polars as pl

from mulle.errors import SchemaSkewError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mulle.stats.schema import ColumnSpec, Schema

WIDENS = {("float", "int")}
"""(declared, found) pairs that are not a change: every int is a float."""


class Violation(msgspec.Struct, frozen=True):
    """One rule that a table breaks. `rows` counts the offending rows (0 for schema skew)."""

    column: str
    rule: Literal["missing", "type", "null", "minimum", "maximum", "values", "duplicate"]
    severity: Literal["schema", "value"]
    declared: str
    found: str
    rows: int = 0


def kind_of(dtype: pl.DataType) -> str:
    """The kind of a Polars type: int, float, str, bool, datetime, date, duration, bytes, list, struct, null."""
    if dtype.is_integer():
        return "int"
    if dtype.is_float() or dtype.is_decimal():
        return "float"
    return _KINDS.get(type(dtype), str(dtype).lower())


_KINDS: dict[type[pl.DataType], str] = {
    pl.String: "str",
    pl.Categorical: "str",
    pl.Enum: "str",
    pl.Boolean: "bool",
    pl.Datetime: "datetime",
    pl.Date: "date",
    pl.Duration: "duration",
    pl.Binary: "bytes",
    pl.List: "list",
    pl.Array: "list",
    pl.Struct: "struct",
    pl.Null: "null",
}


def fits(declared: str, found: str) -> bool:
    """Whether a column of kind `found` may stand where `declared` is asked; an all-null column fits anywhere."""
    return found in {declared, "null"} or (declared, found) in WIDENS


def check_table(schema: type[Schema], table: pl.DataFrame) -> list[Violation]:
    """What of `schema` does not hold in `table`, in the schema's order; columns beyond the schema are welcome."""
    found: list[Violation] = []
    tests: dict[str, tuple[Violation, pl.Expr]] = {}
    for spec in schema.columns().values():
        skew = _schema_violation(spec, table.schema)
        if skew is not None:
            found.append(skew)
            continue
        for violation, count in _value_tests(spec):
            tests[str(len(tests))] = (violation, count)
    if tests and table.height:
        counts = table.select(count.alias(name) for name, (_, count) in tests.items()).row(0, named=True)
        found += [
            msgspec.structs.replace(violation, rows=int(counts[name]))
            for name, (violation, _) in tests.items()
            if counts[name]
        ]
    order = {name: place for place, name in enumerate(schema.columns())}
    return sorted(found, key=lambda violation: order[violation.column])


def _schema_violation(spec: ColumnSpec, types: pl.Schema) -> Violation | None:
    if spec.name not in types:
        return Violation(spec.name, "missing", "schema", spec.kind, "no such column")
    kind = kind_of(types[spec.name])
    if not fits(spec.kind, kind):
        return Violation(spec.name, "type", "schema", spec.kind, kind)
    return None


def _value_tests(spec: ColumnSpec) -> list[tuple[Violation, pl.Expr]]:
    column = pl.col(spec.name)
    tests: list[tuple[Violation, pl.Expr]] = []
    if not spec.nullable:
        tests.append((Violation(spec.name, "null", "value", "no nulls", "null"), column.null_count()))
    if spec.minimum is not None:
        below = (column < spec.minimum).sum()
        tests.append((Violation(spec.name, "minimum", "value", f"≥ {spec.minimum}", "below"), below))
    if spec.maximum is not None:
        above = (column > spec.maximum).sum()
        tests.append((Violation(spec.name, "maximum", "value", f"≤ {spec.maximum}", "above"), above))
    if spec.values is not None:
        foreign = (~column.is_in(list(spec.values))).sum()
        tests.append(
            (Violation(spec.name, "values", "value", f"one of {_some(spec.values)}", "another value"), foreign)
        )
    if spec.unique:
        repeated = column.count() - column.drop_nulls().n_unique()
        tests.append((Violation(spec.name, "duplicate", "value", "unique", "repeated"), repeated))
    return tests


def row_tests(schema: type[Schema], types: pl.Schema) -> Iterator[tuple[Violation, pl.Expr, Any]]:
    """For each rule about values: what it is, the rows that break it, and the limit; of columns that can be tested."""
    for spec in schema.columns().values():
        if _schema_violation(spec, types) is not None:
            continue
        column = pl.col(spec.name)
        if not spec.nullable:
            yield Violation(spec.name, "null", "value", "no nulls", "null"), column.is_null(), None
        if spec.minimum is not None:
            yield (
                Violation(spec.name, "minimum", "value", f"≥ {spec.minimum}", "below"),
                column < spec.minimum,
                spec.minimum,
            )
        if spec.maximum is not None:
            yield (
                Violation(spec.name, "maximum", "value", f"≤ {spec.maximum}", "above"),
                column > spec.maximum,
                spec.maximum,
            )
        if spec.values is not None:
            foreign = ~column.is_in(list(spec.values)) & column.is_not_null()
            yield Violation(spec.name, "values", "value", _some(spec.values), "another value"), foreign, None
        if spec.unique:
            repeated = column.is_not_null() & ~column.is_first_distinct()
            yield Violation(spec.name, "duplicate", "value", "unique", "repeated"), repeated, None


def _some(values: Sequence[Any], limit: int = 8) -> str:
    shown = ", ".join(str(value) for value in values[:limit])
    return f"{shown}, …" if len(values) > limit else shown


def schema_skew(violations: Sequence[Violation], what: str) -> SchemaSkewError | None:
    """The error that stops a pipeline, when any of the violations is schema skew.

    Args:
        violations: what `check_table` found.
        what: the table, as in "dataset 'flights'".
    """
    skew = [violation for violation in violations if violation.severity == "schema"]
    if not skew:
        return None
    first = skew[0]
    if first.rule == "missing":
        cause = f"column '{first.column}' is declared as {first.declared} and is missing"
    else:
        cause = f"column '{first.column}' is declared as {first.declared} and is {first.found}"
    if len(skew) > 1:
        cause += f" (and {len(skew) - 1} more: {', '.join(each.column for each in skew[1:8])})"
    return SchemaSkewError(
        f"{what} does not have its declared columns",
        cause=cause,
        cure="mend the source, or change the declared schema to what the data now is; compare with: mulle data show",
    )
