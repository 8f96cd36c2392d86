"""A data file as text columns with usable names: separator and encoding found out, nothing guessed twice."""

from __future__ import annotations

import csv
import gzip
import io
import keyword
import re
import unicodedata
import zipfile
from pathlib import Path

import msgspec
import polars as pl

from mulle.errors import DataError

SEPARATORS = ",;\t|"
ENCODINGS = ("utf-8-sig", "cp949", "latin-1")
NULLS = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "#N/A")
"""Text that means "no value" wherever it stands."""
WEAK_NULLS = ("?", "-", "None", "none", ".")
"""Text that means "no value" only in a column that is numbers, dates or truth values otherwise."""

_PARQUET = {".parquet", ".pq"}
_LINES = {".jsonl", ".ndjson"}


class Raw(msgspec.Struct, frozen=True):
    """A file's table: CSV columns as text (types are inferred later), Parquet and JSON lines as they are typed."""

    table: pl.DataFrame
    renames: dict[str, str]
    separator: str
    data: bytes
    file_name: str
    kind: str
    notes: list[str]


def read(path: Path) -> Raw:
    """Read a CSV, TSV, Parquet or JSON-lines file (also .gz, and a .zip of one file).

    Raises:
        DataError: the file is missing, empty, of another kind, or has a header only.
    """
    if path.is_dir() or not path.exists():
        what = "is a directory" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}", cause="--from names one data file", cure="check the path (`ls`)")
    data, name, notes = *_unpacked(path), list[str]()
    if not data.strip():
        raise DataError(f"{path} is empty", cause="there is nothing to learn from", cure="name a file with rows")
    kind = Path(name).suffix.lower()
    separator = ","
    if kind in _PARQUET:
        table, kind = _parsed(lambda: pl.read_parquet(io.BytesIO(data)), path), "parquet"
    elif kind in _LINES:
        table, kind = _parsed(lambda: pl.read_ndjson(io.BytesIO(data)), path), "jsonl"
    else:
        data = _as_utf8(data, path, notes)
        separator = _separator(data)
        table, kind = _parsed(lambda: _text_columns(data, separator), path), "csv"
        name = str(Path(name).with_suffix(".csv"))
    if not len(table):
        raise DataError(f"{path} has no rows", cause="only a header", cure="name a file with rows")
    renames = identifiers(table.columns)
    return Raw(table.rename(renames), renames, separator, data, name, kind, notes)


def identifiers(names: list[str]) -> dict[str, str]:
    """Column names as Python identifiers, unique, in the order given: "sepal length (cm)" → "sepal_length_cm"."""
    taken: dict[str, str] = {}
    for name in names:
        text = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name).strip()).strip("_") or "column"
        if text[0].isdigit():
            text = f"c{text}"
        if keyword.iskeyword(text) or keyword.issoftkeyword(text):
            text += "_"
        candidate, number = text, 2
        while candidate in taken.values():
            candidate, number = f"{text}_{number}", number + 1
        taken[name] = candidate
    return taken


def _unpacked(path: Path) -> tuple[bytes, str]:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()), path.stem
    if path.suffix != ".zip":
        return path.read_bytes(), path.name
    with zipfile.ZipFile(path) as archive:
        files = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if len(files) != 1:
            raise DataError(
                f"{path} holds {len(files)} files", cause="--from reads a zip of one file", cure="unzip it and name one"
            )
        return archive.read(files[0]), Path(files[0]).name


def _as_utf8(data: bytes, path: Path, notes: list[str]) -> bytes:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        notes.append("the file was UTF-16; the copy in the project is UTF-8")
        return data.decode("utf-16").encode()
    if b"\0" in data[:4096]:
        raise DataError(
            f"{path} is not text", cause="it holds zero bytes", cure="name a CSV, TSV, Parquet or JSON-lines file"
        )
    for encoding in ENCODINGS:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != ENCODINGS[0]:
            notes.append(f"the file was {encoding}; the copy in the project is UTF-8")
        return text.encode()
    raise AssertionError  # latin-1 decodes everything


def _separator(data: bytes) -> str:
    """The separator that cuts the header and the next lines into the same number of fields, the most of them."""
    lines = data[:65536].decode(errors="replace").splitlines()[:20]
    scores: dict[str, int] = {}
    for mark in SEPARATORS:
        counts = [len(row) for row in csv.reader(lines[: max(1, len(lines) - 1)], delimiter=mark)]
        scores[mark] = counts[0] if counts and all(count == counts[0] for count in counts) else 0
    best = max(scores, key=lambda mark: scores[mark])
    return best if scores[best] > 1 else ","


def _text_columns(data: bytes, separator: str) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(data), separator=separator, infer_schema=False, empty_string_is_null=True)


def _parsed(parse: object, path: Path) -> pl.DataFrame:
    try:
        table: pl.DataFrame = parse()  # type: ignore[operator]
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path} cannot be read as a table", cause=reason, cure="mend the file, or save it anew"
        ) from None
    return table
