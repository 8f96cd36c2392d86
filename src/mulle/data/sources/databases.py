"""The databases that rows can be read from: PostgreSQL and SQLite, each read in one consistent state, never written."""

from __future__ import annotations

import difflib
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

import polars as pl

from mulle.errors import DataError

if TYPE_CHECKING:
    import psycopg

VALUE = "\0"
"""Stands for a value in a query."""

_CONNECT_SECONDS = 10
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_INSTANT = pl.Datetime("us", "UTC")
_POSTGRES: dict[int, pl.DataType] = {
    16: pl.Boolean(),
    17: pl.Binary(),
    20: pl.Int64(),
    21: pl.Int64(),
    23: pl.Int64(),
    26: pl.Int64(),
    700: pl.Float64(),
    701: pl.Float64(),
    1700: pl.Float64(),
    25: pl.String(),
    1042: pl.String(),
    1043: pl.String(),
    1082: pl.Date(),
    1083: pl.Time(),
    1114: pl.Datetime("us"),
    1184: _INSTANT,
    1186: pl.Duration("us"),
}
"""PostgreSQL's types by their numbers; what is not here becomes text."""

_ARRAYS = {1000: pl.Boolean(), 1005: pl.Int64(), 1007: pl.Int64(), 1016: pl.Int64(), 1021: pl.Float64(),
           1022: pl.Float64(), 1009: pl.String(), 1015: pl.String()}  # fmt: skip


class Result(Protocol):
    """What a query gives, as it is read."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""

    @property
    def types(self) -> Mapping[str, pl.DataType]:
        """Their types, where the database knows them."""

    def batches(self, size: int) -> Iterator[list[Sequence[Any]]]:
        """The rows, so many at a time."""

    def close(self) -> None:
        """Read no further."""


class Database(Protocol):
    """A connection that only reads. All of its queries see the same state of the database."""

    def quoted(self, name: str) -> str:
        """A name as it stands in a query; one with dots is a schema's."""

    def columns(self, rows: str) -> list[str]:
        """The columns of a table or of a query in parentheses.

        Raises:
            DataError: there is no such table, or the query is wrong.
        """

    def select(self, query: str, values: Sequence[Any]) -> Result:
        """Run a query; `VALUE` in it stands for the values, one after the other."""

    def close(self) -> None:
        """Hang up."""


def shown(url: str) -> str:
    """A URL without its password."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}@{host}", query=_hidden(parts.query)))


def _hidden(query: str) -> str:
    return "&".join(each for each in query.split("&") if not re.match(r"(?i)(password|secret|token|key)", each))


def expanded(url: str) -> str:
    """A URL with `${NAME}` replaced by what the environment has.

    Raises:
        DataError: it has no such variable.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise DataError(
                f"the environment has no variable {match[1]}",
                cause=f"{shown(url)} is read with it",
                cure=f"export {match[1]}=…",
            )
        return os.environ[match[1]]

    return _VARIABLE.sub(value, url)


def database_of(url: str, root: Path) -> Database:
    """The database of a URL; an SQLite file's relative path begins at `root`."""
    whole = expanded(url)
    if whole.startswith("sqlite"):
        return _Sqlite(unquote(whole.partition(":///")[2] or whole.partition(":")[2]), root)
    return _Postgres("postgresql://" + whole.partition("://")[2], shown(url))


class _Sqlite:
    def __init__(self, path: str, root: Path) -> None:
        self._path = root / path
        if not self._path.is_file():
            near = difflib.get_close_matches(self._path.name, _names_in(self._path.parent), n=1)
            cause = f"did you mean '{near[0]}'?" if near else f"{self._path} does not exist"
            raise DataError(f"there is no database {path}", cause=cause, cure="mend the path after sqlite:///")
        try:
            self._connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise DataError(
                f"{path} cannot be read as an SQLite database", cause=str(error), cure="check the file"
            ) from error

    def quoted(self, name: str) -> str:
        return ".".join('"' + part.strip('"').replace('"', '""') + '"' for part in name.split("."))

    def columns(self, rows: str) -> list[str]:
        try:
            found = self._connection.execute(f"SELECT * FROM {rows} AS mulle_rows LIMIT 0")  # noqa: S608
        except sqlite3.Error as error:
            raise self._explained(error) from error
        return [each[0] for each in found.description]

    def select(self, query: str, values: Sequence[Any]) -> Result:
        try:
            cursor = self._connection.execute(query.replace(VALUE, "?"), tuple(values))
        except sqlite3.Error as error:
            raise self._explained(error) from error
        return _SqliteResult(cursor)

    def _explained(self, error: sqlite3.Error) -> DataError:
        text = str(error)
        missing = re.match(r"no such table: (?:\w+\.)?(.+)", text)
        tables = [row[0] for row in self._connection.execute("SELECT name FROM sqlite_master WHERE type != 'index'")]
        return _wrong_query(self._path.name, text, missing[1] if missing else None, tables)

    def close(self) -> None:
        self._connection.close()


class _SqliteResult:
    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self.columns = [each[0] for each in cursor.description]
        self.types: Mapping[str, pl.DataType] = {}

    def batches(self, size: int) -> Iterator[list[Sequence[Any]]]:
        while rows := self._cursor.fetchmany(size):
            yield rows

    def close(self) -> None:
        self._cursor.close()


class _Postgres:
    def __init__(self, url: str, told: str) -> None:
        self._told = told
        try:
            import psycopg  # noqa: PLC0415 - an extra, and start-up time
            from psycopg.types.numeric import FloatLoader  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise DataError(
                f"{told} cannot be read", cause="psycopg is not installed", cure="pip install 'mulle[postgres]'"
            ) from error
        self._error = psycopg.Error
        try:
            self._connection = psycopg.connect(
                url,
                connect_timeout=_CONNECT_SECONDS,
                options="-c timezone=UTC -c intervalstyle=postgres",
                application_name="mulle",
            )
            self._connection.read_only = True
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection.adapters.register_loader("numeric", FloatLoader)
        except psycopg.OperationalError as error:
            raise _unreachable(told, str(error)) from error
        except psycopg.ProgrammingError as error:
            raise DataError(f"{told} is no URL of PostgreSQL", cause=_first(error), cure="mend the URL") from error

    def quoted(self, name: str) -> str:
        return ".".join('"' + part.strip('"').replace('"', '""') + '"' for part in name.split("."))

    def columns(self, rows: str) -> list[str]:
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(f"SELECT * FROM {rows} AS mulle_rows LIMIT 0".encode())  # noqa: S608
            except self._error as error:
                raise self._explained(error) from error
            return [each.name for each in cursor.description or ()]

    def select(self, query: str, values: Sequence[Any]) -> Result:
        cursor = self._connection.cursor(name="mulle_rows")
        try:
            cursor.execute(query.replace("%", "%%").replace(VALUE, "%s").encode(), tuple(values))
        except self._error as error:
            raise self._explained(error) from error
        return _PostgresResult(cursor, self._explained)

    def _explained(self, error: psycopg.Error) -> DataError:
        if error.sqlstate is None or error.sqlstate.startswith(("08", "57")):
            return _unreachable(self._told, str(error))
        missing = re.search(r'relation "(?:[^".]+\.)?([^"]+)" does not exist', str(error))
        tables: list[str] = []
        if missing:
            self._connection.rollback()
            with self._connection.cursor() as cursor:
                cursor.execute(
                    "SELECT table_name FROM information_schema.tables"
                    " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
                )
                tables = [row[0] for row in cursor.fetchall()]
        return _wrong_query(self._told, _first(error), missing[1] if missing else None, tables)

    def close(self) -> None:
        self._connection.close()


class _PostgresResult:
    def __init__(self, cursor: psycopg.ServerCursor[Any], explained: Any) -> None:
        self._cursor = cursor
        self._explained = explained
        described = cursor.description or []
        self.columns = [each.name for each in described]
        self.types: Mapping[str, pl.DataType] = {each.name: _type_of(each.type_code) for each in described}
        self._odd = [place for place, each in enumerate(described) if _type_of(each.type_code) == pl.String
                     and each.type_code not in (25, 1042, 1043)]  # fmt: skip

    def batches(self, size: int) -> Iterator[list[Sequence[Any]]]:
        import psycopg  # noqa: PLC0415 - an extra

        self._cursor.itersize = size
        while True:
            try:
                rows = self._cursor.fetchmany(size)
            except psycopg.Error as error:
                raise self._explained(error) from error
            if not rows:
                return
            yield [self._plain(row) for row in rows] if self._odd else rows

    def _plain(self, row: Sequence[Any]) -> Sequence[Any]:
        plain = list(row)
        for place in self._odd:
            plain[place] = _text(plain[place])
        return plain

    def close(self) -> None:
        if not self._cursor.connection.closed:
            self._cursor.close()


def _type_of(code: int) -> pl.DataType:
    inner = _ARRAYS.get(code)
    return pl.List(inner) if inner is not None else _POSTGRES.get(code, pl.String())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        import json  # noqa: PLC0415 - rare

        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()] if folder.is_dir() else []


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _unreachable(told: str, text: str) -> DataError:
    first = next((line for line in reversed(text.strip().splitlines()) if line.strip()), text)
    denied = re.search(r"password authentication failed|no password supplied|role \".*\" does not exist", text)
    if denied:
        return DataError(
            f"{told} refuses the user", cause=first.strip(), cure="mend user and password, as ${PGPASSWORD} in the URL"
        )
    if re.search(r'database ".*" does not exist', text):
        return DataError(f"{told} has no such database", cause=first.strip(), cure="mend the URL's last part")
    return DataError(
        f"{told} cannot be reached",
        cause=first.strip(),
        cure="see that the server runs; collect again then: nothing is lost or taken twice",
    )


def _wrong_query(told: str, text: str, missing: str | None, tables: Sequence[str]) -> DataError:
    if missing is None:
        return DataError(f"{told} does not understand the query", cause=text, cure="mend the table's name or the query")
    near = difflib.get_close_matches(missing, tables, n=1, cutoff=0.5)
    known = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(sorted(tables)[:8]) or 'none'}"
    return DataError(f"{told} has no table '{missing}'", cause=known, cure="mend the table's name or the query")
