"""Files as tables, and tables as files."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mulle.data.columns import plain
from mulle.errors import DataError
from mulle.hashing import digest_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


MISSING = ["NA", "N/A", "na", "NaN", "nan", "NULL", "null", "None", "?", "-"]
"""What other programs write for an empty cell. Where a column is text all the same, it stays what it is."""


def _csv(path: Path) -> pl.DataFrame:
    separator = "\t" if kind_of(path) == "tsv" else ","

    def read(empty: dict[str, str] | None = None) -> pl.DataFrame:
        return pl.read_csv(path, separator=separator, try_parse_dates=True, infer_schema_length=None, null_values=empty)

    table = read()
    empty = {name: word for name in table.columns if (word := _word_for_nothing(table[name]))}
    if not empty:
        return table
    again = read(empty)
    return table.with_columns(again[name] for name in empty if again.schema[name] != pl.String)


def _word_for_nothing(column: pl.Series) -> str:
    """The one word that stands for an empty cell in a column of text; "" when there is none, or more than one."""
    if column.dtype != pl.String:
        return ""
    words: list[str] = column.filter(column.is_in(MISSING)).unique().to_list()
    return words[0] if len(words) == 1 else ""


def _lines(path: Path) -> pl.DataFrame:
    return pl.read_ndjson(path, infer_schema_length=None)


READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".csv.gz": _csv,
    ".csv.zst": _csv,
    ".tsv.gz": _csv,
    ".tsv.zst": _csv,
    ".parquet": pl.read_parquet,
    **dict.fromkeys([f"{kind}{packed}" for kind in (".jsonl", ".ndjson") for packed in ("", ".gz", ".zst")], _lines),
    ".arrow": pl.read_ipc,
    ".feather": pl.read_ipc,
    ".ipc": pl.read_ipc,
}
SAMPLE_ROWS = 100_000
"""Rows that decide the types of a stream that does not tell them."""

WRITERS: dict[str, Callable[[pl.DataFrame, Path], None]] = {
    ".csv": lambda table, path: table.write_csv(path),
    ".parquet": lambda table, path: table.write_parquet(path),
    ".jsonl": lambda table, path: table.write_ndjson(path),
    ".arrow": lambda table, path: table.write_ipc(path),
}


def _suffix(path: Path) -> str:
    double = "".join(path.suffixes[-2:]).lower()
    return double if double in READERS else path.suffix.lower()


def kind_of(path: Path) -> str:
    """What the ending says that a table's file is, compressed or not: csv, tsv, jsonl, parquet and so on."""
    return _suffix(path).split(".")[1]


def is_table_file(path: Path) -> bool:
    """Whether the file's name is one of a table that can be read."""
    return _suffix(path) in READERS


def read_table_file(path: Path) -> pl.DataFrame:
    """The rows of a CSV, TSV, Parquet, JSON lines or Arrow file.

    Raises:
        DataError: it is missing, of another format, empty or malformed.
    """
    reader = READERS.get(_suffix(path))
    if reader is None:
        raise DataError(
            f"{path} is not a table that can be read",
            cause=f"its name ends in none of {', '.join(READERS)}",
            cure="convert it to one of these, or commit its folder as files",
        )
    if not path.is_file():
        raise DataError(f"there is no file {path}", cause="the path does not exist", cure="check the path")
    try:
        return plain(reader(path))
    except pl.exceptions.NoDataError as error:
        raise DataError(
            f"{path} is empty", cause="it has no header and no rows", cure="give it at least a header"
        ) from error
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> DataError:
    """The error for a file that is no table."""
    return DataError(f"{path} cannot be read", cause=str(error).partition("\n")[0], cure="mend the file")


def write_table_file(table: pl.DataFrame, path: Path) -> None:
    """Write the rows in the format that the path's ending names."""
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise DataError(
            f"cannot write a table to {path.name}",
            cause="the ending names the format",
            cure=f"use {', '.join(WRITERS)}",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    writer(table, path)


def matching(pattern: str, root: Path) -> list[Path]:
    """The files of a path, a folder or a glob, sorted; relative ones are below `root`.

    Raises:
        DataError: nothing matches.
    """
    whole = pattern if Path(pattern).is_absolute() else str(root / pattern)
    if Path(whole).is_dir():
        found = [path for path in Path(whole).rglob("*") if path.is_file() and is_table_file(path)]
    else:
        names = glob.glob(whole, recursive=True)  # noqa: PTH207 - pathlib refuses absolute patterns
        found = [Path(name) for name in names if Path(name).is_file()]
    if not found:
        raise DataError(f"no file matches {pattern}", cause=f"looked below {root}", cure="check the path of the source")
    return sorted(found)


def read_table_files(paths: Sequence[Path]) -> pl.DataFrame:
    """The rows of several files with the same columns, in the order of the paths.

    Raises:
        DataError: one cannot be read, or its columns differ from the first one's.
    """
    frames = [read_table_file(path) for path in paths]
    try:
        return frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        odd = next((p for p, f in zip(paths, frames, strict=True) if f.columns != frames[0].columns), paths[-1])
        raise DataError(
            f"{odd} does not have the columns of {paths[0]}", cause=str(error).partition("\n")[0], cure="mend that file"
        ) from error


def fingerprint(paths: Sequence[Path], now_ns: int) -> str:
    """A digest of the files' names, sizes and times, or "" where one is so new that it may yet change unseen."""
    facts = [(str(path), path.stat()) for path in paths]
    if any(now_ns - status.st_mtime_ns < 2_000_000_000 for _, status in facts):  # noqa: PLR2004
        return ""
    return digest_value([[name, status.st_size, status.st_mtime_ns, status.st_ino] for name, status in facts])
