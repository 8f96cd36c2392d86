"""The learning problem that a table holds: task, features, key, what gives the answer away, how to split. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import polars as pl

from mulle.errors import DataError, unknown
from mulle.workspace.scaffold_columns import Column

Task = Literal["binary", "multiclass", "regression"]

METRIC: dict[Task, str] = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}
_YES = {"yes", "y", "true", "t", "positive", "pos", "1", "예", "네", "참", "있음"}
_MOST_CLASSES = 100
_FEW_VALUES = 20
_SMALL = 50_000
_PERFECT = 0.999
_ROWS_TO_JUDGE = 50
_SHARE_OF_UNKNOWN = 0.8
_SLICES = (2, 20)


class Window(msgspec.Struct, frozen=True):
    """How history is cut: arrivals every `every` from `start` to `end`, training on the last `window`."""

    every: str
    start: datetime
    end: datetime
    window: str


class Plan(msgspec.Struct, frozen=True):
    """What the project will say about the table."""

    target: Column
    task: Task
    numbers: list[str]
    categories: list[str]
    key: list[str]
    outcomes: list[str]
    dropped: dict[str, str]
    columns: list[Column]
    time: str = ""
    window: Window | None = None
    slice_by: str = ""
    entity: str = ""
    numbered: bool = False
    rows: int = 0
    positive: Any = None
    spread: float = 0.0


def plan(table: pl.DataFrame, columns: list[Column], target: str, *, time: str, key: list[str]) -> Plan:
    """Decide what to learn and from what.

    Raises:
        UnknownNameError: a named column is not there.
        DataError: the target cannot be learned, the key is not one, or nothing is left to learn from.
    """
    by_name = _by_any_name(columns)
    chosen = _look_up(by_name, target, "target")
    time_column = _look_up(by_name, time, "time") if time else None
    keys = [_look_up(by_name, name, "key") for name in key]
    if time_column is not None and time_column.kind not in ("datetime", "date"):
        raise DataError(
            f"column '{time_column.original}' does not hold times",
            cause=f"its values are read as {time_column.kind}, such as {_example(table, time_column)}",
            cure="name a column of dates or times with --time, or leave --time out",
        )
    if time_column is not None and time_column.nulls:
        raise DataError(
            f"column '{time_column.original}' has {time_column.nulls} rows without a time",
            cause="every row needs its event time",
            cure="fill them in or remove those rows",
        )
    task = task_of(table, chosen)
    _check_key(table, keys)
    if not keys:
        keys = [column for column in columns if column.id_like and column is not chosen][:1]
    aside = {chosen.name, *(column.name for column in keys if column.distinct > len(table) // 2)}
    aside |= {time_column.name} if time_column else set()
    outcomes = [
        column.name for column in columns if column.name not in aside and gives_away(table, column, chosen, task)
    ]
    dropped = {
        column.name: reason
        for column in columns
        if column.name not in aside and column.name not in outcomes and (reason := _useless(column))
    }
    used = [column for column in columns if column.name not in aside | set(outcomes) | set(dropped)]
    numbers = [column.name for column in used if column.kind != "str"]
    categories = [column.name for column in used if column.kind == "str"]
    if not used:
        raise DataError("no column is left to learn from", cause=_listed(dropped, outcomes), cure="name another file")
    slices = [column.name for column in used if column.kind == "str" and _SLICES[0] <= column.distinct <= _SLICES[1]]
    positive = positive_of(table[chosen.name]) if task == "binary" else None
    if positive is not None:
        chosen = msgspec.structs.replace(chosen, kind="bool")
        columns = [chosen if column.name == chosen.name else column for column in columns]
    return Plan(
        positive=positive,
        target=chosen,
        task=task,
        numbers=numbers,
        categories=categories,
        key=[column.name for column in keys] or (["row_id"] if time_column else []),
        outcomes=outcomes,
        dropped=dropped,
        columns=columns,
        time=time_column.name if time_column else "",
        window=window_of(table[time_column.name], len(table)) if time_column else None,
        slice_by=slices[0] if slices else "",
        entity=slices[0] if slices and time_column and task != "multiclass" and chosen.kind != "str" else "",
        numbered=time_column is not None and not keys,
        rows=len(table),
        spread=_spread(table[chosen.name]) if task == "regression" else 0.0,
    )


def task_of(table: pl.DataFrame, target: Column) -> Task:
    """Regression, binary or multiclass, from the target's values.

    Raises:
        DataError: it has one value or none, is a date, or is text with too many values to be classes.
    """
    if target.distinct < 2:  # noqa: PLR2004 - two values make a question
        what = "no value at all" if not target.distinct else f"only the value {_example(table, target)}"
        raise DataError(
            f"the target '{target.original}' has {what}",
            cause="there is nothing to tell apart",
            cure="name another column with --target",
        )
    if target.kind in ("date", "datetime"):
        raise DataError(
            f"the target '{target.original}' is a time",
            cause="a number or a class is needed",
            cure="name another column",
        )
    if target.kind == "bool" or target.distinct == 2:  # noqa: PLR2004
        return "binary"
    if target.kind == "str":
        if target.distinct > min(_MOST_CLASSES, max(2, target.rows // 2)):
            raise DataError(
                f"the target '{target.original}' has {target.distinct} different texts in {target.rows} rows",
                cause=f"at most {_MOST_CLASSES} classes can be learned",
                cure="name a column of numbers or of few classes with --target",
            )
        return "multiclass"
    whole = target.kind == "int" or bool((table[target.name].drop_nulls() % 1 == 0).all())
    return "multiclass" if whole and target.distinct <= min(_FEW_VALUES, target.rows // 10) else "regression"


def positive_of(values: pl.Series) -> Any:
    """Of two values that are neither truth values nor 0 and 1, the one that is asked about; else None.

    A word for yes, else the greater of two numbers, else the rarer text.
    """
    present = values.drop_nulls()
    two = present.unique().sort().to_list()
    if present.dtype == pl.Boolean or two == [0, 1]:
        return None
    if not isinstance(two[0], str):
        return two[1]
    said = [value for value in two if value.strip().lower() in _YES]
    return said[0] if len(said) == 1 else min(two, key=lambda value: (int((present == value).sum()), value))


def gives_away(table: pl.DataFrame, column: Column, target: Column, task: Task) -> bool:
    """Whether a column is known only together with the target: empty where it is, or the answer in other words."""
    truth, values = table[target.name], table[column.name]
    if target.nulls >= _ROWS_TO_JUDGE and column.nulls:
        unknown_too = values.filter(truth.is_null()).is_null().mean()
        missing_else = values.filter(truth.is_not_null()).is_null().mean()
        if float(unknown_too or 0) > _SHARE_OF_UNKNOWN and float(missing_else or 0) < 1 - _SHARE_OF_UNKNOWN:  # type: ignore[arg-type]
            return True
    both = pl.DataFrame({"x": values, "y": truth}).drop_nulls()
    if len(both) < _ROWS_TO_JUDGE or column.kind in ("date", "datetime") or column.distinct < 2:  # noqa: PLR2004
        return False
    if task == "regression":
        return column.kind in ("int", "float") and abs(_correlation(both)) > _PERFECT
    if column.kind == "str":
        one_answer_each = both.group_by("x").agg(pl.col("y").n_unique())["y"].max() == 1
        return bool(one_answer_each) and column.distinct <= both.height // 10
    return task == "binary" and abs(_auc(both) - 0.5) > _PERFECT - 0.5


def window_of(times: pl.Series, rows: int) -> Window:
    """How history is cut, from the span of its times."""
    low, high = _utc(times.min()), _utc(times.max())
    days = max((high - low) / timedelta(days=1), 1 / 24)
    every, unit, length = ("1h", "h", days * 24) if days < 8 else ("1d", "d", days)  # noqa: PLR2004
    if days > 400:  # noqa: PLR2004 - a few hundred arrivals say as much as thousands
        every = "7d" if days < 2800 else "30d"  # noqa: PLR2004
    window = math.ceil(length) + 1 if rows <= _SMALL else max(2, round(length / 4))
    start = (
        low.replace(minute=0, second=0, microsecond=0)
        if unit == "h"
        else low.replace(hour=0, minute=0, second=0, microsecond=0)
    )
    step = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}[
        every
    ]
    end = start + step * (int((high - start) / step) + 1)
    return Window(every, start, end, f"{window}{unit}")


def _utc(value: object) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    assert hasattr(value, "year")
    return datetime(value.year, value.month, value.day, tzinfo=UTC)  # type: ignore[attr-defined]


def _by_any_name(columns: list[Column]) -> dict[str, Column]:
    return {column.name: column for column in columns} | {column.original: column for column in columns}


def _look_up(by_name: dict[str, Column], name: str, part: str) -> Column:
    if name not in by_name:
        raise unknown("column", name, {column.original for column in by_name.values()}, cure=f"name one with --{part}")
    return by_name[name]


def _check_key(table: pl.DataFrame, keys: list[Column]) -> None:
    if not keys:
        return
    names = [column.name for column in keys]
    shown = ", ".join(column.original for column in keys)
    empty = [column.original for column in keys if column.nulls]
    if empty:
        raise DataError(
            f"the key '{empty[0]}' has empty rows", cause="a key names every row", cure="choose another --key"
        )
    twice = table.select(names).filter(pl.struct(names).is_duplicated())
    if len(twice):
        example = ", ".join(f"{name}={value}" for name, value in twice.row(0, named=True).items())
        raise DataError(
            f"'{shown}' is not a key: {len(twice)} rows share theirs with another",
            cause=f"for example {example}",
            cure="extend it by naming more columns (--key A --key B), or leave --key out",
        )


def _useless(column: Column) -> str:
    if column.distinct < 2:  # noqa: PLR2004
        return "always the same"
    if column.id_like:
        return "an identifier"
    if column.kind in ("date", "datetime"):
        return "a time"
    if column.free_text:
        return f"text with {column.distinct} different values"
    return ""


def _correlation(both: pl.DataFrame) -> float:
    value = both.select(pl.corr(pl.col("x").cast(pl.Float64), pl.col("y").cast(pl.Float64))).item()
    return float(value) if value is not None and not math.isnan(value) else 0.0


def _auc(both: pl.DataFrame) -> float:
    positive = both["y"] == both["y"].max()
    ranks = both["x"].cast(pl.Float64).rank("average")
    n = int(positive.sum())
    rest = len(both) - n
    return (float(ranks.filter(positive).sum()) - n * (n + 1) / 2) / (n * rest) if n and rest else 0.5


def _example(table: pl.DataFrame, column: Column) -> str:
    values = table[column.name].drop_nulls()
    return repr(values[0]) if len(values) else "nothing"


def _listed(dropped: dict[str, str], outcomes: list[str]) -> str:
    reasons = [f"{name} is {reason}" for name, reason in dropped.items()]
    reasons += [f"{name} gives the answer away" for name in outcomes]
    return "; ".join(reasons) or "the target is the only column"


def _spread(values: pl.Series) -> float:
    value = values.cast(pl.Float64).std()
    return float(value) if isinstance(value, int | float) else 0.0
