"""From rows to a manifest that only waits to be published: conform, check the key, cut into parts, store."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import polars as pl

from mulle.data import logical, parts, reading
from mulle.data.columns import duplicate_keys, schema_of, table_from, type_name, with_event_time
from mulle.data.deltas import DeltaWriter
from mulle.data.incoming import Incoming, Keys, no_nulls, repeated
from mulle.data.manifest import Manifest, appended
from mulle.data.manifest import parts as listed
from mulle.errors import DataError, SchemaSkewError
from mulle.stats.checks import fits, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
    table = _normal(table_from(data), name, key, event_time, expect)
    _check_key(table, key, f"dataset '{name}'")
    return table


def normal_stream(incoming: Incoming, name: str, *, key: Sequence[str], event_time: str | None) -> Incoming:
    """The same for rows that come in pieces; whether keys repeat is seen when all have come.

    Raises:
        DataError: they have no columns, or lack one of the key's or the event time.
    """
    return incoming.changed(lambda piece: _normal(piece, name, key, event_time, None))


def _normal(
    table: pl.DataFrame, name: str, key: Sequence[str], event_time: str | None, expect: type[Schema] | None
) -> pl.DataFrame:
    what = f"dataset '{name}'"
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
    _check_columns(table, key, what)
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


def _check_columns(table: pl.DataFrame, key: Sequence[str], what: str) -> None:
    missing = [name for name in key if name not in table.columns]
    if missing:
        raise DataError(
            f"{what} has no key column '{missing[0]}'",
            cause=f"the columns are {', '.join(table.columns[:12])}",
            cure="name the columns that identify a row as key=[…]",
        )


def _check_key(table: pl.DataFrame, key: Sequence[str], what: str) -> None:
    if not key or not table.height:
        return
    no_nulls(table, key, what)
    if table.n_unique(subset=list(key)) != table.height:
        raise repeated(duplicate_keys(table, key), what, "two rows of the commit share it")


def draft(
    store: ObjectStore,
    rows: pl.DataFrame | Incoming,
    name: str,
    *,
    key: Sequence[str],
    event_time: str | None,
    base: Manifest | None,
    head: Manifest | None = None,
) -> Manifest:
    """The manifest of the rows, or of the rows of `base` followed by them. Its parts are stored, itself not.

    With `head`, the version that the rows replace, what it has of them is not stored again.

    Raises:
        SchemaSkewError: the columns or types differ from those of `base`.
        DataError: a key is null, twice there or already there.
    """
    incoming = rows if isinstance(rows, Incoming) else Incoming.of(rows)
    check = None if incoming.checked else Keys(key, name)
    if base is not None:
        empty = pl.DataFrame(schema=incoming.schema)
        casts, widened = _conform(empty, base, name)
        incoming = incoming.changed(functools.partial(_conformed, names=[each for each, _ in base.schema], casts=casts))
        # What the entries of `base` say of their rows holds for its event time and first key column only.
        if widened or (base.event_time, base.key[:1]) != (event_time, list(key[:1])):
            old = Incoming(incoming.schema, _recast(store, base, incoming.schema))
            incoming = Incoming(incoming.schema, itertools.chain(old.pieces, incoming.pieces))
            check, base = Keys(key, name), None
    schema = schema_of(pl.DataFrame(schema=incoming.schema))
    takes = _Appending(store, base, event_time, key, name)
    alike = head is not None and (head.schema, head.event_time, head.key[:1]) == (schema, event_time, list(key[:1]))
    if base is None and alike and head is not None and head.rows:
        takes = _Replacing(store, head, event_time, key, name)
    for piece in incoming.pieces:
        if check is not None:
            check.add(piece)
        takes.add(piece)
    made = takes.end(pl.DataFrame(schema=incoming.schema))
    if check is not None:
        check.require_distinct(store, list(takes.entries))
    return Manifest(
        schema=schema,
        key=list(key),
        event_time=event_time,
        rows=takes.rows,
        bytes=takes.bytes,
        logical=takes.digest.digest,
        chain=takes.digest.chain,
        levels=made,
    )


def stored(store: ObjectStore, made: Manifest, after: int) -> Incoming:
    """The rows of a draft after its first `after` ones, which end with a part, as if they came in again."""

    def pieces() -> Iterator[pl.DataFrame]:
        before = 0
        for entry in listed(store, made):
            if before >= after:
                yield parts.read(store, entry)
            before += entry.rows

    (first,) = itertools.islice(listed(store, made), 1)
    return Incoming(parts.read(store, first).schema, pieces(), checked=True)


class _Appending:
    """Takes pieces after the rows of `base`, each as a new part."""

    def __init__(
        self, store: ObjectStore, base: Manifest | None, event_time: str | None, key: Sequence[str], name: str
    ) -> None:
        self.entries: list[Entry] = []
        self.rows = 0 if base is None else base.rows
        self.bytes = 0
        self.digest = logical.Digester()
        self._store = store
        self._base = base
        self._event_time = event_time
        self._key = key
        self._name = name
        self._levels: list[list[Entry]] = [[]]
        if base is not None and base.rows:
            self.bytes = base.bytes
            self.digest = logical.Digester(base.chain, reading.tail(store, base, base.rows - base.chain.rows))
            self._levels = [list(level) for level in base.levels]

    def add(self, piece: pl.DataFrame) -> None:
        if self._base is not None:
            _check_new(self._store, piece, self._base, self._key, self._name)
        self._entered(parts.write(self._store, piece, self._event_time, self._key))
        self._told(piece)

    def _told(self, piece: pl.DataFrame) -> None:
        self.digest.add(piece)
        self.rows += piece.height

    def _entered(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.bytes += entry.bytes
        self._levels = appended(self._store, self._levels, entry)

    def end(self, empty: pl.DataFrame) -> list[list[Entry]]:
        """The levels; a table without rows has one part without rows."""
        if not self.entries and not self.rows:
            self.add(empty)
        elif not self.entries:
            self.digest.add(empty)
        return self._levels


class _Replacing(_Appending):
    """Takes pieces instead of the rows of `head`, and stores what differs from them."""

    def __init__(
        self, store: ObjectStore, head: Manifest, event_time: str | None, key: Sequence[str], name: str
    ) -> None:
        super().__init__(store, None, event_time, key, name)
        self._writer = DeltaWriter(store, list(listed(store, head)), event_time, key)

    def add(self, piece: pl.DataFrame) -> None:
        if not piece.height:
            super().add(piece)
            return
        for entry in self._writer.add(piece):
            self._entered(entry)
        self._told(piece)

    def end(self, empty: pl.DataFrame) -> list[list[Entry]]:
        for entry in self._writer.end():
            self._entered(entry)
        return super().end(empty)


def _conformed(table: pl.DataFrame, names: list[str], casts: list[pl.Expr]) -> pl.DataFrame:
    """The table with the columns in that order, and cast."""
    table = table.select(names) if table.columns != names else table
    return table.with_columns(casts) if casts else table


def _conform(table: pl.DataFrame, base: Manifest, name: str) -> tuple[list[pl.Expr], bool]:
    """The casts to the types of `base`, and whether a type of `base` has to widen for the table's."""
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
    return casts, widened


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


def _recast(store: ObjectStore, base: Manifest, schema: pl.Schema) -> Iterator[pl.DataFrame]:
    """All rows of `base` with the types of the schema: what an append that widens a type has to rewrite."""
    return (parts.read(store, entry).cast(schema) for entry in listed(store, base) if entry.rows)


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
        raise repeated(again, f"dataset '{name}'", "a row with it was committed before")
