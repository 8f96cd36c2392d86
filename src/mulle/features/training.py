"""Training sets and feature joins, where there is no catalog: an object store and digests of manifests are enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from mulle.data.definition import Dataset, asked_at
from mulle.data.reading import parts_between, read_version
from mulle.errors import FeatureError
from mulle.features.definition import FeatureView
from mulle.features.frames import INSTANT, frame_for, parts_for, span_for
from mulle.features.pit import point_in_time
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.store import ObjectStore

ASKED = "__asked"
"""The column of a training set that says when each row was asked about."""

Views = Sequence[tuple[FeatureView, Digest]]
"""Feature views, each with the manifest of its source's version."""


@dataclass(frozen=True)
class TrainingSpec:
    """Which rows, which features, as known at which instant."""

    dataset: Dataset
    manifest: Digest
    views: tuple[tuple[FeatureView, Digest], ...]
    window: timedelta
    as_of: datetime


def build_training_set(store: ObjectStore, spec: TrainingSpec) -> pl.DataFrame:
    """The window's rows whose label was known at `as_of`, with the features as they were when each was asked about.

    Columns: the key, `__asked`, the dataset's other columns without its outcomes, the features view by view, the label.
    Rows of a dataset without event times have no instant: all that have a label are taken, and there is no `__asked`.

    Raises:
        FeatureError: the dataset has no label, no row has one, or a view cannot be computed.
    """
    label = _label(spec)
    timeless = spec.dataset.event_time is None
    start, end = (None, None) if timeless else _bounds(spec)
    rows = read_version(store, spec.manifest, None, start, end)
    if label not in rows.columns:
        raise FeatureError(
            f"dataset '{spec.dataset.name}' has no column '{label}'",
            cause="it is declared as its label",
            cure=f"mulle data show {spec.dataset.name}",
        )
    rows = rows.filter(pl.col(label).is_not_null())
    if not rows.height:
        raise FeatureError(
            f"there is nothing to learn from in '{spec.dataset.name}'",
            cause="no row has a label"
            if timeless
            else f"no row from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} has a label known at {spec.as_of}",
            cure="widen the window, or collect more data: mulle data collect",
        )
    outcomes = set(spec.dataset.outcomes())
    request = [name for name in rows.columns if name not in outcomes and name not in spec.dataset.key]
    if timeless:
        return rows.select(*spec.dataset.key, *request, label)
    spine = rows.select(*spec.dataset.key, asked_at(spec.dataset, rows).alias(ASKED), *request)
    return join(store, spine, spec.views, ASKED).with_columns(rows[label])


def _label(spec: TrainingSpec) -> str:
    dataset = spec.dataset
    if dataset.label is None or (spec.views and dataset.event_time is None):
        raise FeatureError(
            f"dataset '{dataset.name}' has no label"
            if dataset.label is None
            else f"'{dataset.name}' has no event time",
            cause="a training set is made of rows with labels; features join them in time",
            cure='declare them: mulle.dataset(…, event_time="at", label="column")',
        )
    return dataset.label


def _bounds(spec: TrainingSpec) -> tuple[datetime, datetime]:
    """The event times [start, end) of a training set's rows: within the window, their label known at `as_of`."""
    return spec.as_of - spec.window, spec.as_of - spec.dataset.label_delay + INSTANT


def join(store: ObjectStore, rows: pl.DataFrame, views: Views, asked: str | pl.Series) -> pl.DataFrame:
    """The rows with the features of the views as they were available when each row was asked about.

    Args:
        store: where the sources' parts are.
        rows: all are kept, in their order; they have the views' entity columns.
        views: each with the manifest of the version of its source to read.
        asked: the column of instants, or the instants themselves, which then do not become a column of the result.
    """
    if isinstance(asked, pl.Series):
        return join(store, rows.with_columns(asked.alias(ASKED)), views, ASKED).drop(ASKED)
    if not views:
        return rows
    if asked not in rows.columns or not rows.height or rows[asked].null_count() == rows.height:
        first = last = datetime.fromisoformat("1970-01-01T00:00:00Z")
    else:
        first, last = rows[asked].min(), rows[asked].max()  # type: ignore[assignment]
    frames = [frame_for(store, view, manifest, span_for(view, first, last)) for view, manifest in views]
    return point_in_time(rows, frames, asked)


def training_inputs(store: ObjectStore, spec: TrainingSpec) -> dict[str, list[Digest]]:
    """The digests of the parts that building the training set may read, by what reads them.

    The dataset's own rows are under its name, a view's under "<dataset>/<view>". With the code of the views, `window`
    and `as_of` they decide the training set.
    """
    if spec.dataset.event_time is None:
        return {spec.dataset.name: [entry.digest for entry in parts_between(store, spec.manifest)]}
    start, end = _bounds(spec)
    rows = parts_between(store, spec.manifest, start, end)
    inputs = {spec.dataset.name: [entry.digest for entry in rows]}
    first, last = start + spec.dataset.asked, end + spec.dataset.asked
    for view, manifest in spec.views:
        parts = parts_for(store, manifest, span_for(view, first, last))
        inputs[f"{view.source.name}/{view.name}"] = [entry.digest for entry in parts]
    return inputs
