"""Rows of a database: a table or a query, taken in the order of a cursor column.

What was taken is told apart from what was not by the cursor's value and, within `overlap` of the newest one, by the
rows themselves: rows that share a value, or whose transaction ended later than that of a higher value, are neither lost
nor doubled.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from mulle.data.columns import plain
from mulle.data.sources import quarantine
from mulle.data.sources.databases import VALUE, Database, database_of, shown
from mulle.data.sources.port import Batch, Place, Position
from mulle.data.sources.shaping import from_objects, shaped
from mulle.errors import DataError, ProjectError, unknown
from mulle.hashing import digest_bytes, digest_value
from mulle.types import duration

if TYPE_CHECKING:
    from mulle.data.sources.databases import Result

_BATCH = 50_000
_TIME_OVERLAP = timedelta(minutes=1)
_COUNT_OVERLAP = 1000
_NAME = re.compile(r'^[\w."]+$')


@dataclass(frozen=True)
class SqlSource:
    """See `sql`."""

    url: str
    table: str
    column: str | None
    overlap: timedelta | int | None
    batch: int
    every: timedelta

    kind = "sql"

    @property
    def address(self) -> str:
        return f"{shown(self.url)} {self._said}"

    @property
    def identity(self) -> str:
        return f"sql {self.url.partition(':')[0]} {self._said} {self.column or ''}"

    @property
    def _said(self) -> str:
        return " ".join(self.table.split())

    def cursor(self, position: Position) -> str:
        at = position.state.get("at")
        return "" if at is None else f"{self.column} {at['value']}"

    def batches(self, position: Position, place: Place) -> Iterator[Batch]:
        with closing(database_of(self.url, place.root)) as database:
            columns = database.columns(self._from(database))
            if self.column is None:
                yield from self._whole(database, position, place)
                return
            if self.column not in columns:
                cure = "name one of the columns as cursor=…"
                raise unknown(f"cursor column of {self._said}:", self.column, columns, cure=cure)
            yield from self._following(database, place, _Taken.of(position.state, self._over))

    def _from(self, database: Database) -> str:
        return database.quoted(self.table) if _NAME.match(self.table) else "(" + self.table.rstrip("; \n") + ")"

    def _over(self, value: Any) -> timedelta | int:
        """How far below the newest value rows may still come."""
        if self.overlap is not None:
            return self.overlap
        if isinstance(value, datetime):
            return _TIME_OVERLAP
        return _COUNT_OVERLAP if isinstance(value, int) else 0

    def _whole(self, database: Database, position: Position, place: Place) -> Iterator[Batch]:
        """All rows each time: what they are now becomes a version."""
        query = f"SELECT * FROM {self._from(database)} AS mulle_rows"  # noqa: S608 - the project's own words
        with closing(database.select(query, ())) as result:
            rows = [row for some in result.batches(self.batch) for row in some]
            batch = self._batch(result, rows, {}, place, how="replace")
        assert batch.rows is not None
        content = digest_bytes(str(batch.rows.schema).encode() + batch.rows.write_ipc(None).getvalue())[3:]
        if content != position.state.get("content"):
            yield replace(batch, state={"content": content}, clears=True)

    def _following(self, database: Database, place: Place, taken: _Taken) -> Iterator[Batch]:
        assert self.column is not None
        column, rows_of = database.quoted(self.column), self._from(database)
        nulls = f"SELECT * FROM {rows_of} AS mulle_rows WHERE {column} IS NULL"  # noqa: S608 - the project's own words
        with closing(database.select(nulls, ())) as result:
            lost = [row for some in result.batches(self.batch) for row in taken.fresh_nulls(some)]
            if lost:
                yield Batch(bad=self._unplaced(result, lost), state=taken.state(), message=self._said)
        where, values = "", tuple[Any, ...]()
        if taken.at is not None:
            where, values = f"WHERE {column} >= {VALUE}", (taken.floor,)
        query = f"SELECT * FROM {rows_of} AS mulle_rows {where} ORDER BY {column}"  # noqa: S608
        with closing(database.select(query, values)) as result:
            place_of = result.columns.index(self.column)
            for some in result.batches(self.batch):
                try:
                    fresh = taken.fresh([row for row in some if row[place_of] is not None], place_of)
                except TypeError as error:
                    raise DataError(
                        f"the cursor {self.column} of {self._said} has values of several types",
                        cause=str(error),
                        cure=f"let a query cast it, as CAST({self.column} AS TEXT), and name what comes out",
                    ) from error
                if fresh:
                    yield self._batch(result, fresh, taken.state(), place, how="update")

    def _batch(self, result: Result, rows: Sequence[Sequence[Any]], state: Any, place: Place, *, how: Any) -> Batch:
        types = {**result.types, **place.types}
        table = from_objects([dict(zip(result.columns, row, strict=True)) for row in rows], types, result.columns)
        types = {name: dtype for name, dtype in place.types.items() if name not in result.types}
        fit = shaped(plain(table), {**types, **_objects(table, place)}, self.address, 2)
        wrong = fit.wrong
        held = [
            (quarantine.text(dict(zip(result.columns, rows[at], strict=True))), str(fit.reasons[at]), self._said)
            for at in wrong.arg_true().to_list()
        ]
        kept = fit.table.filter(~wrong) if held else fit.table
        message = f"{kept.height:,} {'row' if kept.height == 1 else 'rows'} of {self._said}"
        if self.column is not None and state.get("at"):
            message += f" up to {self.column} {state['at']['value']}"
        spans = [(self._said, kept.height)]
        return Batch(rows=kept, bad=quarantine.bad(held), state=state, how=how, message=message, spans=spans)

    def _unplaced(self, result: Result, rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
        reason = f"the cursor {self.column} is empty"
        told = [quarantine.text(dict(zip(result.columns, row, strict=True))) for row in rows]
        return quarantine.bad([(row, reason, self._said) for row in told])


def _objects(table: pl.DataFrame, place: Place) -> dict[str, pl.DataType]:
    """The columns whose values were of several types, with the one that they must have."""
    mixed = [name for name, dtype in table.schema.items() if dtype == pl.Object]
    return {name: place.types.get(name, pl.String()) for name in mixed}


class _Taken:
    """What was taken: the newest value of the cursor, and the rows within the overlap below it, counted."""

    def __init__(self, at: Any, overlap: Any, nulls: Counter[str]) -> None:
        self.at = self._begun = at
        self._overlap = overlap
        self._known: Counter[str] = Counter()
        """Rows that were taken and will be met again by this reading."""
        self._recent: list[tuple[Any, str]] = []
        self._nulls = Counter(nulls)
        self._null_known = Counter(nulls)

    @classmethod
    def of(cls, state: Any, overlap: Any) -> _Taken:
        """As it was recorded."""
        at = None if state.get("at") is None else _read(state["at"])
        made = cls(at, overlap, Counter(state.get("nulls", {})))
        for value, digests in state.get("seen", []):
            for digest in digests:
                made._recent.append((_read(value), digest))
                made._known[digest] += 1
        return made

    @property
    def floor(self) -> Any:
        """From which value on rows may not have been taken yet."""
        return _below(self.at, self._overlap(self.at))

    def fresh(self, rows: Sequence[Sequence[Any]], place: int) -> list[Sequence[Any]]:
        """The rows, in the order of their cursor, that were not taken before; they are from now on."""
        found: list[tuple[Any, Sequence[Any]]] = []
        for row in rows:
            value = _comparable(row[place])
            if self._begun is not None and value <= self._begun and self._was_taken(row):
                continue
            found.append((value, row))
        if found:
            newest = found[-1][0]
            self.at = newest if self.at is None else max(self.at, newest)
            floor = self.floor
            self._recent = [one for one in self._recent if one[0] >= floor]
            self._recent += [(value, _digest(row)) for value, row in found if value >= floor]
        return [row for _, row in found]

    def _was_taken(self, row: Sequence[Any]) -> bool:
        digest = _digest(row)
        if self._known[digest] > 0:
            self._known[digest] -= 1
            return True
        return False

    def fresh_nulls(self, rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
        """The same for rows without a cursor."""
        found = []
        for row in rows:
            digest = _digest(row)
            if self._null_known[digest] > 0:
                self._null_known[digest] -= 1
            else:
                found.append(row)
                self._nulls[digest] += 1
        return found

    def state(self) -> dict[str, Any]:
        """As it is recorded: rows by the value of their cursor."""
        seen: dict[str, tuple[Any, list[str]]] = {}
        for value, digest in self._recent:
            seen.setdefault(str(value), (_write(value), []))[1].append(digest)
        at = None if self.at is None else _write(self.at)
        return {"at": at, "seen": [[value, digests] for value, digests in seen.values()], "nulls": dict(self._nulls)}


def _comparable(value: Any) -> Any:
    """A cursor's value as it can be compared with one that was recorded."""
    return value if isinstance(value, datetime | date | int | float | str) else str(value)


def _digest(row: Sequence[Any]) -> str:
    return digest_value([value if isinstance(value, int | float | str | bytes) else str(value) for value in row])[3:27]


def _below(value: Any, overlap: Any) -> Any:
    if isinstance(value, datetime | int) and not isinstance(value, bool) and overlap:
        return value - overlap
    if isinstance(value, date) and isinstance(overlap, timedelta):
        return value - overlap
    return value


def _write(value: Any) -> dict[str, Any]:
    """A cursor's value as JSON that says of what type it was."""
    if isinstance(value, datetime):
        return {"type": "datetime", "value": value.isoformat(), "zoned": value.tzinfo is not None}
    if isinstance(value, date):
        return {"type": "date", "value": value.isoformat()}
    if isinstance(value, int | float | str):
        return {"type": type(value).__name__, "value": value}
    return {"type": "str", "value": str(value)}


def _read(held: dict[str, Any]) -> Any:
    kind, value = held["type"], held["value"]
    if kind == "datetime":
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if held.get("zoned") else found
    return date.fromisoformat(value) if kind == "date" else value


def sql(
    url: str,
    table: str,
    *,
    cursor: str | None = None,
    overlap: str | timedelta | int | None = None,
    batch: int = _BATCH,
    every: str | timedelta = "1m",
) -> SqlSource:
    """Rows of a PostgreSQL or SQLite database, each new or changed one once.

    A row is new when its cursor is at least the newest one taken, less `overlap`, and the row itself was not taken. A
    row whose key is there already replaces it, so that `cursor="updated_at"` follows changes. What was deleted is not
    seen; rows whose cursor is null are put aside once each. Without a cursor all rows are read each time, and become a
    version when they changed.

    Args:
        url: `postgresql://user@host/database` or `sqlite:///path/to.db`; `${NAME}` in it is read from the environment
            when it is used, so that a password need not stand in the project.
        table: a table, as "orders" or "shop.orders", or a query.
        cursor: a column that never falls: an instant of the last change, or a rising number.
        overlap: how far below the newest value rows may still appear, as a transaction that took longer than others
            lets them: a minute for instants and 1000 for whole numbers, by default.
        batch: how many rows make a version at most.
        every: how long the wheel waits before it asks again.

    Raises:
        ProjectError: the URL is of no database that can be read.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme not in ("postgresql", "postgres", "sqlite"):
        raise ProjectError(
            f"'{shown(url)}' is no database that can be read",
            cause="its URL begins with neither postgresql:// nor sqlite:///",
            cure="write for example postgresql://user@host/database, or sqlite:///shop.db",
        )
    if batch < 1:
        raise ProjectError(f"a batch cannot have {batch} rows", cure="give a positive number, as batch=50000")
    over = duration(overlap) if isinstance(overlap, str) else overlap
    return SqlSource(url, table, cursor, over, batch, duration(every))
