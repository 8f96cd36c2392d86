"""`mulle init`: write a small, readable project that runs as it is, from a data file or from a sample table."""

from __future__ import annotations

import json
import re
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mulle.errors import UsageError
from mulle.workspace.scaffold_columns import columns_of
from mulle.workspace.scaffold_plan import Plan, plan
from mulle.workspace.scaffold_read import Raw, identifiers, read
from mulle.workspace.scaffold_readme import decisions, readme
from mulle.workspace.scaffold_render import Names, project_code, project_toml
from mulle.workspace.scaffold_sample import bicycles

if TYPE_CHECKING:
    from mulle.data.model import Version
    from mulle.workspace import Workspace

_IGNORE = ".mulle/\n__pycache__/\n"
_LARGEST_CSV = 8 << 20
_HARMLESS = {".git", ".gitignore", "README.md", "LICENSE", ".venv", ".mulle"}


class Scaffold(msgspec.Struct, frozen=True):
    """What was written: where, which files, and what was decided about the data."""

    path: Path
    name: str
    dataset: str
    pipeline: str
    target: str
    task: str
    rows: int
    end: datetime | None
    files: list[str]
    notes: list[str]


def init(
    directory: Path, *, name: str = "", data: Path | None = None, target: str = "", time: str = "", key: list[str]
) -> Scaffold:
    """Write a project into `directory`, which is made if it is not there; nothing is written when anything is wrong.

    Args:
        directory: where the project goes.
        name: of the project, its model and its deployment; the directory's by default.
        data: a CSV, TSV, Parquet or JSON-lines file; without one a sample table is used.
        target: the column to predict.
        time: the column that says when a row's event happened.
        key: the columns that identify a row.

    Raises:
        UsageError: the directory already holds a project, or a column does not exist.
        DataError: the file or the target cannot be learned from.
    """
    _check_directory(directory)
    model = _slug(name or directory.resolve().name)
    if data is None:
        if target or time or key:
            raise UsageError(
                "--target, --time and --key need a file", cause="they name its columns", cure="add --from FILE"
            )
        raw, target, time, key = _sample(), "lent", "day", ["day", "station"]
    else:
        raw = read(data)
        if not target:
            raise UsageError(
                "which column is to be predicted?",
                cause=f"the columns are {', '.join(raw.renames)[:300]}",
                cure=f"mulle init {name or 'NAME'} --from {data} --target COLUMN",
            )
    renamed = raw.renames.get(time, time)
    table, columns = columns_of(raw.table, raw.renames, time=renamed)
    decided = plan(table, columns, target, time=time, key=key)
    table = _prepared(table, decided)
    dataset = _slug(Path(raw.file_name).stem)
    suffix, body = _encoded(table)
    names = Names(
        model=model, dataset=dataset, data_file=dataset + suffix, source_file=data.name if data else "a sample"
    )
    example = _example(table, decided)
    texts = {
        "mulle.toml": project_toml(names),
        "project.py": project_code(decided, names),
        "README.md": readme(decided, names, example, raw.notes),
        ".gitignore": _IGNORE,
        "example.json": json.dumps([example], ensure_ascii=False, indent=2) + "\n",
    }
    _write(directory, texts, f"data/{names.data_file}", body)
    return Scaffold(
        path=directory,
        name=model,
        dataset=dataset,
        pipeline=names.pipeline,
        target=decided.target.name,
        task=decided.task,
        rows=len(table),
        end=decided.window.end if decided.window else None,
        files=[*texts, f"data/{names.data_file}"],
        notes=[*decisions(decided), *raw.notes],
    )


def _check_directory(directory: Path) -> None:
    if directory.is_file():
        raise UsageError(f"{directory} is a file", cause="a project is a directory", cure="choose another name")
    if (directory / "mulle.toml").exists():
        raise UsageError(
            f"{directory} already holds a project", cause="there is a mulle.toml", cure="choose another directory"
        )
    found = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    others = [name for name in found if name not in _HARMLESS]
    if others:
        raise UsageError(
            f"{directory} is not empty",
            cause=f"it holds {', '.join(others[:5])}{', …' if len(others) > 5 else ''}",  # noqa: PLR2004
            cure="choose a new directory: mulle init NAME",
        )


def _slug(name: str) -> str:
    """A name that is an identifier in lower case."""
    (text,) = identifiers([name]).values()
    return re.sub(r"_+", "_", text.lower())


def _sample() -> Raw:
    table = bicycles()
    return Raw(table, {name: name for name in table.columns}, ",", b"", "bicycles.csv", "sample", [])


def _prepared(table: pl.DataFrame, decided: Plan) -> pl.DataFrame:
    """The table as the project keeps it: without unused columns, numbered where it has no key, sorted by its time."""
    kept = table.drop(list(decided.dropped))
    if decided.positive is not None:
        kept = kept.with_columns(pl.col(decided.target.name) == pl.lit(decided.positive))
    if decided.numbered:
        kept = kept.with_row_index("row_id").with_columns(pl.col("row_id").cast(pl.Int64))
    if not decided.time:
        return kept
    if kept.schema[decided.time] == pl.Date:
        kept = kept.with_columns(pl.col(decided.time).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    return kept.sort(decided.time, maintain_order=True)


def _encoded(table: pl.DataFrame) -> tuple[str, bytes]:
    """The table as CSV where that reads back the same and is not large, else as Parquet."""
    out = BytesIO()
    table.write_csv(out)
    if out.tell() <= _LARGEST_CSV:
        body = out.getvalue()
        try:
            again = pl.read_csv(BytesIO(body), infer_schema_length=None, try_parse_dates=True)
        except pl.exceptions.PolarsError:
            again = pl.DataFrame()
        if again.equals(table) and again.schema == table.schema:
            return ".csv", body
    out = BytesIO()
    table.write_parquet(out, compression="zstd")
    return ".parquet", out.getvalue()


def _example(table: pl.DataFrame, decided: Plan) -> dict[str, Any]:
    """A row as a request would send it: no outcome, and a value in every column where a row has one."""
    hidden = [decided.target.name, *decided.outcomes]
    rows = table.drop(hidden)
    full = rows.drop_nulls()
    (row,) = (full if len(full) else rows).tail(1).to_dicts()
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}


def _write(directory: Path, texts: dict[str, str], data_file: str, body: bytes) -> None:
    (directory / data_file).parent.mkdir(parents=True, exist_ok=True)
    (directory / data_file).write_bytes(body)
    for name, text in texts.items():
        if not (directory / name).exists():
            (directory / name).write_text(text, encoding="utf-8")


def take_in(written: Scaffold, ws: Workspace) -> Version:
    """Commit the new project's data: its history up to its end, by the windows in which it would have arrived.

    Args:
        written: what `init` gave.
        ws: the new project's workspace.
    """
    definition = ws.project.definitions.get("dataset", written.dataset)
    ws.data.collect(definition, written.end or ws.clock.now())
    return ws.data.head(written.dataset)
