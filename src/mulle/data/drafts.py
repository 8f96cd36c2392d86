"""From rows to a manifest that only waits to be published: conform, check the key, cut into parts, store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mulle.data import logical, parts, reading
from mulle.data.columns import duplicate_keys, schema_of, table_from, type_name, with_event_time
from mulle.data.manifest import Manifest, appended
from mulle.data.manifest import parts as listed
from mulle.errors import DataError, SchemaSkewError
from mulle.stats.checks import fits, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mulle.data.manifest import Entry
    from mulle.stats.schema import Schema
    from mulle.store import ObjectStore

_CASTS = {("int", "int"), ("float", "float"), ("float", "int"), ("datetime", "datetime"), ("duration", "duration")}
"""(dataset's, new rows') families of types between which a cast changes no meaning."""

_UNSTORABLE = (pl.Object, pl.Int128, pl.UInt128)
_DECLARED = {"int": pl.Int64(), "float": pl.Float64(), "str": pl.String(), "bool": pl.Boolean(), "date": pl.Date()}


def normal(
    data: Any, name: str, *, key: Sequence[str], event_time: str | None, expect: type[Schema] | None = None
) -> pl.DataFrame:
    """Any table as the store keeps it, with its event time an instant and its key checked.

    Raises:
        DataError: it has no columns, lacks one of the key's or the event time, or two rows share a key.
    """
    what = f"dataset '{name}'"
    table = table_from(data)
    if not table.width:
        raise DataError(
            f"nothing to commit to {what}",
            cause="the table has no columns",
            cure="give it columns, even when it has no rows",
        )
    _check_types(table, what)
    if event_time is not None:
        table = with_event_time(table, event_time, what)
    if expect is not None:
        table = _as_declared(table, expect)
    _check_key(table, key, what)
    return table


def _check_types(table: pl.DataFrame, what: str) -> None:
    for name, dtype in table.schema.items():
        if isinstance(dtype, _UNSTORABLE):
            raise DataError(
                f"column '{name}' of {what} cannot be stored",
                cause=f"its type is {dtype}, which Parquet does not have",
                cure=f"cast it, for example with pl.col('{name}').cast(pl.String)",
            )


def _as_declared(table: pl.DataFrame, expect: type[Schema]) -> pl.DataFrame:
    """Columns without values, and ints where floats are declared, get the declared type: batches then agree."""
    casts = [
        pl.col(spec.name).cast(_DECLARED[spec.kind])
        for spec in expect.columns().values()
        if spec.name in table.columns
        and spec.kind in _DECLARED
        and (found := kind_of(table.schema[spec.name])) != spec.kind
        and fits(spec.kind, found)
    ]
    return table.with_columns(casts) if casts else table


def _check_key(table: pl.DataFrame, key: Sequence[str], what: str) -> None:
    missing = [name for name in key if name not in table.columns]
    if missing:
        raise DataError(
            f"{what} has no key column '{missing[0]}'",
            cause=f"the columns are {', '.join(table.columns[:12])}",
            cure="name the columns that identify a row as key=[…]",
        )
    if not key or not table.height:
        return
    for name in key:
        if table[name].null_count():
            raise DataError(
                f"the key column '{name}' of {what} has {table[name].null_count()} nulls",
                cause="a key identifies a row",
                cure="drop those rows, or choose another key",
            )
    if table.n_unique(subset=list(key)) != table.height:
        raise _repeated(duplicate_keys(table, key), what, "two rows of the commit share it")


def _repeated(keys: pl.DataFrame, what: str, cause: str) -> DataError:
    first = ", ".join(f"{name}={value}" for name, value in keys.row(0, named=True).items())
    return DataError(
        f"duplicate key in {what}: {first}",
        cause=cause,
        cure="drop the repeated rows, or extend the key with another column",
    )


def draft(
    store: ObjectStore,
    table: pl.DataFrame,
    name: str,
    *,
    key: Sequence[str],
    event_time: str | None,
    base: Manifest | None,
) -> Manifest:
    """The manifest of `table`, or of the rows of `base` followed by those of `table`. Its parts are stored, itself not.

    Raises:
        SchemaSkewError: the columns or types differ from those of `base`.
        DataError: a key is already there.
    """
    if base is not None:
        table, widened = _conform(table, base, name)
        # What the entries of `base` say of their rows holds for its event time and first key column only.
        if widened or (base.event_time, base.key[:1]) != (event_time, list(key[:1])):
            table, base = pl.concat([_recast(store, base, table), table]), None
            _check_key(table, key, f"dataset '{name}'")
    if base is not None:
        _check_new(store, table, base, key, name)
    pieces = [table] if table.height <= parts.PART_ROWS else list(table.iter_slices(parts.PART_ROWS))
    whole = base is not None and base.rows > 0
    levels: list[list[Entry]] = [list(level) for level in base.levels] if base is not None and whole else [[]]
    size = base.bytes if base is not None and whole else 0
    for piece in pieces:
        entry = parts.write(store, piece, event_time, key)
        levels = appended(store, levels, entry)
        size += entry.bytes
    chain, rest = _rest(store, table, base if whole else None)
    digest, chain = logical.extend(chain, rest)
    rows = table.height + (base.rows if base is not None else 0)
    return Manifest(
        schema=schema_of(table),
        key=list(key),
        event_time=event_time,
        rows=rows,
        bytes=size,
        logical=digest,
        chain=chain,
        levels=levels,
    )


def _rest(store: ObjectStore, table: pl.DataFrame, base: Manifest | None) -> tuple[logical.Chain, pl.DataFrame]:
    """How far the logical digest has come, and the rows that it still has to take."""
    if base is None:
        return logical.EMPTY, table
    before = reading.tail(store, base, base.rows - base.chain.rows)
    return base.chain, table if before is None else pl.concat([before, table])


def _conform(table: pl.DataFrame, base: Manifest, name: str) -> tuple[pl.DataFrame, bool]:
    """The table with the columns of `base` in their order, and whether a type of `base` has to widen for it."""
    declared = dict(base.schema)
    extra = [column for column in table.columns if column not in declared]
    if extra:
        found = type_name(table.schema[extra[0]])
        raise _skew(name, f"column '{extra[0]}' ({found}) is not among the dataset's columns {', '.join(declared)}")
    casts: list[pl.Expr] = []
    widened = False
    for column, before in base.schema:
        if column not in table.columns:
            raise _skew(name, f"column '{column}' is {before} in the dataset and missing in the new rows")
        now = type_name(table.schema[column])
        if now == before:
            continue
        if before == "null" or (before.startswith(("int", "uint")) and now.startswith("float")):
            widened = True
        elif now == "null" or (_family(before), _family(now)) in _CASTS:
            casts.append(pl.col(column).cast(_dtype(before)))
        else:
            raise _skew(name, f"column '{column}' is {before} in the dataset and {now} in the new rows")
    table = table.select(list(declared)) if table.columns != list(declared) else table
    return (table.with_columns(casts) if casts else table), widened


def _skew(name: str, cause: str) -> SchemaSkewError:
    return SchemaSkewError(
        f"the new rows do not fit dataset '{name}'",
        cause=cause,
        cure=f"mend the rows, or commit the whole table anew without append; compare with: mulle data show {name}",
    )


def _family(name: str) -> str:
    return name.partition("[")[0].removeprefix("u").rstrip("0123456789")


def _dtype(name: str) -> pl.DataType:
    """The Polars type of a name that `type_name` gave, for the types that casts lead to."""
    simple = {"str": pl.String(), "bool": pl.Boolean(), "date": pl.Date(), "bytes": pl.Binary(), "time": pl.Time()}
    if name in simple:
        return simple[name]
    family, _, inner = name.rstrip("]").partition("[")
    unit, _, zone = inner.partition(",")
    if family == "datetime":
        return pl.Datetime(unit, zone or None)  # type: ignore[arg-type]
    if family == "duration":
        return pl.Duration(unit)  # type: ignore[arg-type]
    kind: type[pl.DataType] = getattr(
        pl, name.replace("uint", "UInt").replace("int", "Int").replace("float", "Float"), pl.Null
    )
    return kind()


def _recast(store: ObjectStore, base: Manifest, table: pl.DataFrame) -> pl.DataFrame:
    """All rows of `base` with the types of `table`: what an append that widens a type has to rewrite."""
    return pl.concat([parts.read(store, entry) for entry in listed(store, base)]).cast(table.schema)


def _check_new(store: ObjectStore, table: pl.DataFrame, base: Manifest, key: Sequence[str], name: str) -> None:
    """That no key of `table` is already in `base`. Only parts whose span of keys meets the new ones are read."""
    if not key or not table.height:
        return
    low, high = table[key[0]].min(), table[key[0]].max()

    def meets(entry: Entry) -> bool:
        unknown = entry.first is None or entry.last is None or type(entry.first) is not type(low)
        return unknown or not (entry.last < low or entry.first > high)  # type: ignore[operator]

    there = [parts.read(store, entry, key) for entry in listed(store, base, meets)]
    if not there:
        return
    again = table.select(key).join(pl.concat(there), on=list(key), how="semi")
    if again.height:
        raise _repeated(again, f"dataset '{name}'", "a row with it was committed before")
