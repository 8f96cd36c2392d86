"""The questions of history, joined with their features once, and what models answer, shared by all policies."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mulle.data.definition import Dataset, asked_at
from mulle.features.training import ASKED, join
from mulle.flavors import columns_of
from mulle.flavors.engines import load_engine
from mulle.flavors.predictor import scores_for_log
from mulle.flavors.signature import Signature
from mulle.predictions.files import INPUT
from mulle.predictions.keys import key_texts
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.data import DataService
    from mulle.data.model import Version
    from mulle.features.definition import FeatureView
    from mulle.flavors.bundle import Sealer
    from mulle.flavors.predictor import Predictor
    from mulle.serving.plan import RevisionPlan
    from mulle.store import ObjectStore

_BLOCK_ROWS = 256
_KEPT_BLOCKS = 4096
Places = npt.NDArray[np.int64]


class Questions:
    """What was asked of a deployment in a stretch of history, in the order of asking.

    Features are joined as they were available when each question was asked; outcomes are not among the columns.
    """

    def __init__(self, rows: pl.DataFrame, key: Sequence[str], truth: pl.Series, event_time: pl.Series) -> None:
        """Use `gather`."""
        self.rows = rows
        self.keys = key_texts(rows, key)
        self.truth = truth
        self.event_time = event_time
        self.at = rows.get_column(ASKED)
        self.micros = self.at.dt.epoch("us").to_numpy().astype(np.int64)
        self.ids = _ids(self.micros, "8")
        self.shadow_ids = _ids(self.micros, "9")
        self._columns: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._asked: dict[tuple[str, ...], pl.DataFrame] = {}

    @property
    def count(self) -> int:
        """How many questions there are."""
        return len(self.micros)

    def before(self, now: datetime) -> int:
        """How many were asked before an instant."""
        micros = int(pl.Series([now]).dt.epoch("us")[0])
        return int(np.searchsorted(self.micros, micros, side="left"))

    def columns(self, signature: Signature) -> dict[str, Any]:
        """A model's inputs as arrays, for all questions."""
        place = tuple((field.name, field.kind) for field in signature.inputs)
        if place not in self._columns:
            self._columns[place] = columns_of(self.rows, signature)
        return self._columns[place]

    def asked(self, names: Sequence[str]) -> pl.DataFrame:
        """What the prediction log says of every question, whoever answers it: id, at, key, latency and the inputs."""
        place = tuple(names)
        if place not in self._asked:
            same = {"id": self.ids, "at": self.at, "key": self.keys}
            unmeasured = pl.zeros(self.count, dtype=pl.Int64, eager=True)
            inputs = {f"{INPUT}{name}": self.rows.get_column(name) for name in names}
            self._asked[place] = pl.DataFrame({**same, "latency_us": unmeasured, **inputs})
        return self._asked[place]


def gather(
    store: ObjectStore,
    data: DataService,
    asked_of: tuple[Dataset, Version],
    views: Sequence[tuple[FeatureView, Version]],
    between: tuple[datetime, datetime],
) -> Questions:
    """The rows of a dataset's version whose question was asked in [start, end), with the features of the views."""
    (dataset, whole), (start, end) = asked_of, between
    assert dataset.event_time is not None
    rows = data.read(whole, start=start - dataset.asked, end=end - dataset.asked)
    rows = rows.with_columns(asked_at(dataset, rows).alias(ASKED)).sort(ASKED, maintain_order=True)
    outcomes = [name for name in dataset.outcomes() if name in rows.columns]
    joined = join(store, rows.drop(outcomes), [(view, Digest(version.digest)) for view, version in views], ASKED)
    truth = rows.get_column(dataset.label) if dataset.label is not None else pl.Series([None] * rows.height)
    return Questions(joined, dataset.key, truth, rows.get_column(dataset.event_time))


def _ids(micros: Places, variant: str) -> pl.Series:
    """Time-ordered ids of the shape of UUIDv7, the same in every replay of the same questions."""
    found = []
    for place, micro in enumerate(micros.tolist()):
        head, tail = f"{micro // 1000:012x}", f"{place:015x}"
        found.append(f"{head[:8]}-{head[8:]}-7000-{variant}{tail[:3]}-{tail[3:]}")
    return pl.Series(found, dtype=pl.String)


def edges(questions: Questions, instants: Iterable[datetime]) -> list[int]:
    """Where blocks of questions begin and end: at these instants, with at least a few hundred questions in each.

    Args:
        questions: all of them.
        instants: when data arrives: traffic moves when the wheel turns, and it turns mostly then.
    """
    found = [0]
    for place in sorted({questions.before(instant) for instant in instants}):
        if place - found[-1] >= _BLOCK_ROWS:
            found.append(place)
    if found[-1] < questions.count:
        found.append(questions.count)
    return found


class Answers:
    """What models answer to the questions: computed in blocks, once for each model, whoever serves it.

    The blocks do not depend on who asks: a model whose last digit depends on how many rows it is given at once
    answers every policy, and every replay, alike.

    Args:
        questions: all of them.
        signer: vouches for the pickled models of this workspace.
        instants: where blocks may end; see `edges`.
    """

    def __init__(self, questions: Questions, signer: Sealer | None, instants: Iterable[datetime]) -> None:
        self.questions = questions
        self._signer = signer
        self._edges = edges(questions, instants)
        self._predictors: OrderedDict[str, Predictor] = OrderedDict()
        self._blocks: OrderedDict[tuple[str, int], tuple[dict[str, Any], npt.NDArray[np.float64]]] = OrderedDict()

    def of(self, plan: RevisionPlan, low: int, high: int) -> tuple[dict[str, Any], npt.NDArray[np.float64]]:
        """Outputs and scores of a revision for the questions [low, high). A model may raise anything."""
        first, last = bisect_right(self._edges, low) - 1, bisect_left(self._edges, high)
        blocks = [self._block(plan, place) for place in range(first, last)]
        offset = self._edges[first]
        cut = slice(low - offset, high - offset)
        names = list(blocks[0][0])
        if len(blocks) == 1:
            return {name: blocks[0][0][name][cut] for name in names}, blocks[0][1][cut]
        outputs = {name: np.concatenate([one[0][name] for one in blocks])[cut] for name in names}
        return outputs, np.concatenate([one[1] for one in blocks])[cut]

    def signature(self, plan: RevisionPlan) -> Signature:
        """What the revision's model takes and gives."""
        return self._predictor(plan).signature

    def _block(self, plan: RevisionPlan, place: int) -> tuple[dict[str, Any], npt.NDArray[np.float64]]:
        key = (plan.bundle, place)
        found = self._blocks.get(key)
        if found is None:
            predictor = self._predictor(plan)
            low, high = self._edges[place : place + 2]
            columns = {name: values[low:high] for name, values in self.questions.columns(predictor.signature).items()}
            outputs = predictor.predict(columns, high - low)
            found = (outputs, np.asarray(scores_for_log(outputs), dtype=np.float64))
            self._blocks[key] = found
            if len(self._blocks) > _KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        return found

    def _predictor(self, plan: RevisionPlan) -> Predictor:
        if plan.bundle not in self._predictors:
            engine = Path(plan.engine) if plan.engine else None
            self._predictors[plan.bundle] = load_engine(Path(plan.bundle), engine, self._signer, "batch")
            if len(self._predictors) > 8:  # noqa: PLR2004 - models of a few revisions side by side
                self._predictors.popitem(last=False)
        return self._predictors[plan.bundle]
