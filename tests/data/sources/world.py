"""Sources that get rows, good and bad, in every order; and what must have come of them."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import mulle
import mulle.data as api
from mulle.data import DataService
from mulle.data.definition import Dataset
from mulle.stats.schema import Schema, column


class Row(Schema):
    """What a row must be."""

    id: int
    at: str
    value: int | None = column(minimum=0)


class World:
    """A folder with a database, a folder of CSV files that grow, and a log that is rotated; a dataset for each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.good: dict[str, Counter[tuple[int, str, int | None]]] = {
            name: Counter() for name in ("sql", "files", "lines")
        }
        self.bad: Counter[str] = Counter()
        self._rotations = 0
        self.looked = False
        (folder / "in").mkdir()
        with self._connected() as connection:
            connection.execute("CREATE TABLE rows (id integer, at text, value integer)")
        (folder / "app.jsonl").touch()

    def datasets(self, batch: int = 3) -> list[Dataset]:
        """The datasets, each without a key, so that nothing but the cursor keeps a row from being taken twice."""
        sources: dict[str, Any] = {
            "sql": mulle.sql("sqlite:///rows.db", "rows", cursor="at", batch=batch),
            "files": mulle.files("in/*.csv"),
            "lines": mulle.lines("app.jsonl", batch=batch, gone="error"),
        }
        return [api.dataset(name, source=source, expect=Row) for name, source in sources.items()]

    def insert(self, number: int, at: int, value: int | None) -> None:
        """A row of the database; `at` never falls below what was taken but by nothing: ties are common."""
        with self._connected() as connection:
            connection.execute("INSERT INTO rows VALUES (?, ?, ?)", (number, f"{at:06}", value))
        self._count("sql", number, f"{at:06}", value)

    def put(self, file: int, number: int, at: int, value: int | None) -> None:
        """A line of a file, which may be new."""
        path = self.folder / "in" / f"{file}.csv"
        text = "" if path.exists() else "id,at,value\n"
        with path.open("a") as out:
            out.write(f"{text}{number},t{at},{'' if value is None else value}\n")
        self._count("files", number, f"t{at}", value)

    def log(self, number: int, at: int, value: int | None) -> None:
        """A line of the log."""
        with (self.folder / "app.jsonl").open("a") as out:
            out.write(json.dumps({"id": number, "at": f"t{at}", "value": value}) + "\n")
        self._count("lines", number, f"t{at}", value)

    def rotate(self) -> None:
        """Move the log away, once it was looked at; an empty one is begun."""
        if not self.looked:
            return
        self._rotations += 1
        (self.folder / "app.jsonl").rename(self.folder / f"app.jsonl.{self._rotations:05}")
        (self.folder / "app.jsonl").touch()

    def _count(self, name: str, number: int, at: str, value: int | None) -> None:
        if value is not None and value < 0:
            self.bad[name] += 1
        else:
            self.good[name][number, at, value] += 1

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "rows.db", isolation_level=None)

    def check(self, data: DataService) -> None:
        """Every row is there once, and those that do not fit lie aside once."""
        for name, rows in self.good.items():
            found = data.find_head(name)
            taken = Counter(data.read(name).select("id", "at", "value").rows()) if found is not None else Counter()
            assert taken == rows, name
            aside = data.find_head(f"{name}.quarantine")
            assert (aside.rows if aside is not None else 0) == self.bad[name], name
