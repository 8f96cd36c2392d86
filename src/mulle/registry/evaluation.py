"""How good a model is on rows with labels, as a step of a pipeline measures it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mulle.stats import evaluation

if TYPE_CHECKING:
    import polars as pl

    from mulle.flavors import Model
    from mulle.stats.evaluation import Report, Task

_TASKS: dict[str, Task] = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}


def evaluate(model: Model, rows: pl.DataFrame, label: str, slices: Sequence[str] = ()) -> Report:
    """Score the rows and measure the scores against their label, in all and in each slice.

    The report keeps the rows and the scores, so that a gate can put another model on the same rows.

    Raises:
        FlavorError: the rows lack a column that the model takes.
        UsageError: the rows lack the label or a slice column, or no row has a label.
    """
    known = rows.filter(rows.get_column(label).is_not_null()) if label in rows.columns else rows
    return evaluation.evaluate(
        known,
        model.score(known),
        label=label,
        task=_TASKS.get(model.outputs.task),
        slices=slices,
        classes=[str(name) for name in model.outputs.classes] if model.outputs.task == "multiclass" else (),
    )
