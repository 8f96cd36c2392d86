"""The search itself: within a budget of seconds, from a first answer to a winner that is fitted as it is written."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from mulle.errors import TuningError
from mulle.resources.process import this_process
from mulle.tuning.automl import writing
from mulle.tuning.automl.candidates import Candidate, Field, Result, averaged
from mulle.tuning.automl.fitter import Fitter
from mulle.tuning.automl.fitting import Broken, Finish, Finished, Fit, Fitted, Load
from mulle.tuning.automl.recipes import Kitchen, Learner
from mulle.tuning.automl.writing import Member, Names
from mulle.tuning.facts import Began, Chosen, Ended, Joined, Left, Noted, Told, microseconds
from mulle.tuning.space import Choice

if TYPE_CHECKING:
    from mulle.clock import Clock
    from mulle.tuning.automl.problem import Problem
    from mulle.tuning.log import StudyLog

_LEAST_RESERVE = 1.0
_RESERVED = 0.04
_LOOKING = 3.0
"""At most so many seconds are kept for looking at the winner."""
_MOST_OF_IT = 0.4
"""Of the budget, what an ensemble may take to be fitted."""
_GROWN = 1.35
"""A winner is fitted to the rows that were kept to choose by, too."""
_SLOPE = 0.85
"""How the time of a fit grows with the rows."""
_SURE = 1.3
_LATEST = 1.03
_GRACE = 1.0
"""How late a fit may notice its deadline before its process is ended, which costs loading the libraries again."""


class Step(msgspec.Struct, frozen=True):
    """How far a search is: told whenever a fit came to its end."""

    seconds: float
    fits: int
    score: float
    text: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found."""

    code: str
    members: list[dict[str, Any]]
    valid_score: float
    first_seconds: float
    seconds: float
    fits: int
    finished: Finished | None
    """None where there was no time to fit the winner to all rows."""


@dataclass(frozen=True)
class Budget:
    """When a search began and when it has to be over, by this machine's monotonic clock."""

    began: float
    seconds: float

    @property
    def end(self) -> float:
        return self.began + self.seconds

    @property
    def spent(self) -> float:
        return time.monotonic() - self.began


class AutoSearch:
    """One search. Used once."""

    def __init__(
        self,
        problem: Problem,
        names: Names,
        budget: Budget,
        log: StudyLog,
        clock: Clock,
        *,
        on_step: Callable[[Step], None] | None = None,
        ensemble: bool = True,
        most: int = 0,
    ) -> None:
        self._problem = problem
        self._names = names
        self._inner = msgspec.structs.replace(names, imported_from="")
        """The fitting process has no project to import from."""
        self._budget = budget
        self._log = log
        self._clock = clock
        self._tell = on_step
        self._ensemble = ensemble
        self._most = most
        """How many fits there are at most; 0: as many as there is time for."""
        self._lock = threading.RLock()
        self._first = math.nan
        self._fits = 0
        self._errors: list[str] = []
        self._truth: Any = None
        self._plan: list[tuple[Candidate, int]] = []
        """Who would be the winner now."""

    def run(self, rows: Path, fitters: Sequence[Fitter]) -> Outcome:
        """Search.

        Args:
            rows: an Arrow IPC file.
            fitters: the processes that fit, one for each fit at a time.

        Raises:
            TuningError: nothing could be fitted.
        """
        problem = self._problem
        kitchen = Kitchen(problem, learners())
        draft = writing.module(problem, [Member(kitchen.first())], self._inner)
        order = Load(str(rows), problem, draft)
        loaded = fitters[0].load(order)
        self._field = Field(problem, kitchen, loaded.train)
        self._truth = np.frombuffer(loaded.truth, dtype="<f4").astype(np.float64)
        self._log.append(Joined(this_process()))
        try:
            candidate, few = self._field.first()
            self._fit(fitters[0], candidate, few, self._budget.end)
            self._first = self._budget.spent
            self._say(f"first answer after {self._first:.1f} s")
            others = [threading.Thread(target=self._help, args=(one, order), daemon=True) for one in fitters[1:]]
            for thread in others:
                thread.start()
            self._keep_fitting(fitters[0])
            for thread in others:
                while thread.is_alive():
                    thread.join(0.2)
            return self._conclude(fitters)
        finally:
            self._end_trials()
            self._log.append(Left(this_process()))

    # -- searching ---------------------------------------------------------------------------------------------------

    def _help(self, fitter: Fitter, order: Load) -> None:
        with contextlib.suppress(TuningError):
            fitter.load(order)
            self._keep_fitting(fitter)

    def _keep_fitting(self, fitter: Fitter) -> None:
        while True:
            with self._lock:
                end = self._budget.end - self._reserve()
                left = end - time.monotonic()
                if left <= 0 or 0 < self._most <= self._fits:
                    return
                candidate, rows = self._field.next(left)
                candidate.busy = True
            expected = self._field.expected(candidate.recipe.learner, rows)
            patience = max(1.0, 0.15 * self._budget.seconds, 4 * (expected or 0.0))
            self._fit(fitter, candidate, rows, min(end, time.monotonic() + patience))
            candidate.busy = False
            if not fitter.again(end):
                return

    def _fit(self, fitter: Fitter, candidate: Candidate, rows: int, deadline: float) -> None:
        with self._lock:
            self._begin_trial(candidate)
        answer = fitter.ask(Fit(candidate.recipe, rows, deadline), deadline + _GRACE)
        with self._lock:
            self._fits += 1
            if isinstance(answer, Fitted) and math.isfinite(answer.score):
                self._take(candidate, rows, answer)
            else:
                candidate.broken = True
                error = answer.error if isinstance(answer, Broken) else "out of time"
                self._errors.append(error)
                if not candidate.results:
                    self._log.append(Ended(candidate.number, "failed", [], self._now(), error))

    def _take(self, candidate: Candidate, rows: int, answer: Fitted) -> None:
        predictions = np.frombuffer(answer.predictions, dtype="<f4").astype(np.float64)
        if self._problem.task == "multiclass":
            predictions = predictions.reshape(-1, self._problem.classes)
        candidate.results[rows] = Result(answer.score, answer.seconds, answer.trees, predictions)
        candidate.broken = answer.cut_short
        self._log.append(Told(candidate.number, rows, answer.score))
        before = self._plan
        self._plan = self._planned()
        if self._plan != before:
            best = self._plan[0][0]
            more = f" and {len(self._plan) - 1} more" if len(self._plan) > 1 else ""
            self._say(f"{best.recipe.learner}{more} on {best.rows:,} rows")

    def _planned(self) -> list[tuple[Candidate, int]]:
        """Who would win now: several that vote where that helps and there is time to fit them, else the best."""
        best = self._field.best()
        if best is None:
            return []
        if self._ensemble and best.rows == self._field.full:
            together = self._field.ensemble(self._truth)
            if sum(self._cost(one) for one, _ in together) * _SURE < _MOST_OF_IT * self._budget.seconds:
                return together
        return [(best, 1)]

    def _reserve(self) -> float:
        """The seconds that the winner will need."""
        looking = min(_LOOKING, _RESERVED * self._budget.seconds)
        return _LEAST_RESERVE + looking + _SURE * sum(self._cost(one) for one, _ in self._plan)

    def _cost(self, candidate: Candidate) -> float:
        """About how many seconds it takes to fit a candidate as it is written."""
        grown: float = (self._field.full / max(1, candidate.rows)) ** _SLOPE
        return candidate.last.seconds * _GROWN * grown

    # -- the winner --------------------------------------------------------------------------------------------------

    def _conclude(self, fitters: Sequence[Fitter]) -> Outcome:
        if not self._plan:
            raise TuningError(
                "nothing could be fitted within the budget",
                cause=self._errors[-1] if self._errors else "there was no time",
                cure="give it more: --budget 120s",
            )
        chosen, found = self._plan, self._finish(fitters[0], self._plan)
        rows = chosen[0][0].rows
        score = self._field.score(self._truth, averaged(chosen, rows)) if len(chosen) > 1 else chosen[0][0].last.score
        for one, _ in chosen:
            self._log.append(Noted(one.number, False, "winner", True))
        return Outcome(
            code=self._code(chosen, score, found),
            members=[{"trial": one.number, "weight": weight, **one.recipe.flat()} for one, weight in chosen],
            valid_score=score,
            first_seconds=self._first,
            seconds=self._budget.spent,
            fits=self._fits,
            finished=found,
        )

    def _finish(self, fitter: Fitter, plan: list[tuple[Candidate, int]]) -> Finished | None:
        end, latest = self._budget.end, self._budget.began + self._budget.seconds * _LATEST
        if not fitter.again(latest - self._reserve() / 2):
            return None
        code = writing.module(self._problem, [Member(_settled(one), weight) for one, weight in plan], self._inner)
        answer = fitter.ask(Finish(code, end - 0.3), latest)
        if isinstance(answer, Broken):
            self._errors.append(answer.error)
        return answer if isinstance(answer, Finished) else None

    def _code(self, plan: list[tuple[Candidate, int]], valid: float, found: Finished | None) -> str:
        members = [Member(_settled(one), weight) for one, weight in plan]
        told = f"{self._problem.metric} {valid:.4f} on the rows that it was chosen by"
        told += "." if found is None else f", {found.score:.4f} on those that it never saw."
        return writing.module(self._problem, members, self._names, ["", told])

    # -- the study ---------------------------------------------------------------------------------------------------

    def _begin_trial(self, candidate: Candidate) -> None:
        if candidate.results or candidate.number < len(self._log.history.attempts):
            return
        shown = candidate.recipe.flat()
        self._log.append(
            Began(candidate.number, this_process(), self._now()),
            *(Chosen(candidate.number, name, value, Choice((value,))) for name, value in shown.items()),
        )

    def _end_trials(self) -> None:
        """Candidates that reached all rows are complete, the others were pruned on the way."""
        with self._lock:
            for one in self._field.candidates:
                if one.results:
                    status: Literal["complete", "pruned"] = "complete" if one.rows == self._field.full else "pruned"
                    self._log.append(Noted(one.number, False, "rows", one.rows))
                    self._log.append(Ended(one.number, status, [one.last.score], self._now()))

    def _now(self) -> int:
        return microseconds(self._clock.now())

    def _say(self, text: str) -> None:
        best = self._field.best()
        if self._tell is not None and best is not None:
            self._tell(Step(self._budget.spent, self._fits, best.last.score, text))


def learners() -> tuple[Learner, ...]:
    """Which learners are installed."""
    found: list[Learner] = ["lightgbm"] if importlib.util.find_spec("lightgbm") else []
    return (*found, "histogram", "extra_trees", "linear")


def _settled(candidate: Candidate) -> Any:
    """The recipe with as many trees as were found to be right."""
    trees = candidate.recipe.trees or candidate.last.trees
    return msgspec.structs.replace(candidate.recipe, trees=trees)
