"""What there is to learn in a table: the task, what each column is, and what gives the answer away. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from mulle.errors import DataError, unknown
from mulle.stats.evaluation import METRICS, roc_auc

Task = Literal["binary", "multiclass", "regression"]
Numbers: TypeAlias = npt.NDArray[np.float64]
METRIC: dict[Task, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
MEASURED: dict[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "log_loss", "accuracy", "brier"),
    "multiclass": ("accuracy", "log_loss"),
    "regression": ("rmse", "mae", "r2"),
}
FEWEST_ROWS = 40
MOST_CLASSES = 100
MOST_COLUMNS = 1000
"""So many are searched over; of more, those that go with the target."""

_FEW_VALUES = 20
_PERFECT = 0.999
_JUDGED = 5000
_LEAST_JUDGED = 500
_TINY = 1e-12
_SLICED = (2, 30)
_UNIQUE_TEXT = 0.5
_YES = {"yes", "y", "true", "t", "positive", "pos", "1", "예", "네", "참", "있음"}
_CYCLES = {
    "month": timedelta(days=365),
    "weekday": timedelta(days=7),
    "hour": timedelta(days=1),
    "minute": timedelta(hours=1),
    "ordinal_day": timedelta(days=365),
}
"""Parts of dates, and after how long they come again."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be learned, and from what."""

    target: str
    task: Task
    metric: str
    numbers: list[str]
    categories: list[str]
    dates: dict[str, list[str]] = {}
    """Column of dates or times → which of its parts become numbers."""
    trend: list[str] = []
    """Parts of the time that do not come again: what they tell may not hold any more, so some recipes go without."""
    time: str = ""
    group: str = ""
    positive: Any = None
    """Of a target of two texts or numbers, the one that is asked about."""
    classes: int = 2
    rarest: float = 0.5
    """The share of the rarest class."""
    slices: list[str] = []
    dropped: dict[str, str] = {}
    warnings: list[str] = []
    rows: int = 0
    seed: int = 0

    @property
    def features(self) -> list[str]:
        """What the model takes: the numbers, the parts of dates, the categories."""
        parts = [f"{name}_{part}" for name, chosen in self.dates.items() for part in chosen]
        return [*self.numbers, *parts, *self.categories]

    @property
    def higher_is_better(self) -> bool:
        """Which way the metric is better."""
        return METRICS[self.metric].higher_is_better


def problem_of(
    table: pl.DataFrame,
    target: str,
    *,
    metric: str = "",
    time: str = "",
    group: str = "",
    key: Collection[str] = (),
    outcomes: Collection[str] = (),
    seed: int = 0,
) -> Problem:
    """Decide what is learned from what.

    Args:
        table: the rows.
        target: the column to predict; rows where it is null are not learned from.
        metric: what to be good at; the task's own by default.
        time: the column that says when a row's event happens; rows are then split by it.
        group: the column whose rows stay together when they are split.
        key: columns that identify a row.
        outcomes: columns that are known only when the target is.
        seed: of everything random.

    Raises:
        UnknownNameError: a column or metric is not there.
        DataError: the target cannot be learned, or nothing is left to learn from.
    """
    for part, name in (("target", target), ("time", time), ("group", group)):
        if name and name not in table.columns:
            raise unknown("column", name, table.columns, cure=f"name one of its columns as --{part}")
    known = table.filter(pl.col(target).is_not_null())
    task = _task(known[target], target, table.height)
    chosen = _metric(metric, task)
    if time and (not known.schema[time].is_temporal() or known[time].null_count()):
        raise DataError(
            f"the rows cannot be split by '{time}'",
            cause=f"it is {known.schema[time]}" if not known.schema[time].is_temporal() else "some rows have no time",
            cure="name a column of dates or times with --time, or leave --time out",
        )
    columns = _Columns(known, target, task, seed)
    aside = {target, time, group, *outcomes, *(key if len(set(key) - {time, group}) == len(key) else ())}
    columns.sort([name for name in known.columns if name not in aside], key)
    warnings = [f"{name} gives the answer away and is left out: {why}" for name, why in columns.leaks.items()]
    dates = {name: _parts(known[name], ahead=bool(time)) for name in [*columns.dates, *([time] if time else [])]}
    if not columns.numbers and not columns.categories and not any(dates.values()):
        reasons = "; ".join(f"{name}: {why}" for name, why in [*columns.dropped.items(), *columns.leaks.items()][:6])
        raise DataError(
            "no column is left to learn from",
            cause=reasons or "the target is the only column",
            cure="take in more columns",
        )
    counts = known[target].value_counts()["count"] if task != "regression" else pl.Series([known.height])
    own = {time: _trend(known[time], dates[time])} if time else {}
    return Problem(
        target=target,
        task=task,
        metric=chosen,
        numbers=columns.numbers,
        categories=columns.categories,
        dates={name: whole for name, parts in dates.items() if (whole := [*parts, *own.get(name, [])])},
        trend=[f"{time}_{part}" for part in own.get(time, [])],
        time=time,
        group=group,
        positive=_positive(known[target]) if task == "binary" else None,
        classes=len(counts),
        rarest=float(counts.min() or 0) / known.height,  # type: ignore[arg-type]
        slices=columns.sliced(),
        dropped=columns.dropped | {name: f"gives the answer away ({why})" for name, why in columns.leaks.items()},
        warnings=warnings,
        rows=known.height,
        seed=seed,
    )


def _task(values: pl.Series, target: str, rows: int) -> Task:
    kind = values.dtype
    if rows == 0 or len(values) < FEWEST_ROWS:
        raise DataError(
            f"there are {len(values)} rows with a '{target}'" if rows else "the dataset has no rows",
            cause=f"at least {FEWEST_ROWS} are needed to learn and to judge",
            cure="take in more rows: mulle data collect",
        )
    if kind.is_temporal() or kind.is_nested():
        raise DataError(
            f"the target '{target}' is {kind}",
            cause="a number or a class is needed",
            cure="name another column with --target",
        )
    distinct = values.n_unique()
    if distinct < 2:  # noqa: PLR2004 - two values make a question
        raise DataError(
            f"the target '{target}' has only the value {values[0]!r}",
            cause="there is nothing to tell apart",
            cure="name another column with --target",
        )
    if kind == pl.Boolean or distinct == 2:  # noqa: PLR2004
        return "binary"
    text = not kind.is_numeric()
    if text and distinct > min(MOST_CLASSES, len(values) // 2):
        raise DataError(
            f"the target '{target}' has {distinct} different texts in {len(values)} rows",
            cause=f"at most {MOST_CLASSES} classes can be learned",
            cure="name a column of numbers or of few classes with --target",
        )
    if text:
        return "multiclass"
    whole = kind.is_integer() or bool((values.cast(pl.Float64) % 1 == 0).all())
    return "multiclass" if whole and distinct <= min(_FEW_VALUES, len(values) // 20) else "regression"


def _metric(name: str, task: Task) -> str:
    if not name:
        return METRIC[task]
    if name not in MEASURED[task]:
        raise unknown(f"metric for a {task} target:", name, MEASURED[task], cure=f"--metric {METRIC[task]}")
    return name


def _positive(values: pl.Series) -> Any:
    """Of two values that are neither truth values nor 0 and 1: a word for yes, the greater number, the rarer text."""
    two = values.drop_nulls().unique().sort().to_list()
    if values.dtype == pl.Boolean or two == [0, 1]:
        return None
    if not isinstance(two[0], str):
        return two[1]
    said = [value for value in two if value.strip().lower() in _YES]
    return said[0] if len(said) == 1 else min(two, key=lambda value: (int((values == value).sum()), value))


def _parts(values: pl.Series, *, ahead: bool) -> list[str]:
    """The parts of dates that differ from row to row.

    Where the rows that are asked about come after those that are learned from (`ahead`), only parts that come again:
    of data from one year, the month tells nothing about the next one.
    """
    if values.dtype not in (pl.Date, pl.Datetime):
        return []
    seen = values.drop_nulls()
    instants = seen.cast(pl.Datetime("us")).to_physical().to_numpy()
    span = timedelta(microseconds=int(instants.max() - instants.min())) if len(instants) else timedelta(0)
    own = [part for part in _CYCLES if values.dtype != pl.Date or part not in {"hour", "minute"}]
    return [
        part for part in own if getattr(seen.dt, part)().n_unique() > 1 and (not ahead or span >= 2 * _CYCLES[part])
    ]


def _trend(values: pl.Series, cycles: Sequence[str]) -> list[str]:
    """The parts of a time that differ, and do not come again within the rows."""
    if values.dtype not in (pl.Date, pl.Datetime):
        return []
    return [
        part for part in ("month", "ordinal_day") if part not in cycles and getattr(values.dt, part)().n_unique() > 1
    ]


class _Columns:
    """Sorts the columns by what can be done with them."""

    def __init__(self, known: pl.DataFrame, target: str, task: Task, seed: int) -> None:
        self._known = known
        self._kinds = dict(known.schema)
        self._task = task
        self._target = known[target]
        judged = max(_LEAST_JUDGED, _JUDGED * MOST_COLUMNS // max(MOST_COLUMNS, len(known.columns)))
        self._sample = known.sample(min(judged, known.height), seed=seed)
        self._sampled = dict(zip(known.columns, self._sample.get_columns(), strict=True))
        self._truth = _truth(self._sample[target], task)
        self.numbers: list[str] = []
        self.categories: list[str] = []
        self.dates: list[str] = []
        self.dropped: dict[str, str] = {}
        self.leaks: dict[str, str] = {}
        self._distinct: dict[str, int] = {}
        self._few = len(known.columns) <= MOST_COLUMNS

    def sort(self, names: Sequence[str], key: Collection[str]) -> None:
        """Put each column where it belongs; of very many numbers, those that go with the target most."""
        names = self._strongest(names)
        if not names:
            return
        counted = self._known.select(pl.col(names).null_count()).row(0)
        plain = [name for name in names if not self._kinds[name].is_nested()]
        self._distinct = dict(zip(plain, self._known.select(pl.col(plain).drop_nulls().n_unique()).row(0), strict=True))
        for name, nulls in zip(names, counted, strict=True):
            self._place(name, nulls, name in key)

    def _place(self, name: str, nulls: int, is_key: bool) -> None:
        kind, rows = self._kinds[name], self._known.height
        if kind.is_nested() or kind in (pl.Binary, pl.Object):
            self.dropped[name] = f"{kind} is not learned from"
        elif nulls == rows:
            self.dropped[name] = "empty in every row"
        elif self._distinct[name] < 2:  # noqa: PLR2004
            self.dropped[name] = "always the same"
        elif self._distinct[name] == rows and (is_key or kind.is_integer() or kind == pl.String):
            self.dropped[name] = "an identifier"
        elif why := self._gives_away(name):
            self.leaks[name] = why
        elif kind in (pl.Date, pl.Datetime):
            self.dates.append(name)
        elif kind.is_numeric() or kind == pl.Boolean or kind.is_temporal():
            self.numbers.append(name)
        elif self._distinct[name] > max(20, _UNIQUE_TEXT * rows):
            self.dropped[name] = f"text with {self._distinct[name]} different values"
        else:
            self.categories.append(name)

    def _gives_away(self, name: str) -> str:
        """How a column gives the answer away; nothing where it does not."""
        values, truth = self._sampled[name], self._truth
        if values.dtype == self._target.dtype and values.equals(self._sampled[self._target.name]):
            return "it equals the target"
        there = values.is_not_null().to_numpy()
        if there.sum() < FEWEST_ROWS:
            return ""
        if values.dtype.is_numeric() or values.dtype == pl.Boolean:
            numbers = values.cast(pl.Float64).to_numpy()[there]
            if self._task != "multiclass" and abs(_correlation(numbers, truth[there])) > _PERFECT:
                return "it is the target in other numbers"
            if self._task == "binary" and self._few and abs(roc_auc(truth[there], numbers) - 0.5) > _PERFECT - 0.5:
                return "it tells the answers apart all by itself"
        if self._task == "regression" or self._distinct[name] > len(truth) // 10:
            return ""
        groups = pl.DataFrame({"x": values.cast(pl.String), "y": truth}).filter(pl.Series(there)).group_by("x")
        one_each = groups.agg(pl.col("y").n_unique())["y"].max() == 1
        return "each of its values goes with one answer" if one_each and self._distinct[name] > 1 else ""

    def _strongest(self, names: Sequence[str]) -> Sequence[str]:
        """The names without the weakest of too many numbers."""
        numbers = [name for name in names if self._kinds[name].is_numeric()]
        if len(numbers) <= MOST_COLUMNS:
            return names
        matrix = self._sample.select(pl.col(numbers).cast(pl.Float32)).to_numpy()
        matrix = np.nan_to_num(matrix - np.nanmean(np.where(np.isfinite(matrix), matrix, np.nan), axis=0))
        strength = np.abs(matrix.T @ (self._truth - self._truth.mean())) / (np.sqrt((matrix**2).sum(axis=0)) + _TINY)
        weakest = {numbers[place] for place in np.argsort(-strength, kind="stable")[MOST_COLUMNS:]}
        why = f"of {len(numbers)} numbers, one that hardly goes with the target"
        self.dropped |= {name: why for name in numbers if name in weakest}
        return [name for name in names if name not in weakest]

    def sliced(self) -> list[str]:
        """The categories in whose slices the winner is looked at."""
        return [name for name in self.categories if _SLICED[0] <= self._distinct[name] <= _SLICED[1]][:5]


def _truth(values: pl.Series, task: Task) -> Numbers:
    """The target as numbers, for looking at what goes with it."""
    if task == "regression" or values.dtype == pl.Boolean:
        return values.cast(pl.Float64).to_numpy()
    return values.cast(pl.String).cast(pl.Categorical).to_physical().cast(pl.Float64).to_numpy()


def _correlation(x: Numbers, y: Numbers) -> float:
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) < FEWEST_ROWS or x.std() == 0 or y.std() == 0:
        return 0.0
    value = float(np.corrcoef(x, y)[0, 1])
    return 0.0 if math.isnan(value) else value
