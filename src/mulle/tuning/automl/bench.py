"""What the fitting process does: split, encode, fit, score, and look closely at the winner."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl
import sklearn.compose
import sklearn.ensemble
import sklearn.pipeline
import sklearn.preprocessing  # noqa: F401 - loaded now, while the rows are on their way

from mulle.stats import evaluation
from mulle.tuning.automl import writing
from mulle.tuning.automl.fitting import Finished, Fit, Fitted, Loaded
from mulle.tuning.automl.forking import forked
from mulle.tuning.automl.recipes import MOST_TREES, Recipe

if TYPE_CHECKING:
    from mulle.tuning.automl.fitting import Finish, Load
    from mulle.tuning.automl.problem import Problem

_CACHED = 6
_VALID = 0.2
_MOST_VALID = 20_000
_LOOKED_AT = 3000
_WORST = 10
_SMALLEST_SLICE = 50
_QUARTERS = 4


class Bench:
    """The rows and what was made of them. Used by one thread."""

    def __init__(self, order: Load) -> None:
        self._problem = order.problem
        rows = pl.read_ipc(order.path)
        self._names = _executed(order.code)
        prepared = self._names["prepare"].function(rows)
        self._rows = rows
        train, holdout = self._names["split"].function(prepared, writing.HOLDOUT)
        if not len(train) or not len(holdout):
            raise ValueError("one side of the split is empty")
        self._train, self._valid = self._names["split"].function(train, _VALID)
        if len(self._valid) > _MOST_VALID:
            self._valid = self._valid.sample(_MOST_VALID, seed=order.problem.seed)
        if not order.problem.time:
            self._train = self._train.sample(fraction=1.0, shuffle=True, seed=order.problem.seed)
        self._truth_train, self._classes = _truth(self._train, order.problem)
        self._truth_valid, _ = _truth(self._valid, order.problem, self._classes)
        truth = np.ascontiguousarray(self._truth_valid, dtype="<f4").tobytes()
        self.loaded = Loaded(len(self._train), len(self._valid), len(holdout), truth)
        self._encoded: dict[tuple[str, int], tuple[Any, Any]] = {}

    # -- fitting -----------------------------------------------------------------------------------------------------

    def fit(self, order: Fit) -> Fitted:
        """Fit a recipe to all rows, or to some of them, and score it.

        Raises:
            OutOfTimeError: the deadline came first.
        """
        if order.recipe.learner == "lightgbm":  # it looks at the clock by itself
            return self._fit(order)
        self._encode(order.recipe, self._chosen(order.rows))  # kept for those that come later
        return forked(lambda: self._fit(order), order.deadline)

    def _fit(self, order: Fit) -> Fitted:
        began = time.perf_counter()
        recipe, problem = order.recipe, self._problem
        chosen = self._chosen(order.rows)
        inputs, judged = self._encode(recipe, chosen)
        truth = self._truth_train[chosen]
        if problem.task != "regression" and len(np.unique(truth)) < len(self._classes):
            raise ValueError("a class is missing in these rows")
        learner = _evaluated(writing.learner_expression(recipe, problem, trees=MOST_TREES))
        trees, cut = self._learn(order, learner, (inputs, judged), truth)
        predictions = self._predict(learner, judged)
        score = _score(problem, self._truth_valid, predictions)
        packed = np.ascontiguousarray(predictions, dtype="<f4").tobytes()
        return Fitted(score, time.perf_counter() - began, trees, packed, cut)

    def _chosen(self, rows: int) -> Any:
        """Which rows: all, or as many spread over all of them."""
        total = len(self._train)
        if rows >= total:
            return np.arange(total)
        return np.unique(np.linspace(0, total - 1, rows).astype(np.int64))

    def _encode(self, recipe: Recipe, chosen: Any) -> tuple[Any, Any]:
        boosted = recipe.learner in {"lightgbm", "histogram"}
        kind = recipe.learner if not boosted else "boosted"
        key = (f"{kind} {recipe.encoding} {recipe.trend}", len(chosen))
        if key not in self._encoded:
            if len(self._encoded) >= _CACHED:
                self._encoded.pop(next(iter(self._encoded)))
            columns = _evaluated(writing.columns_expression(recipe, self._problem), self._names)
            inputs = columns.fit_transform(self._features(self._train[chosen]), self._truth_train[chosen])
            self._encoded[key] = inputs, columns.transform(self._features(self._valid))
        return self._encoded[key]

    def _features(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select([name for part in ("NUMBERS", "TREND", "CATEGORIES") for name in self._names.get(part, [])])

    def _learn(self, order: Fit, learner: Any, encoded: tuple[Any, Any], truth: Any) -> tuple[int, bool]:
        """Fit, stopping early where the learner can; how many trees it took, and whether time ran out."""
        recipe, (inputs, judged) = order.recipe, encoded
        if recipe.learner == "lightgbm":
            return self._boost(order, learner, encoded, truth)
        if recipe.learner == "histogram" and not recipe.trees:
            learner.set_params(early_stopping=True, n_iter_no_change=15)
            learner.fit(inputs, truth, X_val=judged, y_val=self._truth_valid)
            return int(learner.n_iter_), False
        learner.fit(inputs, truth)
        return recipe.trees, False

    def _boost(self, order: Fit, learner: Any, encoded: tuple[Any, Any], truth: Any) -> tuple[int, bool]:
        import lightgbm  # noqa: PLC0415 - optional

        recipe, (inputs, judged) = order.recipe, encoded
        cut = False

        def watch(env: Any) -> None:
            nonlocal cut
            if time.monotonic() >= order.deadline:
                cut = True
                raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list or [])

        callbacks: list[Any] = [watch]
        if not recipe.trees:
            patience = int(min(60, max(15, 4 / recipe.settings["learning_rate"])))
            callbacks.append(lightgbm.early_stopping(patience, first_metric_only=True, verbose=False))
        metric = {"roc_auc": "auc", "rmse": "rmse", "mae": "mae"}.get(self._problem.metric)
        learner.fit(inputs, truth, eval_X=judged, eval_y=self._truth_valid, eval_metric=metric, callbacks=callbacks)
        trees = int(learner.best_iteration_ or learner.n_iter_ or learner.n_estimators)
        return trees, cut

    def _predict(self, learner: Any, inputs: Any) -> Any:
        if self._problem.task == "regression":
            return learner.predict(inputs)
        probabilities = learner.predict_proba(inputs)
        return probabilities[:, 1] if self._problem.task == "binary" else probabilities

    # -- the winner --------------------------------------------------------------------------------------------------

    def finish(self, order: Finish, began: float) -> Finished:
        """Run the steps of the code as they are written, and look at what they give."""
        names = _executed(order.code)
        rows, holdout = names["split"].function(names["prepare"].function(self._rows), writing.HOLDOUT)
        model = names["train"].function(rows)
        report = names["evaluate"].function(model, holdout)
        score = float(report.metrics[self._problem.metric])
        truth, scores = report.truth(), np.asarray(report.scores)
        return Finished(
            score=score,
            metrics={name: float(value) for name, value in report.metrics.items()},
            calibration=[msgspec.structs.asdict(one) for one in report.calibration],
            importance=self._importance(model, holdout, order.deadline),
            slices=self._worst(report.rows, holdout, truth, scores),
            seconds=time.perf_counter() - began,
        )

    def _importance(self, model: Any, holdout: pl.DataFrame, deadline: float) -> dict[str, float]:
        """By how much the score falls when a column is shuffled (Breiman, 2001), on some rows, as time allows."""
        problem = self._problem
        rows = holdout.sample(min(_LOOKED_AT, len(holdout)), seed=problem.seed)
        classes = [str(one) for one in model.outputs.classes]
        truth, _ = _truth(rows, problem, classes)
        sign = 1 if problem.higher_is_better else -1
        began = time.monotonic()
        whole = _score(problem, truth, model.score(rows))
        each = time.monotonic() - began
        found: dict[str, float] = {}
        for place, name in enumerate(problem.features):
            if time.monotonic() + 2 * each > deadline:
                break
            shuffled = rows.with_columns(rows[name].shuffle(seed=problem.seed + place))
            found[name] = sign * (whole - _score(problem, truth, model.score(shuffled)))
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def _worst(self, rows: pl.DataFrame, holdout: pl.DataFrame, truth: Any, scores: Any) -> list[dict[str, Any]]:
        """The slices of the holdout in which the winner is worst: values of categories, quarters of numbers."""
        problem = self._problem
        if len(rows) != len(holdout):
            return []
        found = []
        for name, column in _sliced(holdout, problem):
            for value in column.unique().drop_nulls().sort().to_list():
                member = (column == value).fill_null(value=False).to_numpy()
                if int(member.sum()) < _SMALLEST_SLICE or member.all():
                    continue
                measured = evaluation.measure(truth[member], scores[member], problem.task)
                if problem.metric in measured:
                    told = {"column": name, "value": value, "rows": int(member.sum())}
                    found.append(told | {"score": measured[problem.metric]})
        found.sort(key=lambda one: one["score"], reverse=not problem.higher_is_better)
        return found[:_WORST]


def _executed(code: str) -> dict[str, Any]:
    """The names of the module that the code makes."""
    names: dict[str, Any] = {"__name__": "mulle_automl_candidate"}
    exec(compile(code, "<automl>", "exec"), names)  # noqa: S102 - our own text
    return names


def _evaluated(expression: str, names: dict[str, Any] | None = None) -> Any:
    scope: dict[str, Any] = {}
    for line in writing.imports_of(expression):
        exec(line, scope)  # noqa: S102 - our own text
    return eval(expression, scope | (names or {}))  # noqa: S307 - our own text


def _truth(rows: pl.DataFrame, problem: Problem, classes: list[str] | None = None) -> tuple[Any, list[str]]:
    """The target as numbers; for several classes, the place of each among them."""
    column = rows[problem.target]
    if problem.task == "regression":
        return column.cast(pl.Float64).to_numpy(), []
    if problem.task == "binary":
        return column.cast(pl.Int64).to_numpy(), ["False", "True"]
    known = classes or [str(one) for one in column.unique().sort().to_list()]
    places = {name: place for place, name in enumerate(known)}
    return np.array([places.get(str(value), -1) for value in column.to_list()], dtype=np.int64), known


def _score(problem: Problem, truth: Any, predictions: Any) -> float:
    """The metric, as an evaluation measures it; NaN where it cannot be."""
    measured = evaluation.measure(
        np.asarray(truth, dtype=np.float64), np.asarray(predictions, dtype=np.float64), problem.task
    )
    return float(measured.get(problem.metric, float("nan")))


def _sliced(holdout: pl.DataFrame, problem: Problem) -> list[tuple[str, pl.Series]]:
    categories = [(name, holdout[name].cast(pl.String)) for name in problem.slices]
    quarters: list[tuple[str, pl.Series]] = []
    for name in [name for name in problem.features if name not in problem.categories][:20]:
        values = holdout[name]
        if values.n_unique() > _QUARTERS:
            ends = sorted({float(f"{values.quantile(q / _QUARTERS):.4g}") for q in range(1, _QUARTERS)})
            quarters.append((name, values.cut(ends).cast(pl.String)))
    return categories + quarters
