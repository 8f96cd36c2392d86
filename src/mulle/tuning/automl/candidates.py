"""What was tried so far, what is worth trying next, and who of the tried ones votes well together. Pure.

Successive halving over rows (Jamieson, Talwalkar, AISTATS 2016, in its asynchronous form: Li et al., MLSys 2020): a
recipe is fitted to few rows first, and to four times as many when it is among the best third there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mulle.stats import evaluation
from mulle.tuning.automl.problem import Problem
from mulle.tuning.automl.recipes import BOOSTED, FORESTS, Kitchen, Learner, Recipe

FIRST_ROWS = 2000
_TIMES = 4
_THIRD = 3
_EXPLORED = 0.2
_SHARE_OF_REST = 0.06
_SHARE_OF_VIEW = 0.35
_BEHIND = 1.15
"""How much more error than the best of all the best of a view may have, to vote."""
_MEMBERS = 5
_POOL = 12
_ROUNDS = 9
_LEAST_GAIN = 1e-4


@dataclass
class Result:
    """A recipe on so many rows."""

    score: float
    seconds: float
    trees: int
    predictions: Any


@dataclass
class Candidate:
    """A recipe and its results by rows."""

    number: int
    recipe: Recipe
    results: dict[int, Result] = field(default_factory=dict)
    busy: bool = False
    broken: bool = False

    @property
    def view(self) -> tuple[str, bool] | None:
        """What kind of estimator it is, and whether it knows the trend; None for one that stands for no view."""
        kind = "boosted" if self.recipe.learner in BOOSTED else "forest" if self.recipe.learner in FORESTS else ""
        return (kind, self.recipe.trend) if kind else None

    @property
    def rows(self) -> int:
        """The most rows that it was fitted to."""
        return max(self.results, default=0)

    @property
    def last(self) -> Result:
        return self.results[self.rows]


class Field:
    """All candidates of a study."""

    def __init__(self, problem: Problem, kitchen: Kitchen, train_rows: int) -> None:
        self._problem = problem
        self._kitchen = kitchen
        self._waiting = kitchen.portfolio()
        self.candidates: list[Candidate] = []
        self.rungs = rungs_of(train_rows)
        self._sign = 1.0 if problem.higher_is_better else -1.0

    @property
    def full(self) -> int:
        """All rows that there are to train on."""
        return self.rungs[-1]

    def first(self) -> tuple[Candidate, int]:
        """What to fit at once."""
        return self._add(self._kitchen.first()), self.rungs[0]

    def next(self, left: float) -> tuple[Candidate, int]:
        """What to fit next, and to how many rows, with so many seconds left for the search."""
        missing = self._missing_view(left)
        if missing is not None:
            return missing, self.full
        for rung in range(len(self.rungs) - 2, -1, -1):
            chosen = self._promotable(rung, left)
            if chosen is not None:
                return chosen, self.rungs[rung + 1]
        if self._waiting:
            recipe = self._waiting.pop(0)
        else:
            best = [one.recipe for one in self.ranked()[:8]]
            looks_elsewhere = not best or self._kitchen.explores(_EXPLORED)
            recipe = self._kitchen.fresh() if looks_elsewhere else self._kitchen.changed(self._kitchen.pick(best))
        return self._add(recipe), self._affordable(recipe.learner, left)

    def expected(self, learner: Learner, rows: int) -> float | None:
        """About how many seconds a fit takes; None where nothing is known of the learner."""
        known = [
            result.seconds * rows / n
            for one in self.candidates
            if one.recipe.learner == learner
            for n, result in one.results.items()
            if n >= one.rows
        ]
        return float(np.median(known[-7:])) if known else None

    def ranked(self, rows: int | None = None) -> list[Candidate]:
        """The candidates on the most rows (or on exactly so many), the best first."""
        if rows is None:
            for most in reversed(self.rungs):
                found = self.ranked(most)
                if found:
                    return found
            return []
        there = [one for one in self.candidates if rows in one.results and math.isfinite(one.results[rows].score)]
        return sorted(there, key=lambda one: -self._sign * one.results[rows].score)

    def best(self) -> Candidate | None:
        """The best on the most rows."""
        return next(iter(self.ranked()), None)

    def ensemble(self, truth: Any) -> list[tuple[Candidate, int]]:
        """Who votes, and how often; one alone where more do not help.

        Greedy selection with replacement (Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004).

        Where rows are asked about that come later than all that were seen, the newest seen ones say little about who
        will be best: then the best of each view (boosted or forest, with the trend or without) votes, if it is not far
        behind.

        Args:
            truth: the target of the rows that predictions are of.
        """
        if self._problem.time:
            return self._views()
        pool = self.ranked(self.full)[:_POOL]
        if len(pool) < 2:  # noqa: PLR2004
            return [(one, 1) for one in pool or self.ranked()[:1]]
        votes, total = {pool[0].number: 1}, np.array(pool[0].results[self.full].predictions, dtype=np.float64)
        best = self.score(truth, total)
        for count in range(1, _ROUNDS):
            tried = [
                (self._sign * self.score(truth, (total + one.results[self.full].predictions) / (count + 1)), -place)
                for place, one in enumerate(pool)
                if one.number in votes or len(votes) < _MEMBERS
            ]
            gain, place = max(tried)
            if gain <= self._sign * best + _LEAST_GAIN * abs(best):
                break
            chosen = pool[-place]
            total = total + chosen.results[self.full].predictions
            votes[chosen.number] = votes.get(chosen.number, 0) + 1
            best = self._sign * gain
        return [(one, votes[one.number]) for one in pool if one.number in votes]

    def _views(self) -> list[tuple[Candidate, int]]:
        """The best of each view on all rows, without those that are far behind the best."""
        found: dict[tuple[str, bool], Candidate] = {}
        for one in self.ranked(self.full):
            if one.view is not None:
                found.setdefault(one.view, one)
        leader = next(iter(self.ranked()), None)
        if not found:
            return [] if leader is None else [(leader, 1)]
        least = min(self._error(one) for one in found.values())
        return [(one, 1) for one in found.values() if self._error(one) <= _BEHIND * least]

    def _error(self, one: Candidate) -> float:
        score = one.results[self.full].score
        return 1 - score if self._problem.higher_is_better else score

    def _missing_view(self, left: float) -> Candidate | None:
        """The best of a view that nobody stands for on all rows yet, where there is time for it."""
        if not self._problem.time or len(self.rungs) == 1:
            return None
        views: dict[tuple[str, bool], list[Candidate]] = {}
        for one in self.candidates:
            if one.view is not None and not one.recipe.trees:
                views.setdefault(one.view, []).append(one)
        for members in views.values():
            if any(one.busy or one.broken or self.full in one.results for one in members):
                continue
            tried = [one for one in members if one.results]
            expected = self.expected(members[0].recipe.learner, self.full)
            if tried and expected is not None and expected < _SHARE_OF_VIEW * left:
                return max(tried, key=lambda one: self._sign * one.last.score)
        return None

    def score(self, truth: Any, predictions: Any) -> float:
        """The metric of predictions; the worst there is where it cannot be computed."""
        measured = evaluation.measure(np.asarray(truth, dtype=np.float64), predictions, self._problem.task)
        return float(measured.get(self._problem.metric, -self._sign * math.inf))

    def _add(self, recipe: Recipe) -> Candidate:
        made = Candidate(len(self.candidates), recipe)
        self.candidates.append(made)
        return made

    def _promotable(self, rung: int, left: float) -> Candidate | None:
        """One of the best third of a rung that was not fitted to more rows yet, where there is time for it."""
        there = self.ranked(self.rungs[rung])
        for one in there[: math.ceil(len(there) / _THIRD)]:
            over = one.rows > self.rungs[rung] or one.busy or one.broken or one.recipe.trees
            expected = self.expected(one.recipe.learner, self.rungs[rung + 1])
            if not over and (expected is None or expected < left):
                return one
        return None

    def _affordable(self, learner: Learner, left: float) -> int:
        """The most rows that a new candidate may begin with: a small part of what is left."""
        for rows in reversed(self.rungs):
            expected = self.expected(learner, rows)
            if expected is not None and expected < _SHARE_OF_REST * left:
                return rows
        return self.rungs[0]


def rungs_of(rows: int) -> list[int]:
    """How many rows candidates are fitted to, step by step."""
    found = [rows]
    while found[0] > _TIMES * FIRST_ROWS * 0.75:
        found.insert(0, found[0] // _TIMES)
    return found


def averaged(members: Sequence[tuple[Candidate, int]], rows: int) -> Any:
    """What several candidates say together."""
    total = sum(weight for _, weight in members)
    return sum(weight * one.results[rows].predictions for one, weight in members) / total
