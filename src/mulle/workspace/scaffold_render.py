"""The text of a new project from its plan: `project.py`, `mulle.toml`, `README.md`. Pure string building."""

from __future__ import annotations

import math

import msgspec

from mulle.workspace.scaffold_columns import Column
from mulle.workspace.scaffold_plan import METRIC, Plan

_WIDTH = 100
_TAKEN = {"data", "train", "split", "evaluate", "arrivals", "history", "mulle", "pl", "datetime", "cache", "Path"}
_TAKEN |= {"Table", "DATA", "NUMBERS", "CATEGORIES", "TARGET", "recent"}
_VALUES_LISTED = 12


class Names(msgspec.Struct, frozen=True):
    """What things are called: the model (its pipeline and deployment too), the dataset and its files."""

    model: str
    dataset: str
    data_file: str
    source_file: str

    @property
    def pipeline(self) -> str:
        """A name that no other definition in the file has."""
        return f"{self.model}_model" if self.model in _TAKEN else self.model


def project_toml(names: Names) -> str:
    """`mulle.toml`."""
    return f'[project]\nname = "{names.model}"\nmodule = "project"\n'


def project_code(plan: Plan, names: Names) -> str:
    """`project.py`."""
    blocks = [_header(plan, names), _constants(plan, names), _schema(plan)]
    if plan.time:
        blocks.append(_arrivals(plan, names))
    blocks.append(_dataset(plan, names))
    if plan.entity:
        blocks.append(_feature_view(plan))
    blocks += [_split(plan), _train(plan), _evaluate(plan), _pipeline(plan, names), _watch(plan, names)]
    return "\n\n\n".join(block.strip("\n") for block in blocks) + "\n"


def _header(plan: Plan, names: Names) -> str:
    kind = "Classifier" if plan.task != "regression" else "Regressor"
    future = ["from datetime import datetime"] if plan.time else []
    cached = ["from functools import cache"] if plan.time else []
    path = ["from pathlib import Path"] if plan.time else []
    standard = "\n".join([*future, *cached, *path])
    encoder = "\nfrom sklearn.preprocessing import OrdinalEncoder" if plan.categories else ""
    imports = ["Table", "better_than_champion", "drift", "drifted", "full", "new_data"]
    imports += ["no_slice_worse"] if plan.slice_by and plan.task == "binary" else []
    imports += ["outliers", "quality"]
    imports += ["quality_drop", "schedule"] if plan.time else []
    imports += ["staleness"] if plan.time else []
    question = {
        "binary": f"Is `{plan.target.name}` true?"
        if plan.target.kind == "bool"
        else f"Which `{plan.target.name}`, of two?",
        "multiclass": f"Which `{plan.target.name}`?",
        "regression": f"How much is `{plan.target.name}`?",
    }[plan.task]
    return f'''
"""{question} Learned from {names.source_file}.

Written by `mulle init`: every line is yours to change. README.md says what was found in the file.
"""

{standard + chr(10) + chr(10) if standard else ""}import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoosting{kind}
from sklearn.pipeline import make_pipeline{encoder}

import mulle
from mulle import (
{_lines(imports)}
)
'''


def _constants(plan: Plan, names: Names) -> str:
    lines = [f'DATA = Path(__file__).parent / "data" / "{names.data_file}"'] if plan.time else []
    numbers = [*plan.numbers, *([f"{plan.entity}_recent"] if plan.entity else [])]
    lines += [f'TARGET = "{plan.target.name}"', f"NUMBERS = {_list(numbers)}"]
    if plan.categories:
        lines.append(f"CATEGORIES = {_list(plan.categories)}")
    return "\n".join(lines)


def _schema(plan: Plan) -> str:
    lines = [
        "class Row(mulle.Schema):",
        '    """What a row must look like; outcomes are known only when the label is."""',
        "",
    ]
    if plan.numbered:
        lines.append("    row_id: int = mulle.column(unique=True)  # no column was a key, so the rows are numbered")
    for column in plan.columns:
        if column.name in plan.dropped:
            continue
        lines.append(f"    {column.name}: {_annotation(column, plan)}")
    return "\n".join(lines)


def _annotation(column: Column, plan: Plan) -> str:
    kind = "datetime" if column.name == plan.time else column.kind
    if column.name == plan.target.name or column.name in plan.outcomes:
        return f"{kind} | None = mulle.outcome()"
    if plan.key == [column.name]:
        return f"{kind} = mulle.column(unique=True)"
    return kind if not column.nulls else f"{kind} | None"


def _arrivals(plan: Plan, names: Names) -> str:
    assert plan.window is not None
    read = "pl.read_csv(DATA, infer_schema_length=None, try_parse_dates=True)"
    if names.data_file.endswith(".parquet"):
        read = "pl.read_parquet(DATA)"
    start = plan.window.start.isoformat().removesuffix("+00:00").removesuffix("T00:00:00")
    return f'''
@cache
def history() -> Table:
    """The whole file, by time."""
    return {read}.sort("{plan.time}", maintain_order=True)


@mulle.source(every="{plan.window.every}", start="{start}")
def arrivals(start: datetime, end: datetime) -> Table:
    """The rows of one window. Ask your database here when the file is no longer where new rows come from."""
    return history().filter(pl.col("{plan.time}").is_between(start, end, closed="left"))
'''


def _dataset(plan: Plan, names: Names) -> str:
    source = "arrivals" if plan.time else f'"data/{names.data_file}"'
    lines = [f'    "{names.dataset}",', f"    source={source},"]
    if plan.key:
        lines.append(f"    key={_list(plan.key)},")
    if plan.time:
        lines.append(f'    event_time="{plan.time}",')
    lines.append("    label=TARGET,")
    if plan.time:
        lines.append(
            f'    label_delay="{_delay(plan)}",  # how long after `{plan.time}` the answer is known: set it right'
        )
    lines.append("    expect=Row,")
    return "data = mulle.dataset(\n" + "\n".join(lines) + "\n)"


def _feature_view(plan: Plan) -> str:
    name, at, span = plan.entity, plan.time, _recent(plan)
    return f'''
@mulle.feature_view(entity=["{name}"], source=data, ttl="{span}", available_after="{_delay(plan)}")
def recent(rows: Table) -> Table:
    """The mean of the target by {name} over the last {span}, from answers already known then: no leak."""
    seen = rows.drop_nulls(TARGET).group_by("{name}", "{at}").agg(rows=pl.len(), total=pl.col(TARGET).sum())
    sums = seen.sort("{name}", "{at}").with_columns(
        pl.col("rows", "total").rolling_sum_by("{at}", window_size="{span}").over("{name}")
    )
    return sums.select("{name}", "{at}", {name}_recent=pl.col("total") / pl.col("rows"))
'''


def _split(plan: Plan) -> str:
    if plan.time:
        return f'''
@mulle.step
def split(rows: Table, share: float) -> tuple[Table, Table]:
    """All but the newest rows to train on, the newest `share` of them to judge by."""
    cut = rows["{plan.time}"].sort()[int(len(rows) * (1 - share))]
    return rows.filter(pl.col("{plan.time}") < cut), rows.filter(pl.col("{plan.time}") >= cut)
'''
    held = "pl.int_range(pl.len())" + ("" if plan.task == "regression" else ".over(TARGET)")
    of = "" if plan.task == "regression" else " of each class"
    return f'''
@mulle.step
def split(rows: Table, seed: int) -> tuple[Table, Table]:
    """Four rows in five to train on, every fifth{of} to judge by, drawn at random."""
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=seed)
    held = shuffled.select({held} % 5 == 4).to_series()
    return shuffled.filter(~held), shuffled.filter(held)
'''


def _train(plan: Plan) -> str:
    kind = "Classifier" if plan.task != "regression" else "Regressor"
    parts = ['("passthrough", NUMBERS)'] if plan.numbers or plan.entity else []
    encode = ""
    if plan.categories:
        encode = '    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)\n'
        parts.append("(encode, CATEGORIES)")
    columns = "NUMBERS + CATEGORIES" if plan.categories else "NUMBERS"
    return f'''
@mulle.step
def train(rows: Table, *, learning_rate: float = 0.1, seed: int = 0) -> mulle.Model:
    """Gradient-boosted trees."""
{encode}    columns = make_column_transformer({", ".join(parts)})
    trees = HistGradientBoosting{kind}(learning_rate=learning_rate, random_state=seed)
    features = rows.select({columns})
    model = make_pipeline(columns, trees).fit(features, rows[TARGET].to_numpy())
    return mulle.Model(model, example=features.head(100))
'''


def _evaluate(plan: Plan) -> str:
    slices = f', slices=["{plan.slice_by}"]' if plan.slice_by else ""
    by = f", whole and by {plan.slice_by}" if plan.slice_by else ""
    return f'''
@mulle.step
def evaluate(model: mulle.Model, holdout: Table) -> mulle.Report:
    """The model on rows it has not seen{by}."""
    return mulle.evaluate(model, holdout, label=TARGET{slices})
'''


def _pipeline(plan: Plan, names: Names) -> str:
    views = "[recent]" if plan.entity else "[]"
    if plan.window:
        head = f'def {names.pipeline}(window: str = "{plan.window.window}", learning_rate: float = 0.1) -> None:'
        rows, parts = f"mulle.training_set(data, {views}, window=window)", "split(rows, 0.2)"
    else:
        head = f"def {names.pipeline}(learning_rate: float = 0.1, seed: int = 0) -> None:"
        rows, parts = f"mulle.training_set(data, {views})", "split(rows, seed)"
    return f"""
@mulle.pipeline
{head}
    rows = {rows}
    train_rows, holdout = {parts}
    model = train(train_rows, learning_rate=learning_rate)
    mulle.register("{names.model}", model, evaluate(model, holdout))
"""


def _watch(plan: Plan, names: Names) -> str:
    metric, name = METRIC[plan.task], names.model
    gate = [f'better_than_champion("{metric}")']
    if plan.slice_by and plan.task == "binary":
        gate.append(f'no_slice_worse("{plan.slice_by}", 0.05)')
    stale = ', staleness("60d")' if plan.time else ""
    on = [f"new_data(data, rows={_some_rows(plan)})", f'drifted("{name}")']
    if plan.time:
        on += [f'quality_drop("{name}", "{metric}", {_drop(plan)})', 'schedule("0 4 1 * *")']
    watched = f'[drift(), quality("{metric}", min_labels={_labels(plan)}), outliers(){stale}]'
    return f"""
mulle.deployment(
    "{name}",
    model="{name}",
    gate=[{", ".join(gate)}],
    rollout=[full()],
)
mulle.monitor("{name}", {watched})
mulle.trigger(
    {names.pipeline},
    on=[
{_lines(on, "        ")}
    ],
    cooldown="3d",
)
"""


def _delay(plan: Plan) -> str:
    return "1h" if plan.window is not None and plan.window.every == "1h" else "1d"


def _recent(plan: Plan) -> str:
    every = plan.window.every if plan.window is not None else "1d"
    return {"1h": "1d", "1d": "7d", "7d": "28d", "30d": "90d"}[every]


def _some_rows(plan: Plan) -> int:
    return _round(max(10, plan.rows / (6 if plan.time else 5)))


def _labels(plan: Plan) -> int:
    return min(2000, _round(max(20, plan.rows / 50)))


def _drop(plan: Plan) -> str:
    return f"{plan.spread * 0.1:.2g}" if plan.task == "regression" else "0.02"


def _round(value: float) -> int:
    """Two significant digits."""
    digits = 1 - math.floor(math.log10(value))
    return int(round(value, digits))


def _lines(items: list[str], indent: str = "    ") -> str:
    """One item a line."""
    return "\n".join(f"{indent}{item}," for item in items)


def _list(names: list[str]) -> str:
    return "[" + _items([f'"{name}"' for name in names]) + "]"


def _items(items: list[str]) -> str:
    one_line = ", ".join(items)
    return one_line if len(one_line) < _WIDTH - 14 else "\n    " + _wrapped(items, "    ") + "\n"


def _wrapped(items: list[str], indent: str) -> str:
    """Items with commas, in lines of a readable width."""
    lines, line = [], ""
    for item in items:
        if line and len(indent) + len(line) + len(item) + 2 > _WIDTH:
            lines.append(line.rstrip())
            line = ""
        line += f"{item}, "
    return f"\n{indent}".join([*lines, line.rstrip()])
